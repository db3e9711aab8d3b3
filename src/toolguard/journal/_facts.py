"""What a pass over the journal learns about approvals and executions, to hold against the other tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from toolguard._core.approval import Approval, State
from toolguard._core.audit import CONTENT_ID, AuditRecord, Kind, Outcome, whole
from toolguard._core.call import quoted
from toolguard._core.comments import comments_of
from toolguard._core.stored import Stored, stored_record

__all__ = ["ACT_ID", "APPROVAL_ID", "OUTCOME", "TENANT", "Facts", "Story", "TellsOfAct", "TellsOfReview"]

APPROVAL_ID = "toolguard.approval.id"
OUTCOME = "toolguard.decision.outcome"
TENANT = "toolguard.tenant"
ACT_ID = "toolguard.act.id"

_ENDS = frozenset({Kind.CALL_RETURNED, Kind.CALL_FAILED, Kind.CALL_INDETERMINATE})
_VOID = frozenset(
    {
        Outcome.DENIED,
        Outcome.EXPIRED,
        Outcome.WITHDRAWN,
        Outcome.REVOKED,
        Outcome.INVALIDATED,
        Outcome.SUPERSEDED,
    }
)
_EXECUTING, _DECIDED, _ACT = Kind.CALL_EXECUTING.value, Kind.CALL_DECIDED.value, Kind.ACT_RECORDED.value
_OF_ACTS = frozenset({_ACT, Kind.AUDIT_REVIEW.value})
_END_TEXTS = frozenset(kind.value for kind in _ENDS)
_CONTENT_TEXT = f'"{CONTENT_ID}":'
_APPROVAL_TEXT, _ACT_TEXT = f'"{APPROVAL_ID}":', f'"{ACT_ID}":'
_BEFORE = frozenset({State.PENDING, State.APPROVED, State.BREAK_GLASS})


@dataclass(slots=True)
class Story:
    """What the journal tells of one approval."""

    tenant: str = ""
    call: str = ""
    requested: bool = False
    outcomes: set[str] = field(default_factory=set)
    kinds: set[Kind] = field(default_factory=set)

    def add(self, record: AuditRecord) -> None:
        draft = record.draft
        self.tenant = str(draft.body.get(TENANT, "")) or self.tenant
        self.kinds.add(draft.kind)
        if draft.kind is Kind.APPROVAL_REQUESTED:
            self.requested = True
            self.call = draft.call
        if draft.kind in (Kind.APPROVAL_VERDICT, Kind.APPROVAL_RESOLVED):
            self.outcomes.add(str(draft.body.get(OUTCOME, "")))

    def merge(self, other: Story) -> None:
        self.tenant = other.tenant or self.tenant
        self.call = other.call or self.call
        self.requested = self.requested or other.requested
        self.outcomes |= other.outcomes
        self.kinds |= other.kinds

    def contradicts(self, approval: Approval) -> str:
        """Why this story and the approval's state cannot both be true; ``""`` if they can."""
        state = approval.state
        if not self.requested:
            return "unrecorded"
        if state in _BEFORE and (self.kinds & {Kind.CALL_EXECUTING, *_ENDS} or self.outcomes & _VOID):
            return "reset"
        if state is State.PENDING and Outcome.APPROVED in self.outcomes:
            return "reset"
        if state is State.EXECUTING and self.kinds & _ENDS:
            return "reset"
        if not self._supports(state):
            return "unrecorded"
        return ""

    def _supports(self, state: State) -> bool:
        if state is State.PENDING:
            return True
        if state is State.EXECUTING:
            return Kind.CALL_EXECUTING in self.kinds
        if state is State.EXECUTED:
            return bool(self.kinds & {Kind.CALL_RETURNED, Kind.CALL_FAILED}) or Outcome.EXECUTED in self.outcomes
        if state is State.INDETERMINATE:
            return Kind.CALL_INDETERMINATE in self.kinds
        if state is State.UNDELIVERABLE:
            return Outcome.DENIED in self.outcomes
        return state.value in self.outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class TellsOfAct:
    """What the journal tells of one act: its place in its tenant's register, and its hash."""

    id: str
    tenant: str
    n: int
    hash: str

    @classmethod
    def of(cls, record: AuditRecord) -> TellsOfAct | None:
        body = record.draft.body
        n, tenant = whole(body.get("toolguard.act.number")), str(body.get(TENANT))
        if n is None and (n := whole(body.get("toolguard.comment.number"))) is not None:
            tenant = comments_of(tenant)  # they have a chain of their own
        if record.draft.kind is not Kind.ACT_RECORDED or n is None:
            return None
        return cls(id=str(body.get(ACT_ID)), tenant=tenant, n=n, hash=str(body.get("toolguard.act.hash")))


