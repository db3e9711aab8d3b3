"""Broken glass: a person lets an emergency through without an approval, for one patient, and is asked about it later."""

from __future__ import annotations

from dataclasses import dataclass, replace

from toolguard._core.approval import Approval, Assured, State, move, resolution_payload
from toolguard._core.approver import ApproverRule, entries_of
from toolguard._core.audit import Draft
from toolguard._core.call import Assurance
from toolguard._core.flow.stand import GLASS_CLASSES
from toolguard._core.register import Act, ActKind, BreakGlass
from toolguard._core.steps import Announce, Notice
from toolguard._core.verdicts import eligible_for
from toolguard.authority import trail
from toolguard.authority.access import Actor, Human
from toolguard.authority.base import ATTEMPTS, Base, contended
from toolguard.errors import ApprovalError, ConflictError, NotFoundError
from toolguard.ports import DirectoryPerson

__all__ = ["FINDINGS", "Glass", "Review"]

FINDINGS = ("justified", "not_justified")


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What somebody has to look at: broken glass, the request it was broken for, and how many calls it let run.

    ``used`` counts the further calls; whether the request's own call ran, its state says.
    """

    glass: BreakGlass
    approval: Approval
    used: int


class Glass(Base):
    """See `toolguard.authority.Authority`."""

    def break_glass(self, actor: Actor, approval_id: str, *, reason: str) -> Approval:
        """Let this call run once without an approval, and calls like it for the same patient while it lasts.

        Only where every approver rule of the request names who may, only reading and writing, only by a person who
        has just proved who they are again. Every approver hears of it, and somebody reviews it.

        Raises:
            NotFoundError: no such request in the person's tenant.
            ApprovalError: ``not_a_person``, ``not_an_approver``, ``decided``, ``expired``, ``never_in_emergency``,
                ``not_in_emergency_role``, ``no_subject``, ``requester_not_verified``, ``step_up_required``,
                ``reason_required``, ``frozen`` or ``tampered``.
        """
        human, person = self._known(actor)
        for _ in range(ATTEMPTS):
            approval, now = self._read(human, approval_id), self._store.now()
            try:
                after, act = self._broken(approval, human, person, reason, now)
                by = trail.by(human, person.id)
                record = trail.resolved(after, reason_code="break_glass", at=now, span_id=self._span(), by=by)
                notify = Announce(approval=approval.id, notice=Notice.BREAK_GLASS, key=f"glass/{approval.id}")
                self._write(approval, after, (record,), act=act, notify=notify)
            except ApprovalError as error:
                raise self._refused(approval, human, person, error) from None
            except ConflictError:
                continue
            return after
        raise contended()

    def _broken(
        self, approval: Approval, actor: Human, person: DirectoryPerson, reason: str, now: float
    ) -> tuple[Approval, Act]:
        request, rules = approval.request, approval.request.approver_rules
        if approval.state is not State.PENDING:
            raise ApprovalError(f"this request is already {approval.state.value}; nothing was changed", code="decided")
        self._check_alive(approval, now)
        if not rules or not all(rule.break_glass for rule in rules) or not _lets_through(approval):
            raise ApprovalError(
                "this is never let through in an emergency: the policy does not allow it, or it does more than read "
                "and write; ask an approver",
                code="never_in_emergency",
            )
        if not all(_holds(person, rule) for rule in rules):
            raise ApprovalError(
                "you do not have the role that may do this in an emergency; ask someone who has, or an approver",
                code="not_in_emergency_role",
            )
        if not request.subject:
            raise ApprovalError("this call names no patient, so no emergency can cover it", code="no_subject")
        if request.assurance is not Assurance.VERIFIED:
            raise ApprovalError(
                "the application only says who asks for this; in an emergency that has to be proved",
                code="requester_not_verified",
            )
        if actor.assured < Assured.STEPPED_UP:
            raise ApprovalError("prove who you are once more, with your second factor", code="step_up_required")
        kept = self._reason(reason)
        self._check_not_set_back()
        registers = self._registers(request.tenant)
        if registers.frozen(request.agent) is not None:
            raise ApprovalError("this agent is frozen; nothing of it is let through", code="frozen")
        if not self._authentic(approval) or approval.id in registers.tenant.void:
            raise ApprovalError(
                "what the database says of this request is not what this service wrote down; have it looked at",
                code="tampered",
            )
        expires = now + min(rule.break_glass_for for rule in rules)
        after = move(approval, State.BREAK_GLASS, now=now, grant_expires=expires, grant=None)
        body = {
            "approval": request.id,
            "requester": request.requester_person,
            "agent": request.agent,
            "subject": request.subject,
            "call_digest": request.call_digest,
            "expires": expires,
            "reason": kept,
        }
        act = self._act(registers, ActKind.BREAK_GLASS, actor, person, body, now)
        return replace(after, grant=self._signer.sign(resolution_payload(after))), act

    def reviews(self, actor: Actor) -> tuple[Review, ...]:
        """Broken glass nobody has reviewed yet and ``actor`` may review, oldest first.

        Raises:
            ApprovalError: ``not_a_person``, ``not_an_approver`` or ``tampered``.
        """
        human, person = self._known(actor)
        register = self._registers(human.tenant).tenant
        found = []
        for glass in register.glass.values():
            approval = self._store.get(human.tenant, glass.approval)
            if glass.id in register.reviewed or approval is None or not self._reviews(glass, approval, human, person):
                continue
            found.append(Review(glass=glass, approval=approval, used=self._store.uses(human.tenant, glass.id)))
        return tuple(found)

    def review(self, actor: Actor, act_id: str, *, finding: str, reason: str) -> Review:
        """Say whether breaking the glass was ``justified`` or ``not_justified``: by an approver of the request, or who
        has the duty ``review``; never by who broke it or for whom it was broken.

        Raises:
            NotFoundError: none that waits for a review.
            ApprovalError: ``not_a_person``, ``not_an_approver``, ``self_approval``, ``finding_invalid``,
                ``reason_required`` or ``tampered``.
        """
        human, person = self._known(actor)
        if finding not in FINDINGS:
            raise ApprovalError(f"a finding is one of {', '.join(map(repr, FINDINGS))}", code="finding_invalid")
        kept = self._reason(reason)
        for _ in range(ATTEMPTS):
            registers = self._registers(human.tenant)
            glass = registers.tenant.glass.get(act_id)
            approval = self._store.get(human.tenant, glass.approval) if glass is not None else None
            if glass is None or approval is None or act_id in registers.tenant.reviewed:
                raise NotFoundError("no such broken glass waits for a review; it may have been reviewed already")
            if person.id in (glass.by, glass.person):
                error = ApprovalError("nobody reviews what they did themselves", code="self_approval")
                raise self._refused(approval, human, person, error)
            if not self._reviews(glass, approval, human, person):
                error = ApprovalError("only an approver of the request can review this", code="not_an_approver")
                raise self._refused(approval, human, person, error)
            body = {"subject": act_id, "kind": "break_glass", "finding": finding, "reason": kept}
            act = self._act(registers, ActKind.REVIEWED, human, person, body, self._store.now())
            try:
                self._write_act(act, self._signed_review(act, "break_glass", approval.request.call, human, person))
            except ConflictError:
                continue
            return Review(glass=glass, approval=approval, used=self._store.uses(human.tenant, act_id))
        raise contended()

    def _signed_review(self, act: Act, kind: str, call: str, actor: Human, person: DirectoryPerson) -> Draft:
        by = trail.by(actor, person.id)
        return trail.reviewed(act, kind=kind, call=call, by=by, span_id=self._span())

    def _reviews(self, glass: BreakGlass, approval: Approval, actor: Human, person: DirectoryPerson) -> bool:
        if person.id in (glass.by, glass.person):
            return False
        now = self._store.now()
        widened = self._widened(approval, now).request
        return bool(eligible_for(widened, self._voter(actor, person), now)) or self._has_duty(actor, person, "review")


def _lets_through(approval: Approval) -> bool:
    request = approval.request
    return {request.risk_class, *request.risk_classes} <= {c.value for c in GLASS_CLASSES}


def _holds(person: DirectoryPerson, rule: ApproverRule) -> bool:
    """Whether they hold the role themselves: an emergency power is not passed on."""
    return not entries_of(person.id, person.groups).isdisjoint(rule.break_glass)
