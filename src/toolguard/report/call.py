"""One call as a page: who, what, why, what was decided and by whom, what ran, and the proof."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolguard._core.audit import AuditRecord, Kind
from toolguard.journal import telling
from toolguard.population import iso
from toolguard.report.pages import State, render
from toolguard.report.words import duration, words

__all__ = ["Moment", "call_page", "moments_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A record as the page tells it. ``tone``: ``ok``, ``bad``, ``warn``, ``info`` or ``""``; ``after``: since the one before."""

    at: float
    tone: str
    title: str
    text: str
    facts: tuple[tuple[str, str], ...]
    after: str
    log: str
    seq: int
    hash: str


_Told = tuple[str, str, str, Sequence[tuple[str, str]]]
"""Tone, title, text, facts as (label, key of the body)."""


def call_page(
    records: Sequence[AuditRecord],
    proofs: Sequence[Mapping[str, Any]],
    *,
    integrity: Sequence[State] = (),
    note: str = "",
) -> bytes:
    """The page of the call that ``records`` (in order, at least one) tell of.

    Args:
        proofs: inclusion proofs, as a pack has them.
        note: the signed checkpoint that they lead to.
    """
    first = records[0]
    said = _first_said(records)
    stands = telling(records)
    outcome = "unknown" if stands is None else _say(stands, "toolguard.decision.outcome")
    meta = [
        ("Call", first.draft.call),
        ("Asked by", said("toolguard.actor.person") or said("toolguard.actor.id")),
        ("Through agent", said("gen_ai.agent.name")),
        ("Run", said("gen_ai.conversation.id")),
        ("Tenant", said("toolguard.tenant")),
        ("Who asked was", said("toolguard.actor.assurance")),
    ]
    return render(
        "call.html",
        call=first.draft.call,
        tool=said("gen_ai.tool.name") or "unknown tool",
        lead=_LEADS.get(outcome, f"It ended as {words(outcome)}."),
        meta=[(name, value) for name, value in meta if value],
        mono=("Call", "Run"),
        moments=moments_of(records),
        proofs=proofs,
        integrity=integrity,
        note=note,
    )


_LEADS = {
    "executed": "It was judged before it ran, it ran once, and its end was recorded.",
    "denied": "It was denied and did not run.",
    "expired": "Nobody answered in time, and it did not run.",
    "withdrawn": "The request was taken back, and it did not run.",
    "pending": "It waits for people and has not run.",
    "allowed": "It was allowed; no record says that it ran.",
    "approved": "It was approved; no record says that it ran.",
    "failed": "It ran, and the tool raised.",
    "indeterminate": "It began, and nobody saw its end.",
    "invalidated": "Its approval was made void, and it did not run.",
    "superseded": "Other arguments were asked for instead, and it did not run.",
    "revoked": "The yes was taken back before it was used, and it did not run.",
}


def moments_of(records: Sequence[AuditRecord]) -> tuple[Moment, ...]:
    """The records as moments, oldest first."""
    moments: list[Moment] = []
    before: float | None = None
    judged = ""
    for record in records:
        tone, title, text, keys = _TOLD.get(record.draft.kind, _other)(record)
        facts = tuple((label, shown) for label, key in keys if (shown := _say(record, key)))
        after = "" if before is None or record.draft.at - before < 0.001 else f"+{duration(record.draft.at - before)}"
        before = record.draft.at
        digest = _say(record, "toolguard.args.hmac")
        judged = judged or digest
        if record.draft.kind is Kind.CALL_EXECUTING and digest:
            same = digest == judged
            text += ", with the arguments that were judged" if same else ", WITH OTHER ARGUMENTS THAN WERE JUDGED"
            tone = tone if same else "bad"
        moments.append(
            Moment(
                at=record.draft.at,
                tone=tone,
                title=title,
                text=text,
                facts=facts,
                after=after,
                log=record.log_id,
                seq=record.seq,
                hash=record.hash,
            )
        )
    return tuple(moments)