@dataclass(frozen=True, slots=True, kw_only=True)
class TellsOfReview:
    """What the journal tells of a review: whose it is, of what, what they found, and the act they signed."""

    act: str
    hash: str
    tenant: str
    subject: str
    finding: str
    person: str

    @classmethod
    def of(cls, record: AuditRecord) -> TellsOfReview:
        body = record.draft.body
        return cls(
            act=str(body.get(ACT_ID)),
            hash=str(body.get("toolguard.act.hash")),
            tenant=str(body.get(TENANT)),
            subject=str(body.get("toolguard.review.subject")),
            finding=str(body.get("toolguard.review.finding")),
            person=str(body.get("toolguard.approver.id")),
        )


class Facts:
    """Collected while rows stream by; holds one entry per approval, per act and per execution without an end.

    Rows are believed here; whether they hold is somebody else's question. Only those are read whole that can say
    something, for most only say that a call was made.
    """

    def __init__(self) -> None:
        self.stories: dict[str, Story] = {}
        self.tenants: set[str] = set()
        self.running: dict[str, Stored] = {}
        self.acts: set[TellsOfAct] = set()
        self.reviews: set[TellsOfReview] = set()
        self.contents: Counter[tuple[str, str]] = Counter()
        """(tenant, content) → how many records name it: one, where nobody meddled."""
        self.uses: Counter[tuple[str, str]] = Counter()
        """(tenant, act) → calls that began because of it."""
        self._because: dict[str, tuple[str, str]] = {}
        self._ended: set[str] = set()
        self._tenant_text = f'"{TENANT}":""'

    def learn(self, rows: Iterable[Stored]) -> None:
        """The next rows of a log. Written for speed: an audit goes through it a million times."""
        tenant, running, ended = self._tenant_text, self.running, self._ended
        for row in rows:
            kind, call, body = row[4], row[7], row[12]
            if type(body) is not str or type(call) is not str:
                continue  # edited: it says nothing
            if tenant not in body:
                tenant = self._tenant(row)
            if kind == _EXECUTING:
                if (use := self._because.pop(call, None)) is not None:
                    self.uses[use] += 1
                if call in ended:
                    ended.discard(call)  # its end stood in a log that was read before
                else:
                    running[call] = row
            elif kind in _END_TEXTS and running.pop(call, None) is None:
                ended.add(call)
            if _CONTENT_TEXT in body:
                self._content(stored_record(row))
            if _APPROVAL_TEXT in body or kind in _OF_ACTS or (kind == _DECIDED and _ACT_TEXT in body):
                self._read(stored_record(row))
        self._tenant_text = tenant

    def prime(self, rows: Iterable[Stored]) -> None:
        """Rows just before those to come: decisions whose call may begin in them. Nothing else is learned."""
        for row in rows:
            if row[4] == _DECIDED and type(row[12]) is str and _ACT_TEXT in row[12]:
                self._decided(stored_record(row))

    def merge(self, other: Facts) -> None:
        """Take in what another pass over other rows learned."""
        for approval, story in other.stories.items():
            self.stories.setdefault(approval, Story()).merge(story)
        self.tenants |= other.tenants
        self.acts |= other.acts
        self.reviews |= other.reviews
        self.uses += other.uses
        self.contents.update(other.contents)
        for call, row in other.running.items():
            if call in self._ended:
                self._ended.discard(call)
            else:
                self.running[call] = row
        for call in other._ended:
            if self.running.pop(call, None) is None:
                self._ended.add(call)

    def _tenant(self, row: Stored) -> str:
        """Note the tenant of a row; the text that shows the next rows to be of the same one."""
        tenant = stored_record(row).draft.body.get(TENANT)
        if isinstance(tenant, str) and tenant:
            self.tenants.add(tenant)
            return f'"{TENANT}":{quoted(tenant)}'
        return self._tenant_text

    def _read(self, record: AuditRecord) -> None:
        draft = record.draft
        approval = draft.body.get(APPROVAL_ID)
        if isinstance(approval, str) and approval:
            self.stories.setdefault(approval, Story()).add(record)
        if (told := TellsOfAct.of(record)) is not None:
            self.acts.add(told)
        if draft.kind is Kind.AUDIT_REVIEW and draft.body.get("toolguard.review.subject"):  # else it tells of none
            self.reviews.add(TellsOfReview.of(record))
        if draft.kind is Kind.CALL_DECIDED:
            self._decided(record)

    def _content(self, record: AuditRecord) -> None:
        body = record.draft.body
        self.contents[str(body.get(TENANT)), str(body.get(CONTENT_ID))] += 1

    def _decided(self, record: AuditRecord) -> None:
        draft = record.draft
        if isinstance(because := draft.body.get(ACT_ID), str):
            self._because[draft.call] = (str(draft.body.get(TENANT)), because)
