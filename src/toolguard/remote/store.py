"""The store of a guard without the service's database: its own for everything but approvals, which stand at the service.

What was asked, and everything this guard did about it, is written here first; what people decided is fetched, and
believed as far as it is signed. An approved call is claimed at the service before it is claimed here: see `claim`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import replace

from toolguard._core.approval import TRANSITIONS, Approval, Grant, Request, State, is_granted
from toolguard._core.audit import AuditRecord, Draft, Kind, Outcome
from toolguard._core.call import CallRef, Json
from toolguard._core.receipt import ClaimReceipt, UseReceipt, receipt_of
from toolguard._core.register import Heads
from toolguard._core.steps import Change, Claim, Update, Use
from toolguard.errors import (
    ConflictError,
    DeniedError,
    InvalidatedError,
    LimitError,
    RegisterMovedError,
    ReplayError,
    ServiceError,
    StoreError,
    ToolguardError,
)
from toolguard.ports import Clock, GrantVerifier, Ids, Store
from toolguard.remote.courier import Courier
from toolguard.remote.link import Link, Reply
from toolguard.remote.mirror import Mirror, check_clock, refusal
from toolguard.remote.through import Through
from toolguard.remote.wire import Told, body_of, grant_in, nonsense, rebuilt, told

__all__ = ["RemoteStore"]

log = logging.getLogger("toolguard.remote")

_WAIT = 25.0
"""Seconds one look for an answer may last at the service."""
_LOOKS = 3
_NONE_LEFT = 2**31
_GIVEN_UP = frozenset({"frozen", "register_moved"})
"""Why a call is given up after the service gave it out."""
_NO_ACTS = Heads()
_OVER = frozenset({State.EXECUTING, State.EXECUTED, State.INDETERMINATE})


class RemoteStore(Through):
    """A `toolguard.ports.Store`. ``lease`` and ``within`` in seconds: how long an execution may take, and for how long the
    service may not be heard of before nothing runs any more.
    """

    def __init__(
        self,
        local: Store,
        link: Link,
        *,
        verifier: GrantVerifier,
        clock: Clock,
        ids: Ids,
        lease: float = 300.0,
        within: float = 5.0,
    ) -> None:
        super().__init__(local)
        self._link = link
        self._verifier = verifier
        self._clock = clock
        self._ids = ids
        self._lease = lease
        self._mirror = Mirror(link, verifier, clock, within=within)
        self._courier = Courier(local, link)
        self._seen: dict[str, int] = {}
        self._claimed: dict[str, str] = {}
        self._used_up: set[str] = set()

    def __repr__(self) -> str:
        return f"RemoteStore({self._link!r}, {self.local!r})"

    @property
    def blocking(self) -> bool:
        return True

    def begin(self) -> None:
        """Fetch the register and deliver what is left of before, from now on."""
        self._mirror.begin()
        self._courier.begin()

    def close(self) -> None:
        with contextlib.suppress(ToolguardError):
            self._courier.flush()
        self._link.close()
        self.local.close()

    # --- the register: the service's

    def acts(self, tenant: str, after: int = 0, limit: int = 1000) -> tuple[Grant, ...]:
        self._mirror.check_current()
        return self._mirror.acts(tenant, after, limit)

    def check_current(self) -> None:
        """Raises StoreError where what is known of the register is older than it may be."""
        self._mirror.check_current()

    # --- one transaction

    def commit(self, change: Change) -> tuple[AuditRecord, ...]:
        """As `Store.commit`. What has to be at the service first is there when this returns.

        Raises:
            DeniedError, ReplayError: the service did not take the request; it is withdrawn.
            ServiceError: an approved call was not claimed at the service, or what it froze is not known.
        """
        if change.create is not None:
            return self._ask(change, change.create)
        if change.claim is not None or change.use is not None:
            return self._begin(change)
        update = change.update
        if update is not None and update.approval.state is State.WITHDRAWN and self._withdraw(update.approval):
            change = replace(change, announce=None)
        records = self._write(change)
        self._given_up(change)
        return records

    def _write(self, change: Change) -> tuple[AuditRecord, ...]:
        if change.heads != _NO_ACTS:  # none stand in the store here
            change = replace(change, heads=_NO_ACTS)
        records = self.local.commit(change)
        if change.announce is not None:
            self._courier.wake()
        return records

    def _begin(self, change: Change) -> tuple[AuditRecord, ...]:
        """An execution begins: under the register as it is known now, and of an approved call only once it is claimed."""
        claim, update = change.claim, change.update
        claimed = (
            None if claim is None or update is None or not claim.asked else self._claimed.pop(update.approval.id, None)
        )
        if claimed is None:  # else the service has just looked
            self._mirror.check_current()
        if change.heads != self._mirror.heads:
            if claimed is not None and update is not None:  # it is looked at once more, and may yet run
                self._claimed[update.approval.id] = claimed
            raise RegisterMovedError("the register of acts has moved on since it was read; read it again")
        if change.use is not None:
            if claim is None:
                raise StoreError("a use of what stands is for one call, and this names none; nothing was written")
            self._use(change, claim, change.use)
        if claim is None or update is None or not claim.asked:
            return self._write(change)
        if claimed != claim.call_digest:
            raise ServiceError("this call was not claimed at the approval service; it must not run")
        try:
            records = self._write(change)
        except Exception as fault:  # whatever keeps it from being written down: nobody else can run it now
            self._courier.did_not_run(update.approval, type(fault).__name__)
            self._forget(update.approval.id)
            raise
        self._forget(update.approval.id)
        return records

    def _given_up(self, change: Change) -> None:
        """Tell the service of a call that it gave out and that is not begun here after all: it is not to be taken for lost.

        Whoever takes the claim out of `_claimed` has it: either it begins, or it is told here, never both.
        """
        update = change.update
        if update is not None and update.approval.state is State.INVALIDATED:
            given_up = {update.approval.id: "invalidated"}
        else:
            said = (
                (d.body.get("toolguard.approval.id"), d.body.get("toolguard.decision.reason_code"))
                for d in change.records
            )
            given_up = {str(approval): str(why) for approval, why in said if why in _GIVEN_UP}
        for approval_id, why in given_up.items():
            if self._claimed.pop(approval_id, None) is not None:
                approval = self.local.get(change.tenant, approval_id)
                if approval is not None:
                    self._courier.did_not_run(approval, why)

    # --- what stands

    def uses(self, tenant: str, act: str) -> int:
        """Those of this store, as far as is known here; of what the service said nothing is left of, more than any."""
        return _NONE_LEFT if act in self._used_up else self.local.uses(tenant, act)

    def _use(self, change: Change, claim: Claim, use: Use) -> None:
        """Have one use counted at the service, before the call begins here. Its answer counts only with a signed receipt.

        Raises:
            LimitError: none is left. ConflictError: this call had one, or has run. DeniedError: it does not stand any more.
            ServiceError: the service cannot be asked, or what answered is not it. The use may be spent: the call does not run.
        """
        if self.local.ledger(change.tenant, claim.ref) is not None:
            raise ConflictError("this call was asked for or carried out before; it must not run again")
        ref, began, nonce = claim.ref, change.records[-1], secrets.token_hex(16)
        call = began.call
        body = {
            "act": use.act,
            "tool": str(began.body["gen_ai.tool.name"]),
            "run": ref.run,
            "call_id": ref.call_id,
            "ordinal": ref.ordinal,
            "call": call,
            "call_digest": claim.call_digest,
            "nonce": nonce,
        }
        reply = self._link.ask("POST", "/v1/uses", body=body)
        if reply.status != 200:
            if reply.code == "used_up":
                self._used_up.add(use.act)
                raise LimitError("nothing is left of the standing approval; the call did not run")
            if reply.code == "spent":
                raise ConflictError("this call was given out before; it must not run again")
            if reply.code in ("frozen", "expired", "denied_before", "not_found", "tampered"):
                raise DeniedError(
                    f"the approval service says that what let this call run does not stand ({reply.code}); it did not run",
                    code="revoked" if reply.code == "not_found" else reply.code,
                    call_id=call,
                )
            raise refusal(reply, self._link.url)
        receipt = receipt_of(UseReceipt, self._signed(reply).payload)
        if (receipt.nonce, receipt.tenant, receipt.act, receipt.call_digest) != (
            nonce,
            change.tenant,
            use.act,
            claim.call_digest,
        ):
            raise _another_question()
        check_clock(receipt.at, self._clock)

    def _forget(self, approval_id: str) -> None:
        self._claimed.pop(approval_id, None)
        self._seen.pop(approval_id, None)

    # --- asking

    def _ask(self, change: Change, request: Request) -> tuple[AuditRecord, ...]:
        """On record here, then before the approvers. What they were not asked is taken back, so that no yes comes later."""
        records = self.local.commit(change)
        try:
            reply = self._asked(request)
        except ServiceError as fault:
            self._take_back(request, "service", tell=True)
            raise DeniedError(
                f"the call of {request.tool!r} needs approval, and {fault}; the call did not run",
                code="service",
                model_text=ServiceError.model_text,
                call_id=request.call,
            ) from None
        if reply.status != 201:
            self._take_back(request, reply.code, tell=False)
            raise _not_taken(request, reply, self._link.url)
        return records

    def _asked(self, request: Request) -> Reply:
        """The same request twice is one approval, so an answer that got lost is asked for once more."""
        body = body_of(request)
        try:
            reply = self._link.ask("POST", "/v1/approvals", body=body)
        except ServiceError:
            reply = self._link.ask("POST", "/v1/approvals", body=body)
        if reply.status == 201:
            said = told(reply.data)
            if said.id != request.id:
                raise nonsense()
            self._seen[request.id] = said.version
        elif reply.status >= 500 or reply.code in ("identity", "too_many", "timeout", "wrong_host"):
            raise refusal(reply, self._link.url)
        return reply

    def _take_back(self, request: Request, why: str, *, tell: bool) -> None:
        own = self.local.get(request.tenant, request.id)
        if own is None or own.state is not State.PENDING:
            return
        after = replace(own, state=State.WITHDRAWN, version=own.version + 1, changed=self.local.now())
        update = Update(approval=after, from_version=own.version, from_state=own.state)
        record = self._resolved(own, Outcome.WITHDRAWN, why)
        announce = own.id if tell else None
        with contextlib.suppress(ConflictError):
            self._write(Change(tenant=request.tenant, records=record, update=update, announce=announce))

    def _withdraw(self, approval: Approval) -> bool:
        """Whether the service was told. Raises ConflictError where somebody decided meanwhile."""
        for _ in range(_LOOKS):
            seen = self._seen.get(approval.id)
            match = {} if seen is None else {"If-Match": f'"{seen}"'}
            try:
                reply = self._link.ask("POST", f"/v1/approvals/{approval.id}/withdraw", headers=match)
            except ServiceError:
                return False  # it ends here; the service is told when it can be
            if reply.status not in (409, 412):
                self._seen.pop(approval.id, None)
                return reply.status in (200, 404)
            now = self.get(approval.request.tenant, approval.id)
            if now is None or now.state is not State.PENDING:  # one yes of two leaves it pending, at another version
                break
        raise ConflictError("this was decided meanwhile; read it again, nothing was written")

    # --- what became of it

    def get(self, tenant: str, approval_id: str) -> Approval | None:
        return self._in_step(self.local.get(tenant, approval_id))

    def find(self, tenant: str, ref: CallRef) -> Approval | None:
        return self._in_step(self.local.find(tenant, ref))

    def _in_step(self, own: Approval | None) -> Approval | None:
        """The approval as the service has it now; as it was known before, where that cannot be learned."""
        if own is None or not (own.state is State.PENDING or is_granted(own.state)):
            return own
        try:
            ref = own.request.ref
            query = {"run": ref.run, "call_id": ref.call_id, "ordinal": str(ref.ordinal)}
            reply = self._link.ask("GET", "/v1/approvals/by-call", query=query)
            if reply.code == "not_found" and own.state is State.PENDING:
                return self._asked_late(own)
            if reply.status != 200:
                return own
            said = told(reply.data)
        except ServiceError as fault:
            log.info("an approval could not be looked up: %s", fault)
            return own
        return self._noted(own, said) if said.id == own.id else own

    def _asked_late(self, own: Approval) -> Approval:
        """This process, or one before it, died between writing a question down and asking it."""
        reply = self._asked(own.request)
        if reply.status != 201:
            self._take_back(own.request, reply.code, tell=False)
        return self.local.get(own.request.tenant, own.id) or own

    def _noted(self, own: Approval, said: Told) -> Approval:
        """The service's word beside the request, on record here. Whether it holds is for whoever is to run the call."""
        if said.state is State.BREAK_GLASS:
            try:
                self._mirror.renew()  # the act that broke it has to be known here before anybody looks for it
            except ServiceError as fault:
                log.info("what broke the glass could not be looked up: %s", fault)
                return own
        self._seen[own.id] = said.version
        after = replace(rebuilt(own, said), version=own.version)
        if said.state in _OVER:
            return after
        if (own.state, said.state) not in TRANSITIONS:
            return own
        after = replace(after, version=own.version + 1, changed=self.local.now())
        record = self._resolved(own, _OUTCOMES[said.state], "service")
        update = Update(approval=after, from_version=own.version, from_state=own.state)
        try:
            self.local.commit(Change(tenant=own.request.tenant, records=record, update=update))
        except ConflictError:  # another thread was first, or time ran out
            return self.local.get(own.request.tenant, own.id) or own
        if not is_granted(after.state):
            self._seen.pop(own.id, None)
        return after

    def _resolved(self, own: Approval, outcome: Outcome, why: str) -> tuple[Draft, ...]:
        """`Kind.APPROVAL_RESOLVED` here: the same as the guard's own record of the question, with how it ended."""
        now, request = self.local.now(), own.request
        asked = next(
            (
                record.draft
                for record in self.local.records(call=request.call)
                if record.draft.kind is Kind.APPROVAL_REQUESTED
                and record.draft.body.get("toolguard.approval.id") == own.id
            ),
            None,
        )
        if asked is None:
            raise StoreError("the record of what was asked is gone from the journal; the call did not run")
        body: dict[str, Json] = {
            **asked.body,
            "toolguard.decision.outcome": outcome.value,
            "toolguard.decision.reason_code": why,
            "toolguard.approval.decided_at": now,
            "toolguard.approval.wait_s": max(0.0, now - request.created),
        }
        return (
            Draft(
                kind=Kind.APPROVAL_RESOLVED,
                at=now,
                started=request.created,
                call=request.call,
                trace_id=request.trace_id,
                span_id=self._ids.new()[:16],
                parent_id=asked.parent_id,
                link_id=asked.span_id,
                body=body,
            ),
        )

    # --- waiting

    def watch(self, tenant: str, approval_id: str, wake: Callable[[], None]) -> Callable[[], None]:
        listening = self._link.start(lambda: self._listen(approval_id, wake))
        return lambda: (listening.cancel(), None)[1]

    async def _listen(self, approval_id: str, wake: Callable[[], None]) -> None:
        path, faults = f"/v1/approvals/{approval_id}/wait", 0
        while True:
            begun = self._clock.monotonic()
            try:
                reply = await self._link.aask(
                    "GET", path, query={"timeout": f"{_WAIT:g}"}, seconds=_WAIT + self._link.seconds
                )
            except ServiceError:
                faults = min(faults + 1, 4)
                await asyncio.sleep(0.25 * 2**faults)
                continue
            faults = 0
            if reply.status != 204:
                wake()
            if (
                reply.status != 204 or self._clock.monotonic() - begun < 1.0
            ):  # an answer that nobody takes, or a service that stops
                await asyncio.sleep(1.0)

    # --- claiming

    def claim(self, approval: Approval) -> None:
        """Take the one execution of an approved call at the service; what the flow asks before it claims here.

        The service's answer counts only with a receipt it signed for this very question, and for the resolution that was
        checked here.

        Raises:
            InvalidatedError, DeniedError: the service does not give it out. ConflictError: it has, once.
            ServiceError: it cannot be asked, or what answered is not it. The claim may be spent: the call does not run.
        """
        request, grant, nonce = approval.request, approval.grant, secrets.token_hex(16)
        version = self._seen.get(approval.id)
        if grant is None or version is None:
            raise ServiceError("the approval service cannot be asked where this call stands; it did not run")
        reply = self._link.ask(
            "POST",
            f"/v1/approvals/{approval.id}/claim",
            body={"call_digest": request.call_digest, "lease": min(max(self._lease, 1.0), 3600.0), "nonce": nonce},
            headers={"If-Match": f'"{version}"'},
        )
        if reply.status != 200:
            raise _not_claimed(request, reply, self._link.url)
        receipt = receipt_of(ClaimReceipt, self._signed(reply).payload)
        expected = (nonce, request.tenant, request.id, request.call_digest, hashlib.sha256(grant.payload).hexdigest())
        if (receipt.nonce, receipt.tenant, receipt.request, receipt.call_digest, receipt.grant) != expected:
            raise _another_question()
        check_clock(receipt.at, self._clock)
        if receipt.lease_until <= receipt.at:
            raise nonsense()
        self._claimed[approval.id] = request.call_digest

    def _signed(self, reply: Reply) -> Grant:
        """The receipt of an answer. Raises ServiceError where it is of no key that is trusted here."""
        signed = grant_in(reply.data.get("receipt"))
        try:
            self._verifier.verify(signed)
        except InvalidatedError:
            raise ServiceError(
                f"what answers at {self._link.url!r} does not sign with a key this guard trusts; the call did not run"
            ) from None
        return signed


