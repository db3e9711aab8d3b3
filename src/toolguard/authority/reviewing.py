"""Signed reviews: somebody else has looked at what was out of the ordinary, or at a call out of a sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from toolguard._core.approval import Approval, State
from toolguard._core.audit import AuditRecord, Kind
from toolguard._core.call import Json
from toolguard._core.register import ALL, Act, ActKind, act_of
from toolguard.authority.access import Actor, Human
from toolguard.authority.base import ATTEMPTS, contended
from toolguard.authority.glass import FINDINGS, Glass
from toolguard.errors import ApprovalError, ConflictError, NotFoundError
from toolguard.population import ASKS_FOR_REVIEW, exceptions_of
from toolguard.ports import DirectoryPerson

__all__ = ["DUTIES", "Awaiting", "Reviewing"]

DUTIES = ("freeze", "freeze_all", "review", "resolve")
"""Duties that somebody may be told they have."""
_LOOK = 1000
"""How many of a register's last acts are looked through for what waits for a review."""
_CALLS = 50

_ACTS = {
    ActKind.BREAK_GLASS: "break_glass",
    ActKind.STANDING: "standing_approval",
    ActKind.RESTORED: "store_set_back",
}
_ASKED = "toolguard.actor.person"
_ACCOUNT = "toolguard.actor.id"
_ANSWERED = "toolguard.approver.id"
_APPROVAL = "toolguard.approval.id"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """What a review is of. ``persons`` had a part in it, ``accounts`` too, as records name them, and who owns ``agents``."""

    kind: str
    persons: frozenset[str]
    accounts: frozenset[str] = frozenset()
    agents: frozenset[str] = frozenset()
    call: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaiting:
    """Something nobody else has looked at yet. ``subject`` is what a review of it names.

    ``kind`` as `Reviewing.sign_review` returns it, ``by`` the person who did it (``""``: nobody in particular),
    ``approval`` the request it came of (``""``: none), ``tool`` what it let run, ``used`` how many further calls.
    ``had_a_part``: whoever looks stood on its side, so that somebody else has to review it.
    """

    subject: str
    kind: str
    at: float
    by: str
    reason: str = ""
    approval: str = ""
    tool: str = ""
    agent: str = ""
    used: int = 0
    had_a_part: bool = False


