"""Standing approvals: what of a yes is let stand, and seeing and ending what stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from toolguard._core.approval import Request, StandingTerms, terms_body
from toolguard._core.call import Json
from toolguard._core.flow.stand import rules_digest
from toolguard._core.register import ActKind, StandingApproval
from toolguard.authority.access import Actor, may_see
from toolguard.authority.base import ATTEMPTS, Base, contended
from toolguard.errors import ConflictError, NotFoundError

__all__ = ["Standing", "StandingView", "standing_body"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingView:
    """A standing approval that still lets calls run, and how many it has."""

    standing: StandingApproval
    used: int


def standing_body(request: Request, terms: StandingTerms, approvers: Sequence[str], now: float) -> Mapping[str, Json]:
    """What the act says: every argument that may not vary is bound by its digest."""
    free = {v.argument for v in terms.vary}
    return {
        "approval": request.id,
        "requester": request.requester_person,
        "agent": request.agent,
        "session": request.session,
        "tool": request.tool,
        "tool_ref": request.tool_ref,
        "level": request.risk_level,
        "rules": rules_digest(request.approver_rules),
        "asked_by": list(request.rules),
        "classes": sorted({request.risk_class, *request.risk_classes}),
        "fixed": {name: digest for name, digest in request.arg_digests.items() if name not in free},
        "terms": terms_body(terms),
        "expires": now + terms.seconds,
        "approvers": list(approvers),
    }


class Standing(Base):
    """See `toolguard.authority.Authority`."""

    def standings(self, actor: Actor) -> tuple[StandingView, ...]:
        """What stands now and ``actor`` may see (as they may see the request it came from, or by duty), newest first.

        Raises:
            ApprovalError: ``tampered``.
        """
        now = self._store.now()
        registers = self._registers(actor.tenant)
        found = [s for s in registers.tenant.standing.values() if now < s.expires and registers.holds(s.id)]
        views = [StandingView(standing=s, used=self._store.uses(actor.tenant, s.id)) for s in found]
        return tuple(v for v in reversed(views) if v.used < v.standing.terms.uses and self._sees(actor, v.standing))

    def end_standing(self, actor: Actor, standing_id: str, *, reason: str) -> StandingView:
        """End a standing approval: whoever may see it may end it. What ran has run.

        Raises:
            NotFoundError: none that stands and ``actor`` may see.
            ApprovalError: ``not_a_person``, ``not_an_approver``, ``reason_required`` or ``tampered``.
        """
        human, person = self._known(actor)
        kept = self._reason(reason)
        for _ in range(ATTEMPTS):
            registers = self._registers(human.tenant)
            standing = registers.tenant.standing.get(standing_id)
            if standing is None or not self._sees(human, standing):
                raise NotFoundError("no such standing approval for you; it may have ended already")
            body = {"standing": standing_id, "reason": kept}
            act = self._act(registers, ActKind.STANDING_ENDED, human, person, body, self._store.now())
            try:
                self._write_act(act)
            except ConflictError:
                continue
            return StandingView(standing=standing, used=self._store.uses(human.tenant, standing_id))
        raise contended()

    def _sees(self, actor: Actor, standing: StandingApproval) -> bool:
        person, now = self._whois(actor), self._store.now()
        if person is not None:
            duties = (self._directory.duty(actor.tenant, name, at=now) for name in ("freeze", "review"))
            if person.id in {standing.person, *standing.approvers} or any(person.id in d for d in duties):
                return True
        approval = self._store.get(actor.tenant, standing.approval)
        return approval is not None and may_see(approval, actor, person, now)