def _another_question() -> ServiceError:
    return ServiceError(
        "the approval service's answer is for another question than this guard asked; somebody repeats what it once "
        "said, and the call did not run"
    )


_OUTCOMES = {state: Outcome(state.value) for state in State if state not in (*_OVER, State.UNDELIVERABLE)} | {
    State.UNDELIVERABLE: Outcome.DENIED
}


def _not_taken(request: Request, reply: Reply, url: str) -> DeniedError | ReplayError:
    """The service would not put it before anybody."""
    if reply.code == "conflict":
        return ReplayError(
            f"this call of {request.tool!r} was asked for from elsewhere, or has run; it did not run again",
            call_id=request.call,
        )
    return DeniedError(
        f"the call of {request.tool!r} needs approval, and {refusal(reply, url)}; the call did not run",
        code=reply.code,
        model_text=_TEXTS.get(reply.code, ServiceError.model_text),
        call_id=request.call,
    )


_TEXTS = {
    "request_cap": "Too many approvals were asked for. This call did not run. Stop asking and tell the user.",
    "frozen": "This agent is frozen. The call did not run, and no other will. Stop, and tell the user.",
}
_VOID = frozenset({"stale", "tampered", "not_eligible", "not_found"})


def _not_claimed(request: Request, reply: Reply, url: str) -> ToolguardError:
    """The service does not give the execution out."""
    if reply.code == "spent":  # another process of this guard may be running it
        return ConflictError("this call was claimed before; it must not run again")
    if reply.code in _VOID:
        return InvalidatedError(
            f"the approval service does not stand by this approval ({reply.code}); the call did not run",
            call_id=request.call,
        )
    if reply.code in ("frozen", "expired", "not_approved"):
        why = (
            "it confirms no critical call; set [service] witness there" if reply.code == "not_approved" else "see there"
        )
        return DeniedError(
            f"the approval service does not give out the call of {request.tool!r} ({reply.code}; {why}); it did not run",
            code=reply.code,
            call_id=request.call,
        )
    return refusal(reply, url)
