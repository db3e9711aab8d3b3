"""What a pass over the journal learns about approvals and executions, to hold against the other tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from toolguard._core.approval import Approval, State
from toolguard._core.audit import AuditRecord, Kind, Outcome
from toolguard._core.stored import Stored, stored_record

__all__ = ["ACT_ID", "APPROVAL_ID", "OUTCOME", "TENANT", "Facts", "Story", "TellsOfAct"]

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
_END_TEXTS = frozenset(kind.value for kind in _ENDS)
_TENANT_TEXT, _APPROVAL_TEXT, _ACT_TEXT = f'"{TENANT}":"', f'"{APPROVAL_ID}":', f'"{ACT_ID}":'
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
        n = body.get("toolguard.act.number")
        if record.draft.kind is not Kind.ACT_RECORDED or not isinstance(n, int):
            return None
        return cls(
            id=str(body.get(ACT_ID)), tenant=str(body.get(TENANT)), n=n, hash=str(body.get("toolguard.act.hash"))
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
        self.acts: dict[str, TellsOfAct] = {}
        self.uses: Counter[tuple[str, str]] = Counter()
        """(tenant, act) → calls that began because of it."""
        self._because: dict[str, tuple[str, str]] = {}
        self._ended: set[str] = set()
        self._seen: set[str] = set()

    def learn(self, rows: Iterable[Stored]) -> None:
        """The next rows of a log."""
        for row in rows:
            kind, call, body = row[4], row[7], row[12]
            if type(body) is not str or type(call) is not str:
                continue  # edited: it says nothing
            at = body.find(_TENANT_TEXT)
            if at >= 0 and body[at : body.find('"', at + len(_TENANT_TEXT))] not in self._seen:
                self._tenant(row, at)
            if kind == _EXECUTING:
                if (use := self._because.pop(call, None)) is not None:
                    self.uses[use] += 1
                if call in self._ended:
                    self._ended.discard(call)  # its end stood in a log that was read before
                else:
                    self.running[call] = row
            elif kind in _END_TEXTS and self.running.pop(call, None) is None:
                self._ended.add(call)
            if _APPROVAL_TEXT in body or kind == _ACT or (kind == _DECIDED and _ACT_TEXT in body):
                self._read(stored_record(row))

    def _tenant(self, row: Stored, at: int) -> None:
        text = row[12][at : row[12].find('"', at + len(_TENANT_TEXT))]
        if not text.endswith("\\"):  # a quote inside: such a name is read each time
            self._seen.add(text)
        tenant = stored_record(row).draft.body.get(TENANT)
        if isinstance(tenant, str) and tenant:
            self.tenants.add(tenant)

    def _read(self, record: AuditRecord) -> None:
        draft = record.draft
        approval = draft.body.get(APPROVAL_ID)
        if isinstance(approval, str) and approval:
            self.stories.setdefault(approval, Story()).add(record)
        if (told := TellsOfAct.of(record)) is not None:
            self.acts[told.id] = told
        if draft.kind is Kind.CALL_DECIDED and isinstance(because := draft.body.get(ACT_ID), str):
            self._because[draft.call] = (str(draft.body.get(TENANT)), because)
