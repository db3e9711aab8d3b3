"""The service's register of acts, as a guard without a database knows it: fetched every second or two, kept in memory.

Every page comes with a receipt that says, signed and with this guard's nonce, where the register ends. So nobody but the
service can keep a freeze from a guard for longer than the guard is content not to hear from it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import threading
from concurrent.futures import Future

from toolguard._core.approval import Grant
from toolguard._core.receipt import RegisterReceipt, receipt_of
from toolguard._core.register import ALL, START, Heads, act_of
from toolguard.errors import InvalidatedError, ServiceError, StoreError, TamperedError, ToolguardError
from toolguard.ports import Clock, GrantVerifier
from toolguard.remote.link import Link, Reply
from toolguard.remote.wire import grant_in, nonsense

__all__ = ["CLOCK_S", "Mirror", "check_clock", "refusal"]

log = logging.getLogger("toolguard.remote")

CLOCK_S = 30.0
"""Seconds by which this machine's clock and the service's may differ."""
_PATIENCE = 10.0
"""Seconds to wait for the register where nothing says yet that the service is away."""
_PAGES = 500


class Mirror:
    """One tenant's register and that of all tenants. Thread-safe; what it holds was signed, and follows what came before.

    ``within`` (seconds): how old it may be. It is fetched in half that time, two seconds at most.
    """

    def __init__(self, link: Link, verifier: GrantVerifier, clock: Clock, *, within: float) -> None:
        self._link = link
        self._verifier = verifier
        self._clock = clock
        self._within = within
        self._every = min(2.0, within / 2.5)
        self._changed = threading.Condition()
        self._tenant = ""
        self._acts: dict[bool, list[Grant]] = {False: [], True: []}
        self._last: dict[bool, str] = {False: START, True: START}
        self._heard: float | None = None
        self._fault: ToolguardError | None = None
        self._task: Future[None] | None = None
        self._pid = 0
        self._one = asyncio.Lock()

    @property
    def tenant(self) -> str:
        """Whose register it is, as the service says of this guard's token; ``""`` until it was fetched once."""
        return self._tenant

    @property
    def heads(self) -> Heads:
        return Heads(tenant=len(self._acts[False]), all=len(self._acts[True]))

    def acts(self, tenant: str, after: int, limit: int) -> tuple[Grant, ...]:
        """As `Store.acts`. Raises StoreError for a tenant this guard's token is not of."""
        if tenant not in (ALL, self._tenant):
            raise ServiceError(
                f"this guard's service token is of tenant {self._tenant!r}, and the call is of another; "
                "a guard without a database speaks for one tenant"
            )
        return tuple(self._acts[tenant == ALL][after : after + limit])

    # --- how old it may be

    def check_current(self) -> None:
        """Raises StoreError where it is older than it may be: what was frozen meanwhile is not known."""
        if self._is_current() and self._running():
            return
        self._wait()

    def _wait(self) -> None:
        """Wait a moment where it may well come: at the beginning, after a fork, after this machine slept."""
        self.begin()
        with self._changed:
            self._changed.wait_for(lambda: self._fault is not None or self._is_current(), _PATIENCE)
            if self._is_current():
                return
            fault = self._fault
        if isinstance(fault, TamperedError):
            raise fault
        why = fault or f"it has not answered yet; check that it runs at {self._link.url!r}"
        raise ServiceError(
            f"the approval service was not heard of for {self._within:g} s, so what it froze is not known and nothing runs: {why}"
        )

    def _is_current(self) -> bool:
        return self._heard is not None and self._clock.monotonic() - self._heard <= self._within

    # --- fetching

    def _running(self) -> bool:
        return self._pid == os.getpid() and self._task is not None and not self._task.done()

    def begin(self) -> None:
        """Keep fetching, from now on, in this process."""
        with self._changed:
            if self._running():
                return
            self._pid, self._fault, self._one = os.getpid(), None, asyncio.Lock()
            self._task = self._link.start(self._keep_fetching)

    async def _keep_fetching(self) -> None:
        while True:
            with contextlib.suppress(ToolguardError):  # it is noted, and whoever asks is told
                try:
                    await self._fetch()
                except ToolguardError:
                    raise
                except Exception as fault:  # noqa: BLE001 - whatever goes wrong, it is tried again, and nothing runs meanwhile
                    log.warning("the register of acts cannot be fetched: %s", type(fault).__name__)
            await asyncio.sleep(self._every)

    def renew(self) -> None:
        """Fetch what was added until now: there is word of something that stands in it.

        Raises:
            ServiceError: it cannot be fetched now. TamperedError: it does not hold together.
        """
        self.begin()
        self._link.run(self._fetch, self._link.seconds)

    async def _fetch(self) -> None:
        try:
            async with self._one:
                for _ in range(_PAGES):
                    if await self._page():
                        break
                else:
                    raise nonsense()
        except ToolguardError as fault:
            with self._changed:
                first = self._fault is None
                self._fault = fault
                self._changed.notify_all()
            if first:
                log.warning("the register of acts cannot be fetched: %s", fault)
            raise

    async def _page(self) -> bool:
        """One page; whether it was the last."""
        nonce, asked = secrets.token_hex(16), self._clock.monotonic()
        heads = self.heads
        query = {"nonce": nonce, "after": str(heads.tenant), "all_after": str(heads.all)}
        soon = min(self._link.seconds, self._within)
        reply = await self._link.aask("GET", "/v1/register", query=query, seconds=soon)
        if reply.status != 200:
            raise refusal(reply, self._link.url)
        receipt = self._receipt(reply, nonce)
        self._take(False, receipt.tenant, reply.data.get("acts"), receipt.n, receipt.last)
        self._take(True, ALL, reply.data.get("all_acts"), receipt.all_n, receipt.all_last)
        if (receipt.n, receipt.all_n) != (len(self._acts[False]), len(self._acts[True])):
            return False
        if (receipt.last, receipt.all_last) != (self._last[False], self._last[True]):
            raise _tampered()
        with self._changed:
            self._tenant, self._heard, self._fault = receipt.tenant, asked, None
            self._changed.notify_all()
        return True

    def _receipt(self, reply: Reply, nonce: str) -> RegisterReceipt:
        signed = grant_in(reply.data.get("receipt"))
        try:
            self._verifier.verify(signed)
        except InvalidatedError:
            raise ServiceError(
                f"what answers at {self._link.url!r} does not sign with a key this guard trusts; add the service's public key "
                "to [keys] trusted, or find out who answers in its place"
            ) from None
        receipt = receipt_of(RegisterReceipt, signed.payload)
        if receipt.nonce != nonce:
            raise ServiceError("the approval service's answer is of another time; somebody repeats what it once said")
        if self._tenant and receipt.tenant != self._tenant:
            raise ServiceError("the approval service answers for another tenant than before; check [service] token")
        check_clock(receipt.at, self._clock)
        return receipt

    def _take(self, everyone: bool, tenant: str, page: object, end: int, last: str) -> None:
        """The next acts, each the one after the one before; none beyond where the register ends."""
        known = self._acts[everyone]
        if not isinstance(page, list):
            raise nonsense()
        if end < len(known) or (end == len(known) and last != self._last[everyone]):
            raise _tampered()
        for data in page:
            grant = grant_in(data)
            act = act_of(grant)
            try:
                self._verifier.verify(grant)
            except InvalidatedError:
                raise _tampered() from None
            if (act.tenant, act.n, act.prev) != (tenant, len(known) + 1, self._last[everyone]) or act.n > end:
                raise _tampered()
            known.append(grant)
            self._last[everyone] = act.hash
        if page == [] and end > len(known):
            raise nonsense()


