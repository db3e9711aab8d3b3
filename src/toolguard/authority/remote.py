"""Guards without a database: the service takes their requests, gives out the one claim, and hears how it ended.

What a guard sends is believed as far as its token reaches: its own tenant, its own agents. Who decides, when time
runs out and whether a yes still holds is worked out here, by the store's time and the service's own directory.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from toolguard._core.approval import Approval, Grant, Request, State, is_expired, is_granted, move
from toolguard._core.audit import AuditRecord, Kind, Outcome
from toolguard._core.call import CallRef
from toolguard._core.flow.stand import GLASS_USES
from toolguard._core.receipt import ClaimReceipt, RegisterReceipt, UseReceipt, receipt_payload
from toolguard._core.register import ALL, StandingApproval
from toolguard._core.risk import RiskLevel
from toolguard._core.steps import Cap, Change, Claim, Settle, Update, Use
from toolguard._core.verdicts import tally
from toolguard.authority import reported
from toolguard.authority.access import Actor, Service
from toolguard.authority.base import ATTEMPTS, contended
from toolguard.authority.ending import Ending
from toolguard.errors import ApprovalError, ConflictError, LimitError, NotFoundError, RegisterMovedError

__all__ = ["ACTS", "CLOCK_S", "LEASE_S", "LONGEST_S", "Ended", "RegisterPage", "Remote"]

ACTS = 100
"""Acts of a register that are given out at once, at most."""
_PAGE = 256 * 1024
"""Bytes of acts that are given out at once, though one more act always."""

CLOCK_S = 30.0
"""Seconds a remote guard's clock may be off; one that is off by more is refused, as its expiries would mislead."""
LONGEST_S = 7 * 86_400.0
"""Seconds a request of a remote guard may stand at most, and a yes to it wait for its claim."""
LEASE_S = 3600.0
"""Seconds an execution may take at most before it is taken for lost."""
_HOUR = 3600.0
_PER_RUN, _PER_PERSON = 100, 300
"""Requests within an hour: what a policy says where it says nothing else."""
_ERROR = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class Ended(StrEnum):
    """How an execution ended, as the guard saw it."""

    RETURNED = "returned"
    FAILED = "failed"
    INDETERMINATE = "indeterminate"


