"""What can be counted for a control: each kind of evidence, where it is read from, and where to look it up in a pack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from toolguard._core.audit import Kind
from toolguard.population._body import word
from toolguard.population.population import Population

__all__ = ["EIGHTEEN", "KINDS", "EvidenceKind", "eighteen"]

EIGHTEEN: Mapping[str, frozenset[str]] = {
    "names": frozenset({"PERSON"}),
    "places smaller than a state": frozenset({"ADDRESS", "CITY", "LOCATION", "ZIP"}),
    "dates and ages over 89": frozenset({"AGE", "DATE", "DATE_OF_BIRTH"}),
    "telephone numbers": frozenset({"PHONE"}),
    "fax numbers": frozenset({"FAX"}),
    "email addresses": frozenset({"EMAIL"}),
    "social security numbers": frozenset({"SSN"}),
    "medical record numbers": frozenset({"MRN"}),
    "health plan numbers": frozenset({"HEALTH_PLAN_ID"}),
    "account numbers": frozenset({"ACCOUNT", "CREDIT_CARD"}),
    "certificate and license numbers": frozenset({"DEA", "LICENSE", "NPI"}),
    "vehicle identifiers": frozenset({"VEHICLE"}),
    "device identifiers": frozenset({"DEVICE"}),
    "web addresses": frozenset({"URL"}),
    "IP addresses": frozenset({"IP_ADDRESS"}),
    "biometric identifiers": frozenset({"BIOMETRIC"}),
    "full-face photographs": frozenset({"PHOTO"}),
    "any other unique number or code": frozenset({"FACILITY", "FHIR_ID", "ID"}),
}
"""The identifiers of 45 CFR 164.514(b)(2)(i)(A)–(R), and the types that stand for each in records."""


def eighteen(types: set[str]) -> tuple[str, ...]:
    """Which of the eighteen ``types`` belong to."""
    return tuple(name for name, stands in EIGHTEEN.items() if stands & types)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceKind:
    """``words`` follow the count ("12 calls …"); ``member`` is the file of a pack where it is listed."""

    words: str
    member: str
    count: Callable[[Population], int]


def _records(*kinds: Kind) -> Callable[[Population], int]:
    return lambda p: sum(p.kinds[kind] for kind in kinds)


def _exceptions(*codes: str) -> Callable[[Population], int]:
    return lambda p: sum(e.code in codes for e in p.exceptions)


def _answers(p: Population) -> int:
    return sum(len(q.answers) for q in p.questions)


def _apart(p: Population) -> int:
    """Answers by a person who is recorded as someone else than who asked."""
    return sum(
        bool(asker := q.says("toolguard.actor.person")) and answer.person != asker
        for q in p.questions
        for answer in q.answers
    )


def _two_persons(p: Population) -> int:
    return sum(
        q.outcome in {"approved", "executed"} and len({a.person for a in q.answers if a.answer == "approve"}) > 1
        for q in p.questions
    )


def _kept(p: Population) -> int:
    """Whole days from the first log that was read from its beginning to the end of the period: what is said to be in segments that
    were not given is no evidence of its own.
    """
    opened = [head.opened for head in p.period.registry if head.log_id not in p.period.pruned]
    first = min(opened, default=p.period.since) if p.period.pruned else next(iter(opened), p.period.until)
    return int((p.period.until - first) // 86400.0)


def _signed_loads(p: Population) -> int:
    return sum(bool(word(r.draft.body, "toolguard.policy.signer")) for policy in p.policies for r in policy.loads)


KINDS: Mapping[str, EvidenceKind] = {
    "decisions": EvidenceKind(
        words="calls judged before they ran", member="population.csv", count=lambda p: len(p.calls)
    ),
    "denials": EvidenceKind(
        words="calls denied", member="population.csv", count=lambda p: sum(c.outcome == "denied" for c in p.calls)
    ),
    "undecided": EvidenceKind(
        words="calls denied because no decision could be reached",
        member="exceptions.csv",
        count=_exceptions("undecided"),
    ),
    "executions": EvidenceKind(
        words="executions recorded before they began", member="population.csv", count=_records(Kind.CALL_EXECUTING)
    ),
    "questions": EvidenceKind(
        words="calls held until people answered", member="approvals.csv", count=_records(Kind.APPROVAL_REQUESTED)
    ),
    "answers": EvidenceKind(words="answers by authenticated persons", member="approvals.csv", count=_answers),
    "apart": EvidenceKind(words="answers by someone other than who asked", member="approvals.csv", count=_apart),
    "two_persons": EvidenceKind(words="yeses by two persons or more", member="approvals.csv", count=_two_persons),
    "stepped_up": EvidenceKind(
        words="answers after a second factor",
        member="approvers.csv",
        count=lambda p: sum(a.stepped_up for a in p.approvers),
    ),
    "refused": EvidenceKind(
        words="attempts by persons who may not, refused", member="exceptions.csv", count=_exceptions("refused_attempt")
    ),
    "taken_back": EvidenceKind(
        words="yeses taken back or made void", member="exceptions.csv", count=_exceptions("taken_back")
    ),
    "unanswered": EvidenceKind(
        words="requests that ended without an answer and did not run",
        member="exceptions.csv",
        count=_exceptions("unanswered"),
    ),
    "frozen": EvidenceKind(words="freezes and liftings", member="exceptions.csv", count=_exceptions("frozen")),
    "break_glass": EvidenceKind(words="emergencies", member="exceptions.csv", count=_exceptions("break_glass")),
    "break_glass_reviewed": EvidenceKind(
        words="emergencies reviewed by somebody else",
        member="reviews.csv",
        count=lambda p: sum(e.code == "break_glass" and e.review is not None for e in p.exceptions),
    ),
    "reviews": EvidenceKind(words="signed reviews", member="reviews.csv", count=lambda p: len(p.reviews)),
    "exceptions": EvidenceKind(words="exceptions listed", member="exceptions.csv", count=lambda p: len(p.exceptions)),
    "masked": EvidenceKind(words="identifiers kept from tools", member="population.csv", count=lambda p: p.masked),
    "found": EvidenceKind(
        words="identifiers found in calls and results", member="phi.csv", count=lambda p: sum(f.count for f in p.found)
    ),
    "eighteen": EvidenceKind(
        words="of the 18 kinds of identifier seen and handled",
        member="phi.csv",
        count=lambda p: len(eighteen({f.type for f in p.found})),
    ),
    "disclosures": EvidenceKind(
        words="calls that ran with identifiers in clear", member="population.csv", count=lambda p: len(p.disclosures)
    ),
    "shown": EvidenceKind(
        words="times values were shown in clear to a person",
        member="exceptions.csv",
        count=_exceptions("shown_in_clear"),
    ),
    "policies": EvidenceKind(words="policy versions by hash", member="policies.csv", count=lambda p: len(p.policies)),
    "loads": EvidenceKind(
        words="policy loads recorded", member="policies.csv", count=lambda p: sum(len(v.loads) for v in p.policies)
    ),
    "signed_loads": EvidenceKind(words="loads of signed policies", member="policies.csv", count=_signed_loads),
    "records": EvidenceKind(
        words="records in hash-chained logs", member="integrity/records-0001.jsonl", count=lambda p: len(p.records)
    ),
    "checkpoints": EvidenceKind(
        words="signed checkpoints", member="integrity/checkpoints.txt", count=_records(Kind.AUDIT_CHECKPOINT)
    ),
    "kept": EvidenceKind(words="days back to the first record kept", member="integrity/logs.json", count=_kept),
    "credentials": EvidenceKind(
        words="credentials released for one call",
        member="integrity/records-0001.jsonl",
        count=_records(Kind.CREDENTIAL_RELEASED),
    ),
    "transmission": EvidenceKind(words="", member="", count=lambda _: 0),
}
"""Name → kind. ``transmission`` is there to be none: the journal holds nothing about the network."""
