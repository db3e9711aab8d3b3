"""Is this request from Slack, now, and for the first time? Slack's signature answers the first two questions only."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping

from toolguard.errors import IdentityError

__all__ = ["WINDOW", "Gate"]

WINDOW = 300.0
"""Seconds a signature is good for, either way."""
_KEPT = 20_000


class Gate:
    """Checks ``v0`` signatures over the raw bytes, and lets each pass once. Thread-safe.

    A signature that was seen is refused while it would still verify. What is remembered is bounded: should more
    requests than that arrive within the window, everything new is refused until some have aged.
    """

    def __init__(self, secret: str, now: Callable[[], float]) -> None:
        self._secret = secret.encode()
        self._now = now
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raises IdentityError unless this request is signed, fresh, and new here."""
        said, stamp = headers.get("x-slack-signature", ""), headers.get("x-slack-request-timestamp", "")
        if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
            raise IdentityError("this request carries no time that can be checked")
        now = self._now()
        if abs(now - int(stamp)) > WINDOW:
            raise IdentityError("this request is too old, or from the future; check the clock of this machine")
        signed = hmac.new(self._secret, b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(f"v0={signed}".encode(), said.encode("utf-8", "replace")):
            raise IdentityError("this request is not signed by Slack for this app")
        self._once(signed, int(stamp) + WINDOW, now)

    def _once(self, signature: str, until: float, now: float) -> None:
        with self._lock:
            while self._seen and next(iter(self._seen.values())) < now:
                self._seen.popitem(last=False)
            if signature in self._seen:
                raise IdentityError("this request was received before")
            if len(self._seen) >= _KEPT:
                raise IdentityError("more requests than can be told apart arrive at once; wait a few minutes")
            self._seen[signature] = max(until, now + WINDOW)
