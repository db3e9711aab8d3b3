"""Confirming: a guard asks, right before it claims a critical call, whether the service stands by the approval."""

from __future__ import annotations

from dataclasses import replace

from toolguard._core.approval import Approval, State, is_expired, is_granted, resolution_payload
from toolguard._core.verdicts import tally
from toolguard.authority.access import Actor, Service
from toolguard.directory import closure
from toolguard.errors import ApprovalError, InvalidatedError, NotFoundError, StoreError
from toolguard.ports import Directory, GrantVerifier, Store
from toolguard.register import RegisterReader
from toolguard.witness import Witness

__all__ = ["Confirming"]


class Confirming:
    """Looks once more, with what only the service has: its witness. Each approval is confirmed once."""

    def __init__(self, store: Store, directory: Directory, verifier: GrantVerifier, witness: Witness) -> None:
        self._store = store
        self._directory = directory
        self._verifier = verifier
        self._witness = witness
        self._readers: dict[str, RegisterReader] = {}

    def confirm(self, actor: Actor, approval_id: str, call_digest: str) -> Approval:
        """The approval, now spent: whoever was told so may claim it, and nobody will be told so again.

        Raises:
            NotFoundError: none of an agent that ``actor`` speaks for.
            ApprovalError: ``spent``, ``not_approved``, ``expired``, ``frozen``, ``tampered`` or ``not_eligible``.
            StoreError: the store was set back, or its register does not hold.
        """
        approval = self._store.get(actor.tenant, approval_id)
        if approval is None or not isinstance(actor, Service) or approval.request.agent not in actor.agents:
            raise NotFoundError("no such approval for you; check the id and which service you are")
        self._witness.check(self._store)
        now = self._store.now()
        code = self._refusal(approval, call_digest, now)
        if code:
            raise ApprovalError("the service does not stand by this approval; the call must not run", code=code)
        if not self._witness.spend(approval.id, approval.grant_expires or now, now):
            raise ApprovalError("this approval was used before; the call must not run", code="spent")
        return approval

    def _refusal(self, approval: Approval, call_digest: str, now: float) -> str:
        request = approval.request
        if not is_granted(approval.state) or request.call_digest != call_digest:
            return "not_approved"
        if is_expired(approval, now):
            return "expired"
        mine = RegisterReader(self._store, self._verifier, request.tenant)
        registers = self._readers.setdefault(request.tenant, mine).read(fresh=True)  # only what is new is checked
        if registers.frozen(request.agent) is not None:
            return "frozen"
        if approval.id in registers.tenant.void or not self._signed(approval):
            return "tampered"
        if approval.state is State.BREAK_GLASS:
            return "" if any(g.approval == approval.id for g in registers.tenant.glass.values()) else "tampered"
        person = self._directory.person(request.requester, at=now)
        if person is None or person.id != request.requester_person:
            return "not_eligible"
        asking = closure(self._directory, request.tenant, request.agent, [person], at=now)
        current = replace(request, excluded=request.excluded | asking)
        return "" if tally(replace(approval, request=current)) is State.APPROVED else "not_eligible"

    def _signed(self, approval: Approval) -> bool:
        if approval.grant is None or approval.grant.payload != resolution_payload(approval):
            return False
        try:
            self._verifier.verify(approval.grant)
        except (InvalidatedError, StoreError):
            return False
        return True