def _decided(r: AuditRecord) -> _Told:
    effect, outcome = _say(r, "toolguard.decision.effect"), _say(r, "toolguard.decision.outcome")
    tone = {"denied": "bad", "pending": "info"}.get(outcome, "ok")
    reason = words(_say(r, "toolguard.decision.reason_code"))
    return (
        tone,
        f"Decided: {words(effect)}",
        _REASONS.get(reason, f"because of: {reason}" if reason else ""),
        (
            ("Risk", "toolguard.risk.level"),
            ("Kind of effect", "toolguard.risk.class"),
            ("Rules", "toolguard.policy.rule.id"),
            ("Controls named", "toolguard.policy.controls"),
            ("Policy", "toolguard.policy.id"),
            ("Version", "toolguard.policy.version"),
            ("Policy SHA-256", "toolguard.policy.sha256"),
            ("Identifiers in the arguments", "toolguard.phi.entities"),
            ("In clear for the tool", "toolguard.phi.revealed"),
            ("Act it ran because of", "toolguard.act.id"),
            ("Rules that could not be evaluated", "toolguard.policy.rule.errors"),
            ("Fault", "error.type"),
            ("Arguments (keyed digest)", "toolguard.args.hmac"),
        ),
    )


def _requested(r: AuditRecord) -> _Told:
    quorum = _say(r, "toolguard.approver.quorum") or "1"
    people = "one person has" if quorum == "1" else f"{quorum} persons have"
    return (
        "info",
        "Held, and people were asked",
        f"{people} to say yes",
        (
            ("Expires", "toolguard.approval.expires_at"),
            ("Channels", "toolguard.approval.channel"),
            ("Approval", "toolguard.approval.id"),
            ("Arguments (keyed digest)", "toolguard.args.hmac"),
            ("What they are shown (keyed digest)", "toolguard.view.hmac"),
            ("The exact call (keyed digest)", "toolguard.call.hmac"),
        ),
    )


_REASONS = {
    "rule": "a rule of the policy says so",
    "default": "no rule speaks: this is the default for its risk",
    "standing approval": "a yes that was let stand covers it",
    "break glass": "the glass was broken for this patient",
    "shadow": "the policy was only tried out: it would have stopped it",
}

_WHO = (
    ("Proved by", "toolguard.approver.auth_method"),
    ("Factors", "toolguard.approver.assured"),
    ("Channel", "toolguard.approval.channel"),
)


def _verdict(r: AuditRecord) -> _Told:
    who, answer = _say(r, "toolguard.approver.id"), _say(r, "toolguard.decision.reason_code")
    title = f"{who} said {'yes' if answer == 'approve' else 'no'}"
    seen = ("What they saw (keyed digest)", "toolguard.view.hmac")
    return "ok" if answer == "approve" else "bad", title, _waited(r), (*_WHO, seen)


def _refused(r: AuditRecord) -> _Told:
    who = _say(r, "toolguard.approver.id") or "Somebody"
    why = words(_say(r, "toolguard.decision.reason_code"))
    return "warn", f"{who} was not let decide", f"because of: {why}", _WHO


def _revealed(r: AuditRecord) -> _Told:
    who = _say(r, "toolguard.approver.id")
    return "", f"{who} was shown in clear what decides the call", "", (("Purpose", "toolguard.reveal.purpose"), *_WHO)


def _resolved(r: AuditRecord) -> _Told:
    outcome = _say(r, "toolguard.decision.outcome")
    tone = {"approved": "ok", "break_glass": "warn", "executed": "ok"}.get(outcome, "bad")
    who = _say(r, "toolguard.approver.id")
    title = f"{who} broke the glass" if outcome == "break_glass" and who else f"The request ended: {words(outcome)}"
    facts = (
        ("The yes holds until", "toolguard.approval.grant_expires_at"),
        *(_WHO if outcome == "break_glass" else ()),
    )
    return tone, title, _waited(r), facts


def _executing(r: AuditRecord) -> _Told:
    text = "claimed once, and recorded before the tool ran"
    return "info", "It began to run", text, (("Arguments really passed (keyed digest)", "toolguard.args.hmac"),)


