"""What was out of the ordinary in a period, and which of it a person has looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from toolguard._core.audit import AuditRecord, Kind, Outcome
from toolguard._core.register import ActKind
from toolguard.population._body import texts, word

__all__ = ["ASKS_FOR_REVIEW", "EXCEPTIONS", "Exceptional", "Reviewed", "exceptions_of", "reviews_of"]

EXCEPTIONS: Mapping[str, str] = {
    "break_glass": "A person went ahead in an emergency, without an approval.",
    "standing_approval": "A yes was made to stand for calls like it.",
    "indeterminate": "A call began and nobody saw its end.",
    "let_through": "A call ran that the policy, enforced, would have stopped (shadow mode).",
    "store_set_back": "A store that had been set back was taken into use again.",
    "undecided": "No decision could be reached; the call was denied.",
    "rule_failed": "A rule could not be evaluated; the more severe of its effects held.",
    "policy_refused": "A policy was not put into force.",
    "not_apart": "A guard began that could do what is the approval service's alone: no separation of duties there.",
    "failed": "The tool ran and raised.",
    "withheld": "The tool ran; its result was not shown.",
    "not_run": "A call that was let through did not run after all.",
    "refused_attempt": "Someone tried to decide, or to do, what they may not.",
    "taken_back": "A yes was revoked, or made void, before it was used.",
    "unanswered": "A request for approval ended without an answer.",
    "shown_in_clear": "Identifiers or decisive arguments were shown in clear.",
    "content_opened": "Masked contents kept beside records were read.",
    "content_redacted": "Contents kept beside records were deleted by two persons, or put under legal hold or out of it.",
    "frozen": "Calls of an agent, a tenant or everyone were stopped, or let go on.",
    "credential_refused": "A tool was refused a credential, or one could not be taken back.",
    "receiver_left_out": "Records left the store that a receiver of spans had not got: somebody chose not to wait for it.",
    "span_parked": "A receiver of spans refused one for good; the journal holds its record.",
}
"""Every kind of exception and what it means."""
ASKS_FOR_REVIEW = frozenset({"break_glass", "standing_approval", "indeterminate", "let_through", "store_set_back"})
"""Kinds that wait until a person other than whoever acted has looked."""

_ACTS = {
    ActKind.BREAK_GLASS: "break_glass",
    ActKind.STANDING: "standing_approval",
    ActKind.RESTORED: "store_set_back",
    ActKind.FREEZE: "frozen",
    ActKind.UNFREEZE: "frozen",
    ActKind.VOID: "taken_back",
    ActKind.HOLD: "content_redacted",
    ActKind.HOLD_LIFTED: "content_redacted",
}
_TAKEN_BACK = {Outcome.REVOKED, Outcome.INVALIDATED, Outcome.SUPERSEDED}
_UNANSWERED = {Outcome.EXPIRED, Outcome.WITHDRAWN}
_NOT_APART = frozenset({"none", "waived"})
_STOPS = frozenset({"deny", "require_approval"})
_WITHOUT = "toolguard.prune.without"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """A person's signed look at something. ``subject`` is the act or call it concerns."""

    subject: str
    kind: str
    finding: str
    person: str
    at: float
    auth: str
    assured: str
    act: str
    record: AuditRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Exceptional:
    """One exception. ``code`` is a word of `EXCEPTIONS`, ``subject`` what a review of it names."""

    code: str
    subject: str
    reason: str
    person: str
    tool: str
    record: AuditRecord
    review: Reviewed | None = None

    @property
    def at(self) -> float:
        return self.record.draft.at

    @property
    def awaits(self) -> bool:
        """Whether it waits for a review."""
        return self.code in ASKS_FOR_REVIEW and self.review is None


def reviews_of(records: Iterable[AuditRecord]) -> tuple[Reviewed, ...]:
    """The signed reviews among ``records``."""
    return tuple(
        Reviewed(
            subject=word(r.draft.body, "toolguard.review.subject"),
            kind=word(r.draft.body, "toolguard.review.kind"),
            finding=word(r.draft.body, "toolguard.review.finding"),
            person=word(r.draft.body, "toolguard.approver.id"),
            at=r.draft.at,
            auth=word(r.draft.body, "toolguard.approver.auth_method"),
            assured=word(r.draft.body, "toolguard.approver.assured"),
            act=word(r.draft.body, "toolguard.act.id"),
            record=r,
        )
        for r in records
        if r.draft.kind is Kind.AUDIT_REVIEW and word(r.draft.body, "toolguard.review.subject")
    )


