"""Asking the approval service, over HTTP: whether it is there, and whether it stands by an approval about to be used."""

from __future__ import annotations

import ipaddress
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from toolguard._core.approval import Approval
from toolguard.errors import ConfigError, InvalidatedError, StoreError

if TYPE_CHECKING:
    import httpx

__all__ = ["ServiceConfirmer", "ServiceLook", "check_transport"]

log = logging.getLogger("toolguard")

_TIMEOUT = 10.0


def check_transport(url: str) -> None:
    """Raises ConfigError unless ``url`` is https, or stays on this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise ConfigError(f"refusing {parts.scheme or 'no scheme'!r} to {host!r}: beyond this machine, use https")


class ServiceConfirmer:
    """Callable with an `Approval`. ``token`` is a service token of the agents this guard speaks for; ``url`` the service."""

    def __init__(self, url: str, token: str, *, timeout: float = _TIMEOUT) -> None:
        check_transport(url)
        self._url = url.rstrip("/")
        self._token = token
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"ServiceConfirmer({self._url!r})"

    def __call__(self, approval: Approval) -> None:
        """Returns where the service says yes.

        Raises:
            InvalidatedError: it says no.
            StoreError: it cannot be asked, or its answer is lost; the call does not run, and its row stays as it is. Where the
                answer was lost after a yes, that yes is spent: the next try is refused, and the call has to be asked anew.
        """
        import httpx

        try:
            reply = httpx.post(
                f"{self._url}/v1/approvals/{approval.id}/confirm",
                json={"call_digest": approval.request.call_digest},
                headers={"Authorization": f"Bearer {self._token}"},
                timeout=self._timeout,
                follow_redirects=False,
                trust_env=self._url.startswith("https:"),  # what stays on this machine goes to no proxy
            )
        except httpx.HTTPError as error:
            raise StoreError(
                f"the approval service at {self._url!r} cannot be asked to confirm ({type(error).__name__}); the critical "
                "call did not run; start the service, or make the call again when it is back"
            ) from None
        if reply.status_code in _NO:
            raise InvalidatedError("the approval service does not stand by this approval; the call did not run")
        if reply.status_code != 200 or not _says_yes(reply, approval):
            raise StoreError(
                f"the approval service at {self._url!r} could not confirm (status {reply.status_code}); the critical call "
                "did not run; check [service] url and token, and the service's own log"
            )


_NO = frozenset({403, 404, 409, 410, 412, 422})
"""Its refusals. Anything else but its yes is no word of the service: something else stands at its address."""


def _says_yes(reply: httpx.Response, approval: Approval) -> bool:
    try:
        said = reply.json()
    except (ValueError, RecursionError):
        return False
    return bool(said == {"id": approval.id, "state": approval.state.value})


class ServiceLook:
    """Callable with the id of an approval for which a call begins to wait: says aloud where no service is there to answer it.

    It looks in a thread of its own, so that nobody waits for it, and at most once in ``every`` seconds.
    """

    def __init__(
        self, url: str, *, every: float = 60.0, timeout: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``timeout`` in seconds. Raises ConfigError for a URL in clear text beyond this machine."""
        check_transport(url)
        self._url = url.rstrip("/")
        self._every = every
        self._timeout = timeout
        self._clock = clock
        self._lock = threading.Lock()
        self._looked = float("-inf")

    def __repr__(self) -> str:
        return f"ServiceLook({self._url!r})"

    def __call__(self, approval: str) -> None:
        """Returns at once."""
        with self._lock:
            now = self._clock()
            if now - self._looked < self._every:
                return
            self._looked = now
        threading.Thread(target=self.look, args=(approval,), name="toolguard-service", daemon=True).start()

    def look(self, approval: str) -> None:
        """Ask, and warn on the logger ``toolguard`` where no approval service answers."""
        if not self._is_there():
            log.warning(
                "a call waits for approval %s, and no approval service answers at %s: nobody can decide it; start it with "
                "'toolguard serve', or ask 'toolguard doctor' what is wrong",
                approval,
                self._url,
            )

    def _is_there(self) -> bool:
        import httpx

        try:
            with (
                httpx.Client(timeout=self._timeout, trust_env=False, follow_redirects=False) as client,
                client.stream("GET", f"{self._url}/healthz") as reply,
            ):
                return reply.status_code == 200 and next(reply.iter_raw(_LONGEST), b"").replace(b" ", b"") == _ALIVE
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            return False


_ALIVE = b'{"status":"ok"}'
_LONGEST = 64
