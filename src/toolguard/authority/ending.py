"""Other ends: taken back by who asked, revoked by who may approve, resolved by a person, ended by time."""

from __future__ import annotations

from toolguard._core.approval import Approval, State, is_granted, move
from toolguard._core.register import ActKind
from toolguard._core.steps import Settle
from toolguard._core.verdicts import eligible_for
from toolguard.authority import trail
from toolguard.authority.access import Actor, Human
from toolguard.authority.base import ATTEMPTS, contended
from toolguard.authority.reading import Reading
from toolguard.errors import ApprovalError, ConflictError
from toolguard.journal import close_overdue
from toolguard.ports import DirectoryPerson

__all__ = ["Ending"]


class Ending(Reading):
    """See `toolguard.authority.Authority`."""

    def withdraw(self, actor: Actor, approval_id: str, *, version: int | None = None) -> Approval:
        """The asking side takes its request back: a late yes can no longer mislead anyone.

        With ``version``, only while it is at that one: who gives up waiting would not take back a yes that just came.

        Raises:
            NotFoundError: none that ``actor`` may see.
            ApprovalError: ``not_requester``, ``decided`` or ``stale``.
        """
        for _ in range(ATTEMPTS):
            approval = self.get(actor, approval_id)
            if not self.asks(actor, approval):
                raise ApprovalError("only who asked can withdraw a request; deny it instead", code="not_requester")
            if approval.state not in (State.PENDING, State.APPROVED):
                raise _decided(approval)
            if version not in (None, approval.version):
                raise ApprovalError("this request has changed since you looked; read it again", code="stale")
            now = self._store.now()
            after = move(approval, State.WITHDRAWN, now=now)
            record = trail.resolved(after, reason_code="withdrawn", at=now, span_id=self._span())
            try:
                self._write(approval, after, (record,), expiring=False)
            except ConflictError:
                continue
            return after
        raise contended()

    def revoke(self, actor: Actor, approval_id: str, *, reason: str) -> Approval:
        """Take a yes, or broken glass, back before it is used, for good: what stands because of it falls with it.

        Raises:
            NotFoundError: no such request in the person's tenant.
            ApprovalError: ``not_a_person``, ``not_an_approver``, ``self_approval``, ``decided`` or ``reason_required``.
        """
        human, person = self._known(actor)
        for _ in range(ATTEMPTS):
            approval, now = self._read(human, approval_id), self._store.now()
            try:
                self._check_may_end(approval, human, person, now)
                if not is_granted(approval.state):
                    raise _decided(approval)
                kept = self._reason(reason)
            except ApprovalError as error:
                raise self._refused(approval, human, person, error) from None
            after = move(approval, State.REVOKED, now=now, grant=None)
            by = trail.by(human, person.id)
            record = trail.resolved(after, reason_code="revoked", at=now, span_id=self._span(), by=by)
            act = self._void(approval, human, person, "revoked", kept, now)
            try:
                self._write(approval, after, (record,), expiring=False, act=act)
            except ConflictError:
                continue
            return after
        raise contended()

    def resolve(self, actor: Actor, approval_id: str, *, ran: bool, evidence: str) -> Approval:
        """Say what became of a call whose end nobody saw, and how that is known. It never runs again either way.

        For persons with the duty ``resolve`` and approvers of the request, not for the asking side.

        Raises:
            NotFoundError: no such request in the person's tenant.
            ApprovalError: ``not_a_person``, ``not_an_approver``, ``self_approval``, ``decided``, ``evidence_required``
                or ``tampered``.
        """
        human, person = self._known(actor)
        for _ in range(ATTEMPTS):
            approval, now = self._read(human, approval_id), self._store.now()
            try:
                self._check_may_end(approval, human, person, now, duty="resolve")
                if approval.state is not State.INDETERMINATE:
                    raise _decided(approval)
                if not evidence.strip():
                    raise ApprovalError("say how you know what became of it", code="evidence_required")
                registers = self._registers(human.tenant)
            except ApprovalError as error:
                raise self._refused(approval, human, person, error) from None
            outcome = "resolved_ran" if ran else "resolved_not_run"
            after = move(approval, State.EXECUTED, now=now, outcome=outcome)
            by = trail.by(human, person.id)
            record = trail.resolved(after, reason_code=outcome, at=now, span_id=self._span(), by=by)
            body = {"approval": approval.id, "ran": ran, "evidence": self._masked(evidence)}
            act = self._act(registers, ActKind.RESOLVED, human, person, body, now)
            settle = Settle(ref=approval.request.ref, ok=ran)
            try:
                self._write(approval, after, (record,), expiring=False, act=act, settle=settle)
            except ConflictError:
                continue
            return after
        raise contended()

    def _check_may_end(
        self, approval: Approval, actor: Human, person: DirectoryPerson, now: float, *, duty: str = ""
    ) -> None:
        widened = self._widened(approval, now).request
        if person.id in widened.excluded:
            raise ApprovalError("whoever asked for a call cannot do this; someone else has to", code="self_approval")
        if not eligible_for(widened, self._voter(actor, person), now) and not (
            duty and self._has_duty(actor, person, duty)
        ):
            raise ApprovalError("you are not an approver of this request; ask someone who is", code="not_an_approver")

    def sweep(self) -> int:
        """Make visible what time has ended; how many there were. Nothing depends on it having run."""
        closed = close_overdue(self._store)
        self._store.forget_marks()
        return closed.expired + closed.indeterminate


def _decided(approval: Approval) -> ApprovalError:
    return ApprovalError(f"this request is already {approval.state.value}; nothing was changed", code="decided")
