"""Where the policy comes from, and what it has to show before it is put into force."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from toolguard._core.audit import Draft, Kind
from toolguard._core.history import Mark
from toolguard._core.policy import Policy
from toolguard.config.defaults import ANALYSES
from toolguard.config.separation import Separation
from toolguard.errors import ConfigError, PolicyError, PolicyRefusedError
from toolguard.keys import PolicyStatement, PolicyVerifier
from toolguard.policyfile import load_policy, pack_names, read_pack
from toolguard.policyfile.document import MAX_BYTES
from toolguard.ports import Clock, Ids, Store

__all__ = ["DEVELOPMENT", "SIGNATURE", "Loaded", "PolicySource", "loaded_marks", "loaded_record", "refused_record"]

DEVELOPMENT = "development"
"""The environment in which a configuration file may name a policy that nobody signed."""
SIGNATURE = ".sig"
"""What is added to a policy file's name for its signature's."""
_MAX_SIGNATURE = 16_384
_SIGNED = "policy.signed"
_SEEN = 100_000
_AT_ONCE = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A policy that may be put into force, and what its signer says of it, where it had to be signed."""

    policy: Policy
    statement: PolicyStatement | None = None


Stamp: TypeAlias = tuple[str, ...]


class PolicySource:
    """A policy file (or ``pack:NAME``, or a policy the application built), and who has to have signed it.

    Args:
        signers: whose signatures count; None where the application's own word is enough.
        older: a version that may be loaded although a newer one was before.
        only: the name the policy has to have. A policy that was signed for something else does not fit then.
    """

    def __init__(
        self,
        source: Policy | str | os.PathLike[str],
        *,
        signers: PolicyVerifier | None = None,
        older: str | None = None,
        only: str | None = None,
    ) -> None:
        self._policy = source if isinstance(source, Policy) else None
        self.name = source.id if isinstance(source, Policy) else os.fspath(source)
        self._signers = signers
        self._older = older
        self._only = only

    @property
    def file(self) -> Path | None:
        """The file, where it is one that can change."""
        return None if self._policy is not None or self.name.startswith("pack:") else Path(self.name)

    @property
    def changes(self) -> bool:
        """Whether it can change while a guard runs."""
        return self.file is not None

    def stamp(self) -> Stamp:
        """What the file and its signature hold, as digests: it changes whenever one of them does."""
        file = self.file
        return () if file is None else (_digest(file, MAX_BYTES), _digest(_signature_of(file), _MAX_SIGNATURE))

    def digest(self) -> str:
        """SHA-256 of the file's bytes as they are now; empty where they cannot be read."""
        return "" if self.file is None else _digest(self.file, MAX_BYTES)

    def bind(self, policy: Policy) -> None:
        """From now on only a policy of this one's name: a running guard changes its policy, not which policy it runs."""
        self._only = policy.id

    def load(self, store: Store) -> Loaded:
        """Read it, and see whether it may be put into force.

        Args:
            store: remembers which signed versions were in force.

        Raises:
            PolicyError: it cannot be read, or, as PolicyRefusedError, nobody who may has signed it.
        """
        if self._policy is not None:
            return Loaded(policy=self._policy)
        file = self.file
        if file is None:
            return Loaded(policy=_pack(self.name))
        try:
            signature = _read(_signature_of(file), _MAX_SIGNATURE) if self._signers is not None else None
            raw = _read(file, MAX_BYTES)
        except OSError as fault:
            raise _unreadable(str(file), fault.strerror or type(fault).__name__) from None
        if raw is None:
            raise _unreadable(str(file), "No such file or directory")
        policy = load_policy(raw, name=str(file), functions=ANALYSES)
        if self._only is not None and policy.id != self._only:
            raise PolicyRefusedError(
                f"policy {policy.id!r} was not put into force: this guard runs {self._only!r} and no other; give the file that "
                "name and have it signed, or change the name the guard is told",
                reason="other_policy",
            )
        if self._signers is None:
            return Loaded(policy=policy)
        statement = self._signers.open(signature, policy=policy.id, version=policy.version, sha256=policy.sha256)
        self._check_age(statement, store)
        return Loaded(policy=policy, statement=statement)

    def _check_age(self, statement: PolicyStatement, store: Store) -> None:
        seen = [_order(*value.rpartition("|")[::2]) for value in store.marked("", _subject(statement), _SIGNED, _SEEN)]
        if not seen or _order(statement.version, str(statement.at)) >= max(seen) or statement.version == self._older:
            return
        raise PolicyRefusedError(
            f"policy {statement.policy!r} version {statement.version} is older than one that was in force, so it was not put "
            f"into force; sign it as a new version, or allow this one by name with [policy] older = {statement.version!r}",
            reason="older_version",
        )