class Reviewing(Glass):
    """See `toolguard.authority.Authority`."""

    def duties(self, actor: Actor) -> frozenset[str]:
        """Which of `DUTIES` somebody has now. For display: every act looks again."""
        person = self._whois(actor)
        if not isinstance(actor, Human) or person is None:
            return frozenset()
        return frozenset(name for name in DUTIES if self._has_duty(actor, person, name))

    def awaiting_review(self, actor: Actor) -> tuple[Awaiting, ...]:
        """What waits for a review and ``actor`` may see, oldest first: broken glass, and for the duty ``review`` yeses
        that were made to stand, stores that were set back and calls whose end nobody saw.

        Acts are looked for among a register's last 1000, calls among the last 50 of the kind; a period's exceptions as
        a whole, with what ran in shadow mode, are what ``toolguard audit review`` lists.

        Raises:
            ApprovalError: ``not_a_person``, ``not_an_approver`` or ``tampered``.
        """
        human, person = self._known(actor)
        found = [
            Awaiting(
                subject=r.glass.id,
                kind="break_glass",
                at=r.glass.begins,
                by=r.glass.by,
                reason=r.glass.reason,
                approval=r.approval.id,
                tool=r.approval.request.tool,
                agent=r.glass.agent,
                used=r.used,
            )
            for r in self.reviews(human)
        ]
        if self._has_duty(human, person, "review"):
            found += self._acts_awaiting(human, person)
            found += self._calls_awaiting(human, person)
        return tuple(sorted(found, key=lambda each: each.at))

    def _acts_awaiting(self, human: Human, person: DirectoryPerson) -> Iterator[Awaiting]:
        registers = self._registers(human.tenant)
        for register in (registers.all, registers.tenant):
            n = max(0, register.n - _LOOK)
            acts: list[Act] = []
            while page := self._store.acts(register.tenant, n):
                acts += map(act_of, page)
                n += len(page)
            for act in acts:
                kind = _ACTS.get(act.kind)
                if kind in (None, "break_glass") or act.id in registers.tenant.reviewed:
                    continue
                approval, body = self._approval_of(human, act), act.body
                yield Awaiting(
                    subject=act.id,
                    kind=kind or "",
                    at=act.at,
                    by=act.person,
                    reason=str(body.get("reason", "")),
                    approval=approval.id if approval is not None else "",
                    tool=str(body.get("tool", "")),
                    agent=str(body.get("agent", "")),
                    used=self._store.uses(human.tenant, act.id) if act.kind is ActKind.STANDING else 0,
                    had_a_part=self._had_a_part(self._act_subject(human, act), person, human.tenant),
                )

    def _calls_awaiting(self, human: Human, person: DirectoryPerson) -> Iterator[Awaiting]:
        reviewed = self._registers(human.tenant).tenant.reviewed
        for approval in self._store.list(human.tenant, states=(State.INDETERMINATE,), limit=_CALLS):
            request = approval.request
            if request.call in reviewed:
                continue
            try:
                subject = self._subject(human, request.call)
            except NotFoundError:  # the journal has nothing of it that a review could name
                continue
            yield Awaiting(
                subject=request.call,
                kind="indeterminate",
                at=approval.changed,
                by="",
                approval=approval.id,
                tool=request.tool,
                agent=request.agent,
                had_a_part=self._had_a_part(subject, person, human.tenant),
            )

    def _approval_of(self, actor: Human, act: Act) -> Approval | None:
        """The request an act came of, if there is one in the person's tenant."""
        return self._store.get(actor.tenant, str(act.body["approval"])) if "approval" in act.body else None

    def sign_review(self, actor: Actor, subject: str, *, finding: str, reason: str) -> str:
        """Sign that you looked at an act (broken glass, a standing approval, …) or at a call, and what you found.

        ``finding`` is ``justified`` or ``not_justified``. For persons with the duty ``review`` (broken glass: for
        approvers of the request too); never for anyone who had a part in it: who asked, owns the agent, answered or acted.

        Returns:
            What it was a review of: ``break_glass``, ``standing_approval``, ``indeterminate``, ``let_through``,
            ``store_set_back`` or ``sample``.

        Raises:
            NotFoundError: no such act or call in the person's tenant, or it was reviewed already.
            ApprovalError: ``not_a_person``, ``not_an_approver``, ``not_on_duty``, ``self_approval``,
                ``finding_invalid``, ``reason_required`` or ``tampered``.
        """
        human, person = self._known(actor)
        found = self._subject(human, subject)
        if found.kind == "break_glass":
            self.review(human, subject, finding=finding, reason=reason)
            return found.kind
        self._on_duty(human, "review")
        if finding not in FINDINGS:
            raise ApprovalError(f"a finding is one of {', '.join(map(repr, FINDINGS))}", code="finding_invalid")
        if self._had_a_part(found, person, human.tenant):
            raise ApprovalError("nobody reviews what they had a part in; somebody else has to", code="self_approval")
        kept = self._reason(reason)
        for _ in range(ATTEMPTS):
            registers = self._registers(human.tenant)
            if subject in registers.tenant.reviewed:
                raise NotFoundError("this was reviewed already; nothing was changed")
            body: dict[str, Json] = {"subject": subject, "kind": found.kind, "finding": finding, "reason": kept}
            act = self._act(registers, ActKind.REVIEWED, human, person, body, self._store.now())
            try:
                self._write_act(act, self._signed_review(act, found.kind, found.call, human, person))
            except ConflictError:
                continue
            return found.kind
        raise contended()

    # --- what it is of

    def _subject(self, actor: Human, subject: str) -> _Subject:
        records = list(self._whole.records(call=subject)) if subject else []
        if records and all(r.draft.body.get("toolguard.tenant") == actor.tenant for r in records):
            return self._call_subject(actor.tenant, subject, records)
        act = next((a for a in self._acts_of(actor.tenant) if a.id == subject and a.kind in _ACTS), None)
        if act is None:
            raise NotFoundError("no such act or call in your tenant; 'toolguard audit review' lists what waits")
        return self._act_subject(actor, act)

    def _acts_of(self, tenant: str) -> Iterator[Act]:
        """The acts that concern a tenant. Their signatures are checked first. Raises ApprovalError ``tampered``."""
        self._registers(tenant)
        for name in (tenant, ALL):
            n = 0
            while page := self._store.acts(name, n):
                yield from map(act_of, page)
                n += len(page)

    def _call_subject(self, tenant: str, call: str, records: Sequence[AuditRecord]) -> _Subject:
        codes = [e.code for e in exceptions_of(records) if e.code in ASKS_FOR_REVIEW and e.subject == call]
        bodies = [r.draft.body for r in records if r.draft.kind is not Kind.AUDIT_REVIEW]

        def said(key: str) -> frozenset[str]:
            return frozenset(str(body[key]) for body in bodies if body.get(key))

        asked = said(_ASKED)
        approvals = [a for name in said(_APPROVAL) if (a := self._store.get(tenant, name)) is not None]
        return _Subject(
            kind=codes[0] if codes else "sample",
            persons=asked | said(_ANSWERED) | {name for a in approvals for name in a.request.excluded},
            accounts=frozenset() if asked else said(_ACCOUNT),
            agents=said("gen_ai.agent.name"),
            call=call,
        )

    def _act_subject(self, actor: Human, act: Act) -> _Subject:
        body = act.body
        named = {str(body[name]) for name in ("requester",) if name in body}
        approvers = body.get("approvers")
        named |= {str(name) for name in approvers} if isinstance(approvers, list) else set()
        approval = self._approval_of(actor, act)
        asked = {approval.request.requester_person, *approval.request.excluded} if approval is not None else set()
        return _Subject(
            kind=_ACTS[act.kind],
            persons=frozenset({act.person, *named, *asked}),
            agents=frozenset({str(body["agent"])} if "agent" in body else ()),
            call=approval.request.call if approval is not None else "",
        )

    def _had_a_part(self, subject: _Subject, person: DirectoryPerson, tenant: str) -> bool:
        now = self._store.now()
        if person.id in subject.persons:
            return True
        if any(person.id in self._directory.owners_of(tenant, agent, at=now) for agent in subject.agents):
            return True
        mine = {identity.ref.replace("|", ":") for identity in person.identities}
        # an account that records name only by a keyed digest could be anyone's, the reviewer's too
        return any(account in mine or ":" not in account.removeprefix("v1:") for account in subject.accounts)