def check_clock(at: float, clock: Clock) -> None:
    """Raises StoreError where this machine's clock and the service's differ by too much to compare times."""
    if abs(at - clock.now()) > CLOCK_S:
        raise StoreError(
            f"this machine's clock and the approval service's differ by more than {CLOCK_S:g} s; set the wrong one right, "
            "nothing runs until then"
        )


def refusal(reply: Reply, url: str) -> ServiceError:
    """What the service refused, where nothing else is to be made of it."""
    why = _WHY.get(reply.code, "see its log")
    return ServiceError(f"the approval service at {url!r} refused (status {reply.status}, {reply.code!r}); {why}")


_WHY = {
    "identity": "its token is unknown, expired or revoked: 'toolguard people token' makes another for [service] token",
    "wrong_audience": "[service] token has to be a service token; 'toolguard people token' makes one",
    "not_a_service": "[service] token has to be a service token; 'toolguard people token' makes one",
    "not_your_agent": "the service's directory has to name this agent under the service account of [service] token",
    "requester_unknown": "the requester is not in the service's directory as that person; both need the same directory",
    "clock": "this machine's clock is off from the service's; set it right",
    "request_invalid": "its version may be older than this guard's",
    "invalid": "its version may be another than this guard's",
    "not_found": "its version may be older than this guard's, or it knows nothing of this call",
    "unavailable": "it cannot read its store or directory; make the call again when it can",
    "too_many": "this guard asks more often than the service's --rate",
    "too_large": "what is asked is larger than the service takes",
    "request_cap": "this run or person has asked too often within the hour",
    "tampered": "its records do not hold together; have its database looked at",
    "wrong_host": "it does not answer to the host name of [service] url",
}
"""What to do about it, by its code."""


def _tampered() -> TamperedError:
    return TamperedError(
        "the register of acts that the approval service gives does not follow what it gave before: it was set back, edited, "
        "or another service answers; nothing runs until it is looked at"
    )