def exceptions_of(records: Sequence[AuditRecord], reviews: Iterable[Reviewed] = ()) -> tuple[Exceptional, ...]:
    """The exceptions among ``records``, in order, each with its newest review."""
    looked_at = {review.subject: review for review in reviews}
    tools = {r.draft.call: name for r in records if (name := word(r.draft.body, "gen_ai.tool.name")) and r.draft.call}
    found = []
    for record in records:
        code = _code(record)
        if code:
            subject = _subject(record)
            review = looked_at.get(subject) if code in ASKS_FOR_REVIEW else None
            found.append(
                Exceptional(
                    code=code,
                    subject=subject,
                    reason=_reason(record),
                    person=word(record.draft.body, "toolguard.approver.id"),
                    tool=tools.get(record.draft.call, ""),
                    record=record,
                    review=review,
                )
            )
    return tuple(found)


def _code(record: AuditRecord) -> str:
    draft, body = record.draft, record.draft.body
    outcome = word(body, "toolguard.decision.outcome")
    match draft.kind:
        case Kind.ACT_RECORDED:
            return _ACTS.get(ActKind(word(body, "toolguard.act.kind")), "") if _is_act(body) else ""
        case Kind.CALL_DECIDED if "error.type" in body:
            return "undecided"
        case Kind.CALL_DECIDED if _let_through(body):
            return "let_through"
        case Kind.CALL_DECIDED if body.get("toolguard.policy.rule.errors"):
            return "rule_failed"
        case Kind.POLICY_LOADED if word(body, "toolguard.guard.separation") in _NOT_APART:
            return "not_apart"
        case Kind.POLICY_REFUSED:
            return "policy_refused"
        case Kind.CALL_INDETERMINATE:
            return "indeterminate"
        case Kind.CALL_FAILED:
            return "failed"
        case Kind.CALL_RETURNED if body.get("toolguard.result.withheld") is True:
            return "withheld"
        case Kind.CALL_NOT_RUN:
            return "not_run"
        case Kind.APPROVAL_REFUSED:
            return "refused_attempt"
        case Kind.APPROVAL_RESOLVED if outcome in _TAKEN_BACK:
            return "taken_back"
        case Kind.APPROVAL_RESOLVED if outcome in _UNANSWERED:
            return "unanswered"
        case Kind.APPROVAL_REVEALED | Kind.VALUES_REVEALED:
            return "shown_in_clear"
        case Kind.CONTENT_OPENED:
            return "content_opened"
        case Kind.CONTENT_REDACTED:
            return "content_redacted"
        case Kind.CREDENTIAL_REFUSED:
            return "credential_refused"
        case Kind.AUDIT_PRUNED if body.get(_WITHOUT):
            return "receiver_left_out"
        case Kind.SPAN_PARKED:
            return "span_parked"
        case _:
            return ""


def _is_act(body: Mapping[str, object]) -> bool:
    return body.get("toolguard.act.kind") in set(ActKind)


def _let_through(body: Mapping[str, object]) -> bool:
    would = body.get("toolguard.decision.would")
    return would in _STOPS and body.get("toolguard.decision.effect") not in _STOPS


def _subject(record: AuditRecord) -> str:
    """What a review of it names: the act, else the call, else the approval."""
    draft = record.draft
    if draft.kind is Kind.ACT_RECORDED:
        return word(draft.body, "toolguard.act.id")
    return draft.call or word(draft.body, "toolguard.approval.id") or word(draft.body, "toolguard.prune.log_id")


def _reason(record: AuditRecord) -> str:
    body = record.draft.body
    return (
        word(body, "toolguard.decision.reason_code")
        or word(body, "toolguard.guard.separation")
        or word(body, "toolguard.decision.would")
        or word(body, "toolguard.act.kind")
        or word(body, "error.type")
        or "; ".join(texts(body, _WITHOUT))
    )
