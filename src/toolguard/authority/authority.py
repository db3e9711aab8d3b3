"""The authority: reads the approval and the person anew for every verdict, signs what follows, commits it.

Each change is one transaction: compare-and-set, verdicts and audit records together. A lost race is read
again and judged again, so a verdict is either part of the state, or refused with a reason and on record.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from toolguard._core.approval import (
    Answer,
    Approval,
    State,
    Verdict,
    is_expired,
    is_granted,
    move,
    resolution_payload,
)
from toolguard._core.audit import Draft
from toolguard._core.steps import Change, Update
from toolguard._core.verdicts import add_verdict
from toolguard.authority import trail
from toolguard.authority.access import Actor, Human, answers_for, may_answer, may_see, voter_of
from toolguard.authority.reason import masked_reason
from toolguard.errors import ApprovalError, ConflictError, InvalidatedError, NotFoundError
from toolguard.journal import close_overdue
from toolguard.ports import Channel, Detector, Directory, DirectoryPerson, GrantVerifier, Ids, Signer, Store

__all__ = ["Authority", "Page"]

log = logging.getLogger("toolguard.authority")

_ATTEMPTS = 20
_PAGE = 100
_HOLD = 60.0
"""Seconds an announcement is one worker's."""
_LONGEST = 300.0
"""Seconds between two tries of an announcement, at most."""
_SCANNED = 5000
"""How many approvals one page of a list may look through before it hands back a cursor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Approvals, newest first. ``cursor`` is where the next page starts; None: there is no more."""

    approvals: tuple[Approval, ...]
    cursor: str | None = None