_KINDS = {
    Ended.RETURNED: (Kind.CALL_RETURNED, Outcome.EXECUTED, "ok"),
    Ended.FAILED: (Kind.CALL_FAILED, Outcome.FAILED, "error"),
    Ended.INDETERMINATE: (Kind.CALL_INDETERMINATE, Outcome.INDETERMINATE, "ok"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterPage:
    """Acts a guard has not seen yet, of its tenant and of all tenants, oldest first, and where both registers end (signed)."""

    acts: tuple[Grant, ...]
    all_acts: tuple[Grant, ...]
    receipt: Grant


class Remote(Ending):
    """See `toolguard.authority.Authority`."""

    def request(self, actor: Actor, request: Request) -> Approval:
        """Put a guard's request before the approvers. The same request once more is the same approval.

        Raises:
            ApprovalError: ``not_a_service``, ``not_your_agent``, ``requester_unknown``, ``clock``, ``request_invalid``,
                ``frozen`` or ``request_cap``.
            ConflictError: the call was asked for, or carried out, as another one.
        """
        service = _service(actor)
        now = self._store.now()
        self._check_request(service, request, now)
        if self._registers(request.tenant).frozen(request.agent) is not None:
            raise ApprovalError("this agent is frozen; nothing of it is asked until that is lifted", code="frozen")
        caps = (
            Cap(by="run", value=request.ref.run, most=_PER_RUN, since=now - _HOUR),
            Cap(by="person", value=request.requester_person, most=_PER_PERSON, since=now - _HOUR),
        )
        try:
            self._commit(Change(tenant=request.tenant, records=(reported.asked(request),), create=request, caps=caps))
        except LimitError:
            raise ApprovalError(
                "this run or person has asked too often within the hour; stop asking", code="request_cap"
            ) from None
        except ConflictError:
            found = self._store.get(request.tenant, request.id)
            if found is not None and found.request == request:
                return found
            raise ConflictError(
                "this call was asked for as another one, or has run; read it by its reference"
            ) from None
        return self._asked_by(service, request.id)

    def _check_request(self, service: Service, request: Request, now: float) -> None:
        if request.tenant != service.tenant or request.requester.tenant != service.tenant:
            raise ApprovalError("this token is for another tenant", code="not_your_agent")
        if request.agent not in service.agents:
            raise ApprovalError(
                "this token does not speak for that agent; the directory names a service's agents",
                code="not_your_agent",
            )
        person = self._directory.person(request.requester, at=now)
        if person is None or person.id != request.requester_person:
            raise ApprovalError(
                "the requester is not in the directory as that person; guard and service need the same directory",
                code="requester_unknown",
            )
        if abs(request.created - now) > CLOCK_S:
            raise ApprovalError(
                f"the guard's clock is off by more than {CLOCK_S:g} s from the service's; set it right", code="clock"
            )
        rules = request.approver_rules
        fits = (
            bool(rules)
            and all(stage.approvers and stage.quorum >= 1 for rule in rules for stage in rule.stages)
            and request.requester_person in request.excluded
            and 0 < request.expires - request.created <= min(LONGEST_S, *(r.expires for r in rules)) + 1e-3
            and 0 < request.claim_ttl <= min(LONGEST_S, *(r.claim_ttl for r in rules)) + 1e-3
            and request.risk_level in {level.label for level in RiskLevel}
        )
        if not fits:
            raise ApprovalError(
                "the request contradicts itself: it needs approvers, excludes its requester, and ends no later than its "
                f"approver rules say and {LONGEST_S:g} s",
                code="request_invalid",
            )

    def find(self, actor: Actor, ref: CallRef) -> Approval:
        """The newest approval of a call, for the service of its agent. Raises NotFoundError, ApprovalError."""
        service = _service(actor)
        approval = self._store.find(service.tenant, ref)
        if approval is None or approval.request.agent not in service.agents:
            raise NotFoundError("no approval of this call for you; ask for one")
        return approval

    def claim(
        self,
        actor: Actor,
        approval_id: str,
        *,
        version: int,
        call_digest: str,
        lease: float,
        confirm: Callable[[], object] | None = None,
    ) -> Approval:
        """Take the one execution, with the record that it began, in one transaction. Whoever comes second loses.

        ``version`` is the one the guard checked. ``confirm`` spends a critical approval in the service's memory outside
        the store (`Confirming.confirm`); without it none is given out. An answer that is lost on its way is a claim all the same: nobody
        gets it again, and when the lease ends a person says what became of it.

        Raises:
            NotFoundError: none of an agent that ``actor`` speaks for.
            ApprovalError: ``not_a_service``, ``stale``, ``spent``, ``not_approved``, ``expired``, ``frozen``, ``tampered``,
                ``not_eligible``.
            StoreError: the store was set back.
        """
        service, confirmed = _service(actor), False
        for _ in range(ATTEMPTS):
            approval, now = self._asked_by(service, approval_id), self._store.now()
            request = approval.request
            self._check_claimable(approval, call_digest, now)
            if approval.version != version:
                raise ApprovalError("the approval is not the one you checked; read it again", code="stale")
            self._check_not_set_back()
            registers = self._registers(request.tenant)
            if registers.frozen(request.agent) is not None:
                raise ApprovalError("this agent is frozen; the call must not run", code="frozen")
            if approval.id in registers.tenant.void or not self._holds(approval):
                raise ApprovalError("this approval does not hold; the call must not run", code="tampered")
            if approval.state is State.BREAK_GLASS:
                if all(
                    glass.approval != approval.id or now >= glass.expires for glass in registers.tenant.glass.values()
                ):
                    raise ApprovalError("nobody broke the glass for this call; it must not run", code="tampered")
            elif tally(self._widened(approval, now)) is not State.APPROVED:
                raise ApprovalError("who approved it may no longer; the call must not run", code="not_eligible")
            if request.risk_level == RiskLevel.CRITICAL.label and not confirmed:
                if confirm is None:
                    raise ApprovalError(
                        "this service confirms no critical call; set [service] witness", code="not_approved"
                    )
                confirm()
                confirmed = True
            running = move(approval, State.EXECUTING, now=now, lease_until=now + min(max(lease, 1.0), LEASE_S))
            change = Change(
                tenant=request.tenant,
                records=(reported.executing(running, by=service.auth, at=now, span_id=self._span()),),
                claim=Claim(ref=request.ref, call_digest=call_digest, asked=True),
                update=Update(
                    approval=running,
                    from_version=approval.version,
                    from_state=approval.state,
                    alive_until=approval.grant_expires,
                ),
                heads=registers.heads,
                announce=approval.id,
            )
            try:
                self._commit(change)
            except RegisterMovedError:
                continue
            except ConflictError:
                if self._asked_by(service, approval_id).version != approval.version:
                    continue
                raise ApprovalError("the journal says that this call ran or may not run", code="tampered") from None
            return running
        raise contended()

    def claim_receipt(self, approval: Approval, nonce: str) -> Grant:
        """Signed: this very claim was given out. ``approval`` as `claim` gave it; ``nonce`` is the guard's own."""
        request, grant, until = approval.request, approval.grant, approval.lease_until
        assert grant is not None  # noqa: S101 - narrows the type; what is not signed is not claimed
        assert until is not None  # noqa: S101 - as above
        return self._signer.sign(
            receipt_payload(
                ClaimReceipt(
                    nonce=nonce,
                    tenant=request.tenant,
                    request=request.id,
                    call_digest=request.call_digest,
                    grant=hashlib.sha256(grant.payload).hexdigest(),
                    at=approval.changed,
                    lease_until=until,
                )
            )
        )

    def use(
        self, actor: Actor, act_id: str, *, tool: str, ref: CallRef, call: str, call_digest: str, nonce: str
    ) -> Grant:
        """Count one use of a standing approval, or of broken glass, for a remote guard's call; the receipt of it, signed.

        Whether it covers the call the guard judges, by its own policy and the signed act; what stands, for whose agent, how
        often and until when is looked up here, in the transaction that counts. A call gets one use: an answer that is lost
        on its way is a use all the same.

        Raises:
            NotFoundError: none that stands, of an agent that ``actor`` speaks for.
            ApprovalError: ``not_a_service``, ``frozen``, ``expired``, ``denied_before``, ``used_up``, ``spent`` or ``tampered``.
            StoreError: the store was set back.
        """
        service = _service(actor)
        for _ in range(ATTEMPTS):
            now, tenant = self._store.now(), service.tenant
            self._check_not_set_back()
            registers = self._registers(tenant)
            stands = registers.tenant.standing.get(act_id) or registers.tenant.glass.get(act_id)
            if stands is None or stands.agent not in service.agents or not registers.holds(act_id):
                raise NotFoundError("nothing of this id stands for an agent of yours; ask for an approval")
            if registers.frozen(stands.agent) is not None:
                raise ApprovalError("this agent is frozen; the call must not run", code="frozen")
            if not stands.begins <= now < stands.expires:
                raise ApprovalError("time ran out on it; ask for an approval", code="expired")
            given_for = self._store.get(tenant, stands.approval)
            if given_for is None:
                raise ApprovalError("what it was given for is gone; have the database looked at", code="tampered")
            standing = stands if isinstance(stands, StandingApproval) else None
            if standing is not None and standing.tool != tool:
                raise NotFoundError("what stands is for another tool; ask for an approval")
            if standing is not None and self._denied_since(given_for.request, now):
                raise ApprovalError("a person said no to this a short while ago; that holds", code="denied_before")
            most = standing.terms.uses if standing is not None else GLASS_USES
            change = Change(
                tenant=tenant,
                records=(reported.used(stands, tool, ref, tenant=tenant, call=call, by=service.auth, at=now),),
                claim=Claim(ref=ref, call_digest=call_digest, asked=False),
                use=Use(act=act_id, most=most, until=stands.expires),
                heads=registers.heads,
            )
            try:
                self._commit(change)
            except RegisterMovedError:
                continue
            except LimitError:
                raise ApprovalError("no use of it is left; ask for an approval", code="used_up") from None
            except ConflictError:
                raise ApprovalError("this call was asked for or given out before", code="spent") from None
            receipt = UseReceipt(nonce=nonce, tenant=tenant, act=act_id, call_digest=call_digest, at=now)
            return self._signer.sign(receipt_payload(receipt))
        raise contended()

    def _denied_since(self, request: Request, now: float) -> bool:
        """Whether a no to the same person for the same target still holds: a guard knows only those to what it asked itself."""
        holds = max((rule.denial_memory for rule in request.approver_rules), default=0.0)
        recent = (
            self._store.recent(request.tenant, request.requester_person, request.tool, now - holds) if holds else ()
        )
        return any(
            a.state is State.DENIED
            and now < a.changed + holds
            and (a.request.args_digest == request.args_digest or a.request.target == request.target)
            for a in recent
        )

    def register_page(self, actor: Actor, *, after: int, all_after: int, nonce: str) -> RegisterPage:
        """What was added to the registers that concern a guard since the acts it has, and where they end now.

        Raises:
            ApprovalError: ``not_a_service``, or ``tampered``.
        """
        service = _service(actor)
        registers = self._registers(service.tenant)
        receipt = RegisterReceipt(
            nonce=nonce,
            tenant=service.tenant,
            n=registers.tenant.n,
            last=registers.tenant.last,
            all_n=registers.all.n,
            all_last=registers.all.last,
            at=self._store.now(),
        )
        return RegisterPage(
            acts=self._acts_up_to(service.tenant, after, registers.tenant.n),
            all_acts=self._acts_up_to(ALL, all_after, registers.all.n),
            receipt=self._signer.sign(receipt_payload(receipt)),
        )

    def _acts_up_to(self, tenant: str, after: int, end: int) -> tuple[Grant, ...]:
        if after >= end:
            return ()
        page: list[Grant] = []
        size = 0
        for act in self._store.acts(tenant, after, min(ACTS, end - after)):
            size += len(act.payload)
            if page and size > _PAGE:  # an act may hold thousands of contents
                break
            page.append(act)
        return tuple(page)

    def _holds(self, approval: Approval) -> bool:
        """Whether the service signed what stands in the row, and the journal knows of nothing else."""
        if approval.state is State.BREAK_GLASS:  # nobody gave a verdict: the act is looked up in the register
            return self._signed(approval) and self._as_told(approval)
        return self._authentic(approval)

    def _check_claimable(self, approval: Approval, call_digest: str, now: float) -> None:
        if approval.request.call_digest != call_digest:
            raise ApprovalError("the approval is for another call; ask for this one", code="stale")
        if approval.state in (State.EXECUTING, State.EXECUTED, State.INDETERMINATE):
            raise ApprovalError("this call was claimed before; it must not run again", code="spent")
        if is_expired(approval, now):
            raise ApprovalError("time ran out on it; make the call again to ask anew", code="expired")
        if not is_granted(approval.state):
            raise ApprovalError("this call is not approved; it must not run", code="not_approved")

    def outcome(
        self, actor: Actor, approval_id: str, *, call_digest: str, ended: Ended, error: str = "", withheld: bool = False
    ) -> Approval:
        """How a claimed call ended. The same end said twice is one end; a late one still counts while nobody resolved it.

        Raises:
            NotFoundError: none of an agent that ``actor`` speaks for.
            ApprovalError: ``not_a_service``, ``stale``, or ``decided``: it never ran, or ended otherwise.
        """
        service = _service(actor)
        kind, outcome, said = _KINDS[ended]
        to = State.INDETERMINATE if ended is Ended.INDETERMINATE else State.EXECUTED
        for _ in range(ATTEMPTS):
            approval, now = self._asked_by(service, approval_id), self._store.now()
            if approval.request.call_digest != call_digest:
                raise ApprovalError("the approval is for another call", code="stale")
            if approval.state is to and approval.outcome == (said if to is State.EXECUTED else approval.outcome):
                return approval
            began = self._began(approval)
            open_ = approval.state is State.EXECUTING or (
                approval.state is State.INDETERMINATE and to is State.EXECUTED
            )
            if not open_ or began is None:
                raise ApprovalError("this call is not running, or has ended otherwise; read it again", code="decided")
            after = move(approval, to, now=now, outcome=said if to is State.EXECUTED else "")
            record = reported.ended(
                after,
                kind,
                outcome,
                at=now,
                began=began.draft,
                error=error if _ERROR.fullmatch(error) else "",
                withheld=withheld,
            )
            settle = None
            if to is State.EXECUTED:
                settle = Settle(ref=approval.request.ref, ok=ended is Ended.RETURNED)
            try:
                self._write(approval, after, (record,), expiring=False, settle=settle)
            except ConflictError:
                continue
            return after
        raise contended()

    def _asked_by(self, service: Service, approval_id: str) -> Approval:
        approval = self._store.get(service.tenant, approval_id)
        if approval is None or approval.request.agent not in service.agents:
            raise NotFoundError("no such approval for you; check the id and which service you are")
        return approval

    def _began(self, approval: Approval) -> AuditRecord | None:
        for record in self._store.records(call=approval.request.call):
            body = record.draft.body
            if record.draft.kind is Kind.CALL_EXECUTING and body.get("toolguard.approval.id") == approval.id:
                return record
        return None


def _service(actor: Actor) -> Service:
    if not isinstance(actor, Service):
        raise ApprovalError("only a guard's service token can do this", code="not_a_service")
    return actor