def _ended(r: AuditRecord) -> _Told:
    kind = r.draft.kind
    tone, title = {
        Kind.CALL_RETURNED: ("ok", "It returned"),
        Kind.CALL_FAILED: ("bad", "The tool raised"),
        Kind.CALL_INDETERMINATE: ("warn", "Nobody saw its end"),
    }[kind]
    text = f"after {duration(r.draft.at - r.draft.started)}"
    facts = (
        ("Identifiers in the result", "toolguard.phi.entities"),
        ("Result withheld", "toolguard.result.withheld"),
        ("Fault", "error.type"),
    )
    return tone, title, text, facts


def _not_run(r: AuditRecord) -> _Told:
    return "bad", "It did not run", f"because of: {words(_say(r, 'toolguard.decision.reason_code'))}", ()


def _act(r: AuditRecord) -> _Told:
    kind = words(_say(r, "toolguard.act.kind"))
    if kind == "comment":
        facts = (
            ("Digest of what was said", "toolguard.act.hash"),
            ("Number among comments", "toolguard.comment.number"),
        )
        side = {"asking": ", on the asking side", "approver": ", an approver"}.get(
            _say(r, "toolguard.comment.side"), ""
        )
        return "", f"{_say(r, 'toolguard.approver.id')} commented", f"its words stay with the service{side}", facts
    facts = (("Act", "toolguard.act.id"), ("Its hash in the register", "toolguard.act.hash"))
    return "warn", f"Act: {kind}", f"by {_say(r, 'toolguard.approver.id')}, signed by the approval service", facts


def _review(r: AuditRecord) -> _Told:
    finding = _say(r, "toolguard.review.finding")
    title = f"{_say(r, 'toolguard.approver.id')} reviewed it: {words(finding)}"
    return "ok" if finding == "justified" else "bad", title, f"as {words(_say(r, 'toolguard.review.kind'))}", _WHO


def _redacted(r: AuditRecord) -> _Told:
    by, proposed = _say(r, "toolguard.approver.id"), _say(r, "toolguard.redaction.proposed_by")
    text = f"proposed by {proposed}, confirmed by {by}; the records stay"
    return "warn", "What was kept of it was deleted", text, _WHO


def _opened(r: AuditRecord) -> _Told:
    return "warn", "What is kept of it was read", f"by {_say(r, 'toolguard.actor.id')}", ()


def _other(r: AuditRecord) -> _Told:
    facts = (("Credential", "toolguard.credential.name"), ("From", "toolguard.credential.provider"))
    return "", r.draft.kind.value.replace(".", " ").capitalize(), "", facts


_TOLD: Mapping[Kind, Callable[[AuditRecord], _Told]] = {
    Kind.CALL_DECIDED: _decided,
    Kind.APPROVAL_REQUESTED: _requested,
    Kind.APPROVAL_VERDICT: _verdict,
    Kind.APPROVAL_REFUSED: _refused,
    Kind.APPROVAL_REVEALED: _revealed,
    Kind.APPROVAL_RESOLVED: _resolved,
    Kind.CALL_EXECUTING: _executing,
    Kind.CALL_RETURNED: _ended,
    Kind.CALL_FAILED: _ended,
    Kind.CALL_INDETERMINATE: _ended,
    Kind.CALL_NOT_RUN: _not_run,
    Kind.ACT_RECORDED: _act,
    Kind.AUDIT_REVIEW: _review,
    Kind.CONTENT_OPENED: _opened,
    Kind.CONTENT_REDACTED: _redacted,
}


def _waited(r: AuditRecord) -> str:
    wait = r.draft.body.get("toolguard.approval.wait_s")
    return f"{duration(float(wait))} after it was asked" if isinstance(wait, int | float) else ""


def _first_said(records: Sequence[AuditRecord]) -> Callable[[str], str]:
    return lambda key: next((text for r in records if (text := _say(r, key))), "")


def _say(r: AuditRecord, key: str) -> str:
    """A body's value as text, ``""`` for none; times as times."""
    value = r.draft.body.get(key)
    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    if isinstance(value, int | float) and key.endswith("_at"):
        return iso(float(value))
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return words(str(value)) if key.endswith((".assured", ".class")) else str(value)
