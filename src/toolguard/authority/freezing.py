"""Freezing: nothing of an agent, of a tenant or of anyone is claimed any more, until a second person lifts it."""

from __future__ import annotations

from collections.abc import Iterator

from toolguard._core.approval import Approval, State, move
from toolguard._core.register import Act, ActKind, Freeze
from toolguard.authority import trail
from toolguard.authority.access import Actor
from toolguard.authority.base import ATTEMPTS, Base, contended
from toolguard.errors import ApprovalError, ConflictError, NotFoundError

__all__ = ["Freezing"]

_OPEN = (State.PENDING, State.APPROVED, State.BREAK_GLASS)
_PAGE = 100


class Freezing(Base):
    """See `toolguard.authority.Authority`."""

    def freeze(self, actor: Actor, *, agent: str | None = None, everyone: bool = False, reason: str) -> Freeze:
        """Freeze ``agent`` (None: every agent) of the actor's tenant, or with ``everyone`` of all tenants.

        From the moment this returns no guard claims a call of it. What waited or was approved is invalidated.

        Raises:
            ApprovalError: ``not_a_person``, ``not_an_approver``, ``not_on_duty`` (``freeze``; for everyone
                ``freeze_all``), ``reason_required`` or ``tampered``.
        """
        human, person = self._on_duty(actor, *(("freeze_all",) if everyone else ("freeze_all", "freeze")))
        body = {"agent": agent or "", "reason": self._reason(reason)}
        for _ in range(ATTEMPTS):
            registers = self._registers(human.tenant)
            now = self._store.now()
            act = self._act(registers, ActKind.FREEZE, human, person, body, now, everyone=everyone)
            try:
                self._write_act(act)
            except ConflictError:
                continue
            for tenant in (human.tenant, *self._directory.tenants()) if everyone else (human.tenant,):
                self.invalidate_frozen(tenant)
            return _made(act)
        raise contended()

    def unfreeze(self, actor: Actor, freeze_id: str, *, reason: str) -> Freeze:
        """Lift a freeze; not by the person who made it. What was invalidated stays so.

        Raises:
            NotFoundError: no such freeze holds.
            ApprovalError: as `freeze`, and ``second_person``.
        """
        self._check_not_set_back()
        for _ in range(ATTEMPTS):
            human, person = self._on_duty(actor, "freeze_all", "freeze")
            registers = self._registers(human.tenant)
            everyone = freeze_id in registers.all.freezes
            frozen = (registers.all if everyone else registers.tenant).freezes.get(freeze_id)
            if frozen is None:
                raise NotFoundError("no such freeze holds; it may have been lifted already")
            if everyone:
                self._on_duty(actor, "freeze_all")
            if frozen.person == person.id:
                raise ApprovalError("whoever froze it cannot lift it; a second person has to", code="second_person")
            body = {"freeze": freeze_id, "reason": self._reason(reason)}
            now = self._store.now()
            act = self._act(registers, ActKind.UNFREEZE, human, person, body, now, everyone=everyone)
            try:
                self._write_act(act)
            except ConflictError:
                continue
            return frozen
        raise contended()

    def freezes(self, actor: Actor) -> tuple[Freeze, ...]:
        """What is frozen for the actor's tenant, oldest first; those of every tenant have tenant ``*``."""
        registers = self._registers(actor.tenant)
        return (*registers.all.freezes.values(), *registers.tenant.freezes.values())

    def accept_restored(self, actor: Actor, *, reason: str) -> int:
        """Take a store into use again that was set back, such as from a backup. How many open approvals became void.

        What it holds may have happened already, or been taken back since: nothing that was open in it runs.

        Raises:
            ApprovalError: ``not_a_person``, ``not_an_approver``, ``not_on_duty`` (``freeze_all``), ``reason_required``
                or ``tampered``.
        """
        human, person = self._on_duty(actor, "freeze_all")
        body = {"reason": self._reason(reason)}
        for _ in range(ATTEMPTS):
            registers = self._registers(human.tenant)
            act = self._act(registers, ActKind.RESTORED, human, person, body, self._store.now(), everyone=True)
            try:
                self._write_act(act)
            except ConflictError:
                continue
            return sum(
                self._invalidate(approval.id, tenant, "restored")
                for tenant in dict.fromkeys((human.tenant, *self._directory.tenants()))
                for approval in self._open(tenant)
            )
        raise contended()

    def invalidate_frozen(self, tenant: str) -> int:
        """Invalidate what still waits of what is frozen in ``tenant``; how many there were."""
        registers = self._registers(tenant)
        if not registers.all.freezes and not registers.tenant.freezes:
            return 0
        frozen = (a for a in self._open(tenant) if registers.frozen(a.request.agent) is not None)
        return sum(self._invalidate(approval.id, tenant, "frozen") for approval in frozen)

    def _open(self, tenant: str) -> Iterator[Approval]:
        before = None
        while page := self._store.list(tenant, states=_OPEN, limit=_PAGE, before=before):
            before = page[-1].id
            yield from page

    def _invalidate(self, approval_id: str, tenant: str, why: str) -> bool:
        for _ in range(ATTEMPTS):
            approval = self._store.get(tenant, approval_id)
            if approval is None or approval.state not in _OPEN:
                return False
            now = self._store.now()
            after = move(approval, State.INVALIDATED, now=now, grant=None)
            record = trail.resolved(after, reason_code=why, at=now, span_id=self._span())
            try:
                self._write(approval, after, (record,), expiring=False)
            except ConflictError:
                continue
            return True
        raise contended()


def _made(act: Act) -> Freeze:
    body = act.body
    return Freeze(
        id=act.id,
        tenant=act.tenant,
        agent=str(body["agent"]),
        person=act.person,
        at=act.at,
        reason=str(body["reason"]),
    )
