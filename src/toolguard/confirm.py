"""Asking the approval service, over HTTP, whether it stands by an approval that is about to be used."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from toolguard._core.approval import Approval
from toolguard.errors import ConfigError, InvalidatedError, StoreError

if TYPE_CHECKING:
    import httpx

__all__ = ["ServiceConfirmer", "check_transport"]

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
