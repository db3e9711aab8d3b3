"""The credentials of one executing call: acquired when first asked for, recorded, taken back at its end."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Mapping

from toolguard._core.audit import Draft, Kind
from toolguard._core.scrub import SHORTEST
from toolguard._core.steps import Reach
from toolguard.credentials.credential import Credential, UnavailableError
from toolguard.errors import CredentialError
from toolguard.ports import CredentialProvider, CredentialUse, Lease

__all__ = ["Keychain"]

log = logging.getLogger("toolguard.credentials")


class Keychain:
    """What one call may ask for. Thread-safe.

    Args:
        reach: what the policy lets this call reach for.
        call: the call's id.
        providers: by credential name.
        inside: whether the code that asks runs in this very call.
        now: UTC seconds.
        new_id: 32 hex digits, for the spans of records.
        record: makes a record durable; what it raises means that the credential is not handed out.
    """

    def __init__(
        self,
        reach: Reach,
        *,
        call: str,
        providers: Mapping[str, CredentialProvider],
        inside: Callable[[], bool],
        now: Callable[[], float],
        new_id: Callable[[], str],
        record: Callable[[Draft], None],
    ) -> None:
        self._reach = reach
        self._call = call
        self._providers = providers
        self._inside = inside
        self._now = now
        self._new_id = new_id
        self._record = record
        self._lock = threading.Lock()
        self._acquiring: dict[str, threading.Lock] = {name: threading.Lock() for name in reach.credentials}
        self._leases: dict[str, Lease] = {}
        self._secrets: frozenset[str] = frozenset()
        self._open = True
        self._pid = os.getpid()
        _keychains.add(self)

    def __repr__(self) -> str:
        return f"<Keychain of call {self._call!r}, {'open' if self._open else 'closed'}>"

    def credential(self, name: str) -> Credential:
        """The credential ``name``, acquired now if this call has not asked before.

        Raises:
            CredentialError: not here, not now, not declared for this tool, or its provider failed.
        """
        self.check()
        if name not in self._acquiring:
            self._note(Kind.CREDENTIAL_REFUSED, name, "", "undeclared")
            raise CredentialError(
                f"tool {self._reach.tool!r} asked for a credential the policy does not give it; add its name to "
                "'credentials' of the tool, or take the request out of the tool"
            )
        with self._acquiring[name]:
            lease = self._leases.get(name)
            if lease is None:
                lease = self._acquire(name)
        return Credential(name, lambda: self._reveal(name), lease.expires)

    def _acquire(self, name: str) -> Lease:
        provider = self._providers[name]
        reach = self._reach
        use = CredentialUse(
            call=self._call,
            tool=reach.tool,
            tenant=reach.tenant,
            agent=reach.agent,
            until=reach.until,
            seconds=max(1.0, reach.until - self._now()),
        )
        try:
            lease = provider.acquire(name, use)
            if not isinstance(lease.value, str):
                lease.release()  # type: ignore[unreachable] # a provider may not keep to its types
                raise UnavailableError("it is no text")
            if len(lease.value) < SHORTEST:
                lease.release()
                raise UnavailableError(f"it is shorter than {SHORTEST} characters, which cannot be kept out of results")
        except Exception as fault:  # noqa: BLE001 - a provider may fail in any way, and its text may hold the secret
            self._note(Kind.CREDENTIAL_REFUSED, name, provider.kind, "provider_failed")
            why = fault if isinstance(fault, UnavailableError) else type(fault).__name__
            raise CredentialError(
                f"credential {name!r} cannot be had from its {provider.kind!r} provider ({why}); the tool got nothing, "
                "check [credentials] and what stands behind it"
            ) from None
        try:
            self._note(Kind.CREDENTIAL_RELEASED, name, provider.kind, "")
            with self._lock:
                if self._open:
                    self._leases[name] = lease
                    self._secrets |= {lease.value, *lease.parts}
                    return lease
        except BaseException:
            self._give_back(name, lease)
            raise
        self._give_back(name, lease)
        raise self._ended()

    def _reveal(self, name: str) -> str:
        self.check()
        with self._lock:
            lease = self._leases.get(name)
        if lease is None:
            raise self._ended()
        return lease.value

    @property
    def holds(self) -> bool:
        """Whether there is anything to give back."""
        return bool(self._leases)

    def check(self) -> None:
        """Raises CredentialError unless the code that asks runs in this process, in this call, before its end."""
        if os.getpid() != self._pid:
            raise CredentialError("a forked process has no part in the call it came from; it gets no credential")
        if not self._open:
            raise self._ended()
        if not self._inside():
            raise CredentialError("a credential belongs to the call it was given to; it cannot be had from outside it")
        if self._now() >= self._reach.until:
            raise CredentialError(
                "the call has outrun its lease and no longer counts as executing; it gets no credential any more"
            )

    def _ended(self) -> CredentialError:
        return CredentialError("the call this credential was given to has ended; ask for it inside a call")

    def _note(self, kind: Kind, name: str, provider: str, reason: str) -> None:
        self._record(self._reach.note(kind, name, provider, reason, self._now(), self._new_id()[:16]))

    def close(self) -> frozenset[str]:
        """End every lease; safe to call twice. What was handed out, so that it can be taken out of the result."""
        if os.getpid() != self._pid:
            return frozenset()  # a fork came back through the parent's code: the leases are the parent's
        with self._lock:
            self._open = False
            leases, self._leases = self._leases, {}
            secrets, self._secrets = self._secrets, frozenset()
        for name, lease in leases.items():
            self._give_back(name, lease)
        return secrets

    def _give_back(self, name: str, lease: Lease) -> None:
        """End a lease and record it. The call has run: nothing here may change what becomes of it."""
        reason = ""
        try:
            lease.release()
        except Exception as fault:  # noqa: BLE001 - a provider may fail in any way
            reason = "release_failed"
            log.warning("credential %r could not be given back: %s; it ends by itself", name, type(fault).__name__)
        try:
            self._note(Kind.CREDENTIAL_REVOKED, name, self._providers[name].kind, reason)
        except Exception as fault:  # noqa: BLE001 - as above
            log.warning("the end of credential %r could not be recorded: %s", name, type(fault).__name__)

    def _forget(self) -> None:
        """In a forked child: what the parent was given is not the child's."""
        self._open = False
        self._leases, self._secrets = {}, frozenset()
        self._lock = threading.Lock()


_keychains: weakref.WeakSet[Keychain] = weakref.WeakSet()


def _after_fork() -> None:
    for keychain in list(_keychains):
        keychain._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