class Authority:
    """What the approval service runs. Thread-safe as far as its store and directory are."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        signer: Signer,
        ids: Ids,
        *,
        verifier: GrantVerifier,
        detector: Detector,
    ) -> None:
        """``verifier`` pins the service's own public keys; ``detector`` masks what approvers write.

        The time that counts is the store's.
        """
        self._store = store
        self._directory = directory
        self._signer = signer
        self._ids = ids
        self._verifier = verifier
        self._detector = detector
        self._worker = ids.new()

    # --- reading ------------------------------------------------------------------------------------

    def now(self) -> float:
        """The store's time, UTC seconds."""
        return self._store.now()

    def person(self, actor: Human) -> DirectoryPerson | None:
        """Who this is, at this moment."""
        return self._directory.person(actor.identity, at=self._store.now())

    def name_of(self, approval: Approval) -> str:
        """The requester's name, as the directory has it now."""
        request = approval.request
        found = self._directory.person(request.requester, at=self._store.now())
        return found.name if found is not None else request.requester_person

    def get(self, actor: Actor, approval_id: str) -> Approval:
        """The approval.

        Raises:
            NotFoundError: there is none, or none that ``actor`` may see.
        """
        approval = self._store.get(actor.tenant, approval_id)
        if approval is None or not may_see(approval, actor, self._whois(actor), self._store.now()):
            raise NotFoundError("no such approval for you; check the id and who you are signed in as")
        return approval

    def can_decide(self, actor: Actor, approval: Approval) -> bool:
        """Whether a verdict by ``actor`` could count now. For display: `decide` looks again."""
        person = self._whois(actor)
        if not isinstance(actor, Human) or person is None or is_expired(approval, self._store.now()):
            return False
        return (approval.state is State.PENDING or is_granted(approval.state)) and may_answer(
            approval, voter_of(person, actor.identity), self._store.now()
        )

    def asks(self, actor: Actor, approval: Approval) -> bool:
        """Whether ``actor`` stands on the asking side (may wait for it and withdraw it)."""
        return answers_for(approval, actor, self._whois(actor))

    def list(
        self,
        actor: Actor,
        *,
        states: Sequence[State] = (),
        assigned: bool = False,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """What ``actor`` may see, newest first; with ``assigned`` only what waits for their own answer."""
        person, now = self._whois(actor), self._store.now()
        found: list[Approval] = []
        scanned, size = 0, min(_PAGE, limit + 1)
        if assigned:
            states = (State.PENDING,) if not states or State.PENDING in states else ()
            if not states:
                return Page(approvals=())
        while scanned < _SCANNED:
            batch = self._store.list(actor.tenant, states=states, limit=size, before=cursor)
            for approval in batch:
                cursor = approval.id
                scanned += 1
                if may_see(approval, actor, person, now) and (
                    not assigned or self._waits_for(approval, actor, person, now)
                ):
                    found.append(approval)
                    if len(found) == limit:
                        return Page(approvals=tuple(found), cursor=cursor)
            if len(batch) < size:
                return Page(approvals=tuple(found))
        return Page(approvals=tuple(found), cursor=cursor)

    def _waits_for(self, approval: Approval, actor: Actor, person: DirectoryPerson | None, now: float) -> bool:
        if not isinstance(actor, Human) or person is None or approval.state is not State.PENDING:
            return False
        answered = any(v.person == person.id for v in approval.verdicts)
        return (
            not answered
            and not is_expired(approval, now)
            and may_answer(approval, voter_of(person, actor.identity), now)
        )

    def _whois(self, actor: Actor) -> DirectoryPerson | None:
        return self.person(actor) if isinstance(actor, Human) else None

    # --- verdicts -----------------------------------------------------------------------------------

    def decide(
        self,
        actor: Human,
        approval_id: str,
        answer: Answer,
        *,
        seen_call_digest: str,
        seen_view_digest: str,
        reason: str,
        version: int | None = None,
    ) -> Approval:
        """One person's verdict on one request.

        ``version`` is the one they looked at; it is needed to approve. A no counts whatever else was
        answered in between, as long as what was seen is this request.

        Raises:
            NotFoundError: no such request in the person's tenant.
            ApprovalError: refused, and on record; ``code`` is ``decided``, ``expired``, ``self_approval``,
                ``not_an_approver``, ``stale``, ``reason_required``, ``tampered`` or ``not_a_person``.
        """
        if not isinstance(actor, Human):
            raise ApprovalError("only a person can decide; sign in as one", code="not_a_person")
        kept = masked_reason(self._detector, reason)
        for _ in range(_ATTEMPTS):
            approval = self._store.get(actor.tenant, approval_id)
            if approval is None or approval.request.tenant != actor.tenant:
                raise NotFoundError("no such approval for you; check the id and who you are signed in as")
            now = self._store.now()
            person = self._directory.person(actor.identity, at=now)
            try:
                after = self._judged(
                    approval, actor, person, answer, (seen_call_digest, seen_view_digest), kept, version, now
                )
            except ApprovalError as error:
                self._record_refusal(approval, actor, person, error.code, now)
                raise
            try:
                self._commit(approval, after, self._verdict_records(approval, after, now))
            except ConflictError:
                continue
            return after
        raise ConflictError("this request is being changed by many at once; nothing was decided; try again")

    def _judged(
        self,
        approval: Approval,
        actor: Human,
        person: DirectoryPerson | None,
        answer: Answer,
        seen: tuple[str, str],
        reason: str,
        version: int | None,
        now: float,
    ) -> Approval:
        if person is None:
            raise ApprovalError(
                "you are not in the directory, so you are not an approver; ask an administrator to add you",
                code="not_an_approver",
            )
        verdict = Verdict(
            request=approval.id,
            answer=answer,
            person=person.id,
            identity=actor.identity,
            groups=tuple(sorted(person.groups)),
            seen_call_digest=seen[0],
            seen_view_digest=seen[1],
            reason=reason,
            channel=actor.channel,
            auth=actor.auth,
            at=now,
            assured=actor.assured,
            acting=person.acting,
        )
        after = add_verdict(approval, verdict, voter_of(person, actor.identity), now=now)
        authentic = self._authentic(approval)
        if not authentic and answer is Answer.APPROVE:
            raise ApprovalError(
                "earlier verdicts on this request do not carry this service's signature; nothing was decided; "
                "have the database looked at",
                code="tampered",
            )
        if version != approval.version and (answer is Answer.APPROVE or version is not None):
            raise ApprovalError("this request has changed since you looked at it; look again", code="stale")
        return replace(after, grant=self._signer.sign(resolution_payload(after)) if authentic else None)

    def _authentic(self, approval: Approval) -> bool:
        """Whether the verdicts it already holds are those this service signed.

        The set is signed anew with every verdict, also while a quorum is not complete: a row written past the
        service never counts towards one. A no is taken even so (unsigned): the request ends either way.
        """
        if not approval.verdicts:
            return approval.state is State.PENDING
        if approval.grant is None or approval.grant.payload != resolution_payload(approval):
            return False
        try:
            self._verifier.verify(approval.grant)
        except InvalidatedError:
            return False
        return True

    def _verdict_records(self, before: Approval, after: Approval, now: float) -> tuple[Draft, ...]:
        verdict = after.verdicts[-1]
        given = trail.verdict_given(
            after,
            person=verdict.person,
            tenant=verdict.identity.tenant,
            answer=verdict.answer,
            channel=verdict.channel,
            auth=verdict.auth,
            at=now,
            span_id=self._span(),
        )
        if after.state is before.state:
            return (given,)
        code = "quorum" if after.state is State.APPROVED else "veto" if before.state is State.APPROVED else "denied"
        return (given, trail.resolved(after, reason_code=code, at=now, span_id=self._span()))

    def _record_refusal(
        self, approval: Approval, actor: Human, person: DirectoryPerson | None, code: str, now: float
    ) -> None:
        draft = trail.refused(
            approval,
            code=code,
            person=person.id if person is not None else "",
            tenant=actor.tenant,
            channel=actor.channel,
            auth=actor.auth,
            at=now,
            span_id=self._span(),
        )
        self._store.commit(Change(tenant=approval.request.tenant, records=(draft,)))

    # --- other ends ---------------------------------------------------------------------------------

    def withdraw(self, actor: Actor, approval_id: str) -> Approval:
        """The asking side takes its request back: a late yes can no longer mislead anyone.

        Raises:
            NotFoundError: none that ``actor`` may see.
            ApprovalError: ``not_requester`` or ``decided``.
        """
        for _ in range(_ATTEMPTS):
            approval = self.get(actor, approval_id)
            if not self.asks(actor, approval):
                raise ApprovalError("only who asked can withdraw a request; deny it instead", code="not_requester")
            if approval.state not in (State.PENDING, State.APPROVED):
                raise ApprovalError(
                    f"this request is already {approval.state.value}; nothing was changed", code="decided"
                )
            now = self._store.now()
            after = move(approval, State.WITHDRAWN, now=now)
            record = trail.resolved(after, reason_code="withdrawn", at=now, span_id=self._span())
            try:
                self._commit(approval, after, (record,), expiring=False)
            except ConflictError:
                continue
            return after
        raise ConflictError("this request is being changed by many at once; nothing was withdrawn; try again")

    def sweep(self) -> int:
        """Make visible what time has ended; how many there were. Nothing depends on it having run."""
        closed = close_overdue(self._store)
        return closed.expired + closed.indeterminate

    def deliver(self, channels: Sequence[Channel]) -> int:
        """Tell ``channels`` what has changed, oldest first; how many announcements are done.

        One that fails stays in the outbox and is tried again with the next call. Nothing waits for it.
        """
        done = 0
        for each in self._store.take(self._worker, _HOLD, _PAGE):
            approval = self._store.get(each.tenant, each.approval)
            told = [_told(channel, approval) for channel in channels] if approval is not None else []
            if all(told):
                self._store.outbox_done(each.row)
                done += 1
            else:
                self._store.outbox_later(each.row, min(_LONGEST, 2.0 ** min(each.attempts, 10)))
        return done

    def _commit(self, before: Approval, after: Approval, records: tuple[Draft, ...], *, expiring: bool = True) -> None:
        alive = before.request.expires if before.state is State.PENDING else before.grant_expires
        update = Update(
            approval=after,
            from_version=before.version,
            from_state=before.state,
            alive_until=alive if expiring else None,
        )
        self._store.commit(
            Change(tenant=before.request.tenant, records=records, update=update, announce=before.request.id)
        )

    def _span(self) -> str:
        return self._ids.new()[:16]


def _told(channel: Channel, approval: Approval) -> bool:
    try:
        channel.announce(approval)
    except Exception as error:  # noqa: BLE001 - a channel can fail in any way, and may hold nothing up
        log.warning("a channel could not be told about a change: %s; it is tried again", type(error).__name__)
        return False
    return True
