"""Following: what changes in a tenant, and what the journal says of one approval."""

from __future__ import annotations

from collections.abc import Mapping

from toolguard._core.approval import Approval, State
from toolguard._core.audit import AuditRecord
from toolguard.authority.access import Actor, Human, answers_for, may_see
from toolguard.authority.reading import Reading
from toolguard.errors import ApprovalError

__all__ = ["Following"]

_NEWEST, _BATCH = 50, 500
_MOST = 5000
"""Open approvals that are followed at most."""
_OPEN = tuple(state for state in State if state.is_open)


class Following(Reading):
    """See `toolguard.authority.Authority`."""

    def sees(self, actor: Actor, approval: Approval) -> bool:
        """Whether ``actor`` may see it."""
        person = self._whois(actor)
        return may_see(approval, actor, person, self._store.now()) or self._by_duty(actor, person)(approval)

    def current(self, tenant: str, before: Mapping[str, Approval]) -> Mapping[str, Approval]:
        """What is open in a tenant, the newest of all, and what was open ``before``, by id. For who tells of changes."""
        found = {a.id: a for a in self._store.list(tenant, limit=_NEWEST)}
        last = None
        while len(found) < _MOST:
            batch = self._store.list(tenant, states=_OPEN, limit=_BATCH, before=last)
            found |= {a.id: a for a in batch}
            if len(batch) < _BATCH:
                break
            last = batch[-1].id
        for old in before.values():
            if old.id not in found and old.state in _OPEN:
                now = self._store.get(tenant, old.id)
                if now is not None:
                    found[now.id] = now
        return found

    def events(self, actor: Actor, approval_id: str) -> tuple[AuditRecord, ...]:
        """The journal's records of one approval, for its approvers and whoever reviews.

        Raises:
            NotFoundError: none that ``actor`` may see.
            ApprovalError: ``not_an_approver``: who asked is not told who tried what.
        """
        person = self._whois(actor)
        reviews = isinstance(actor, Human) and person is not None and self._has_duty(actor, person, "review")
        approval = self._read(actor, approval_id) if reviews else self.get(actor, approval_id)
        if not reviews and answers_for(approval, actor, person):
            raise ApprovalError(
                "the records of a request are for its approvers and for persons with the duty 'review'",
                code="not_an_approver",
            )
        records = self._whole.records(call=approval.request.call)
        mine = [r for r in records if r.draft.body.get("toolguard.approval.id") == approval.id]
        return tuple(sorted(mine, key=lambda r: r.draft.at))