def _unreadable(name: str, reason: str) -> PolicyError:
    return PolicyError(f"policy file {name!r} cannot be read ({reason}); check the path and its permissions")


def _pack(name: str) -> Policy:
    try:
        return load_policy(read_pack(name[5:]), name=name, functions=ANALYSES)
    except KeyError:
        raise ConfigError(f"there is no pack {name!r}; there are {', '.join(pack_names())}") from None


def _signature_of(file: Path) -> Path:
    return file.with_name(file.name + SIGNATURE)


def _read(file: Path, most: int) -> bytes | None:
    """The bytes of a file, one more than ``most`` at the most; None where there is none.

    Nothing but a file is read: a pipe in its place would keep whoever opens it waiting for ever.
    """
    try:
        descriptor = os.open(file, _AT_ONCE)
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        with open(descriptor, "rb", closefd=False) as handle:
            return handle.read(most + 1)
    finally:
        os.close(descriptor)


def _digest(file: Path, most: int) -> str:
    try:
        raw = _read(file, most)
    except OSError:
        return ""
    return "" if raw is None else hashlib.sha256(raw).hexdigest()


def _subject(statement: PolicyStatement) -> str:
    return f"policy:{statement.policy}"


_Order: TypeAlias = tuple[tuple[tuple[int, int | str], ...], int]


def _order(version: str, at: str) -> _Order:
    """Versions in their natural order (1.0-rc1, 1.0, 1.9, 1.10), and of one version by when it was signed."""
    parts = re.findall(r"\d+|[a-z]+", version.casefold())
    return (*((2, int(p)) if p.isdigit() else (0, p) for p in parts), (1, 0)), int(at)


# --- what is written down ------------------------------------------------------------------------------


def loaded_record(
    loaded: Loaded, clock: Clock, ids: Ids, *, separation: Separation = "unknown", replaces: Policy | None = None
) -> Draft:
    """`Kind.POLICY_LOADED`: which policy is in force from now on, on whose word, and how far the guard can be trusted."""
    policy, statement = loaded.policy, loaded.statement
    body: dict[str, object] = {
        "toolguard.policy.id": policy.id,
        "toolguard.policy.version": policy.version,
        "toolguard.policy.sha256": policy.sha256,
        "toolguard.policy.mode": policy.mode.value,
        "toolguard.policy.rules": len(policy.rules),
        "toolguard.policy.packs": list(policy.packs),
        "toolguard.policy.signed": statement is not None,
        "toolguard.guard.separation": separation,
    }
    if statement is not None:
        body |= {
            "toolguard.policy.signer": statement.signer,
            "toolguard.policy.author": statement.author,
            "toolguard.policy.signed_at": statement.at,
        }
    if replaces is not None:
        body["toolguard.policy.replaces"] = replaces.sha256
    return _draft(Kind.POLICY_LOADED, clock, ids, body)


def loaded_marks(loaded: Loaded) -> tuple[Mark, ...]:
    """What the store remembers of a signed policy that was in force."""
    said = loaded.statement
    return () if said is None else (Mark(subject=_subject(said), kind=_SIGNED, value=f"{said.version}|{said.at}"),)


def refused_record(
    fault: ConfigError, source: PolicySource, clock: Clock, ids: Ids, *, running: Policy | None = None
) -> Draft:
    """`Kind.POLICY_REFUSED`: a file was not put into force, why (a code), and what stays in force."""
    body: dict[str, object] = {
        "toolguard.decision.reason_code": fault.reason if isinstance(fault, PolicyRefusedError) else fault.code,
        "toolguard.policy.file_sha256": source.digest(),
    }
    if running is not None:
        body |= {"toolguard.policy.id": running.id, "toolguard.policy.sha256": running.sha256}
    return _draft(Kind.POLICY_REFUSED, clock, ids, body)


def _draft(kind: Kind, clock: Clock, ids: Ids, body: dict[str, object]) -> Draft:
    now = clock.now()
    return Draft(kind=kind, at=now, started=now, trace_id=ids.new(), span_id=ids.new()[:16], body=body)
