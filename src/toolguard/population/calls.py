"""Calls and questions as the records tell of them: one row per call decided in the period, one per approval touched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from toolguard._core.audit import CONTENT_ID, AuditRecord, Kind, Outcome
from toolguard.journal.outcome import RUN_ENDS
from toolguard.population._body import decimal, texts, word

__all__ = ["Answered", "Call", "Question", "calls_of", "questions_of"]

_ENDS = RUN_ENDS | {Kind.CALL_NOT_RUN}
_OUTCOME = "toolguard.decision.outcome"
_REASON = "toolguard.decision.reason_code"


@dataclass(slots=True, kw_only=True)
class Call:
    """One proposed call: the record that decided it, and what became of it in the period.

    ``story`` are its records in order. ``outcome`` is where it stood at the end of the period.
    """

    decided: AuditRecord
    story: list[AuditRecord] = field(default_factory=list)
    outcome: str = ""
    executing: AuditRecord | None = None
    ended: AuditRecord | None = None
    approvals: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.decided.draft.call

    @property
    def at(self) -> float:
        return self.decided.draft.at

    @property
    def tool(self) -> str:
        return self.says("gen_ai.tool.name")

    @property
    def effect(self) -> str:
        return self.says("toolguard.decision.effect")

    @property
    def act(self) -> str:
        """The act it ran because of (standing approval, broken glass), if one."""
        return self.says("toolguard.act.id")

    @property
    def content(self) -> str:
        """What is kept beside its records at the period's end: ``none``, ``kept``, ``redacted`` or ``partly redacted``."""
        kept, gone = set[str](), set[str]()
        for record in self.story:
            body = record.draft.body
            kept |= {word(body, CONTENT_ID)} - {""}
            said = body.get("toolguard.redaction.contents")
            gone.update(map(str, said) if isinstance(said, list) else ())
        left = kept - gone
        return "none" if not kept else "kept" if left == kept else "partly redacted" if left else "redacted"

    @property
    def ran(self) -> bool:
        return self.executing is not None

    def says(self, key: str) -> str:
        """What the deciding record says under ``key``."""
        return word(self.decided.draft.body, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One person's answer: ``approve`` or ``deny``, when (UTC seconds), how they proved who they are."""

    person: str
    answer: str
    at: float
    auth: str
    assured: str
    channel: str


@dataclass(slots=True, kw_only=True)
class Question:
    """An approval. ``carried``: it was asked before the period."""

    id: str
    first: AuditRecord
    carried: bool
    answers: list[Answered] = field(default_factory=list)
    refused: int = 0
    revealed: int = 0
    outcome: str = Outcome.PENDING.value
    reason: str = ""
    ended_at: float | None = None
    grant_expires: float | None = None
    executed_at: list[float] = field(default_factory=list)

    def says(self, key: str) -> str:
        return word(self.first.draft.body, key)

    def number(self, key: str) -> float | None:
        return decimal(self.first.draft.body, key)

    @property
    def channels(self) -> tuple[str, ...]:
        body = self.first.draft.body
        said = word(body, "toolguard.approval.channel")  # once a list, now text; journals of years hold both
        return tuple(said.split(",")) if said else texts(body, "toolguard.approval.channel")


def calls_of(records: Iterable[AuditRecord]) -> tuple[tuple[Call, ...], int]:
    """The calls decided among ``records``, in order; and how many others had records here (decided earlier)."""
    calls: dict[str, Call] = {}
    earlier: set[str] = set()
    for record in records:
        draft = record.draft
        if not draft.call:
            continue
        call = calls.get(draft.call)
        if call is None:
            if draft.kind is not Kind.CALL_DECIDED:
                earlier.add(draft.call)
                continue
            call = calls[draft.call] = Call(decided=record)
        _tell(call, record)
    return tuple(calls.values()), len(earlier - calls.keys())


def _tell(call: Call, record: AuditRecord) -> None:
    draft = record.draft
    call.story.append(record)
    approval = word(draft.body, "toolguard.approval.id")
    if approval and approval not in call.approvals:
        call.approvals.append(approval)
    if draft.kind is Kind.CALL_EXECUTING:
        call.executing = record
        call.outcome = "executing"
    elif call.ended is not None and call.ended.draft.kind in RUN_ENDS and draft.kind not in RUN_ENDS:
        return  # it ran: a later attempt to make the same call is on record, and changes nothing of that
    elif draft.kind in _ENDS or draft.kind in (Kind.CALL_DECIDED, Kind.APPROVAL_RESOLVED):
        if draft.kind in _ENDS:
            call.ended = record
        call.outcome = word(draft.body, _OUTCOME) or call.outcome


def questions_of(records: Iterable[AuditRecord]) -> tuple[Question, ...]:
    """The approvals that ``records`` tell of, in order of their first record here."""
    questions: dict[str, Question] = {}
    for record in records:
        draft = record.draft
        name = word(draft.body, "toolguard.approval.id")
        if not name:
            continue
        question = questions.get(name)
        if question is None:
            carried = draft.kind is not Kind.APPROVAL_REQUESTED
            question = questions[name] = Question(id=name, first=record, carried=carried)
        _learn(question, record)
    return tuple(questions.values())


def _learn(question: Question, record: AuditRecord) -> None:
    draft, body = record.draft, record.draft.body
    if (until := decimal(body, "toolguard.approval.grant_expires_at")) is not None:
        question.grant_expires = until
    match draft.kind:
        case Kind.APPROVAL_VERDICT:
            question.answers.append(
                Answered(
                    person=word(body, "toolguard.approver.id"),
                    answer=word(body, _REASON),
                    at=draft.at,
                    auth=word(body, "toolguard.approver.auth_method"),
                    assured=word(body, "toolguard.approver.assured"),
                    channel=word(body, "toolguard.approval.channel"),
                )
            )
            question.outcome = word(body, _OUTCOME)
        case Kind.APPROVAL_RESOLVED:
            question.outcome, question.reason = word(body, _OUTCOME), word(body, _REASON)
            question.ended_at = draft.at
        case Kind.APPROVAL_REFUSED:
            question.refused += 1
        case Kind.APPROVAL_REVEALED:
            question.revealed += 1
        case Kind.CALL_EXECUTING:
            question.executed_at.append(draft.at)
        case Kind.CALL_RETURNED | Kind.CALL_FAILED | Kind.CALL_INDETERMINATE:
            question.outcome = word(body, _OUTCOME)
        case _:
            pass
