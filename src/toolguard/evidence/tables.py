"""The tables of a pack: what each row says, in the order of its columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from toolguard._core.audit import AuditRecord
from toolguard._core.call import Json
from toolguard.population import Call, Population, iso

__all__ = ["TABLES", "Table", "samples_table"]

Row = Sequence[object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A CSV: its columns, and its rows over a population."""

    header: tuple[str, ...]
    rows: Callable[[Population], Iterator[Row]]


def _said(record: AuditRecord, *keys: str) -> list[Json]:
    return [record.draft.body.get(key) for key in keys]


_DECIDED = {
    "effect": "toolguard.decision.effect",
    "would": "toolguard.decision.would",
    "reason": "toolguard.decision.reason_code",
    "tool": "gen_ai.tool.name",
    "agent": "gen_ai.agent.name",
    "tenant": "toolguard.tenant",
    "run": "gen_ai.conversation.id",
    "session": "toolguard.session.id",
    "actor": "toolguard.actor.id",
    "assurance": "toolguard.actor.assurance",
    "risk_level": "toolguard.risk.level",
    "risk_class": "toolguard.risk.class",
    "rules": "toolguard.policy.rule.id",
    "controls": "toolguard.policy.controls",
    "policy_id": "toolguard.policy.id",
    "policy_version": "toolguard.policy.version",
    "policy_sha256": "toolguard.policy.sha256",
    "arguments_hmac": "toolguard.args.hmac",
    "identifiers": "toolguard.phi.entities",
    "masked": "toolguard.phi.masked",
    "released": "toolguard.phi.released",
    "in_clear": "toolguard.phi.revealed",
    "detector": "toolguard.phi.detector.version",
    "error_type": "error.type",
    "act": "toolguard.act.id",
}


def _population(p: Population) -> Iterator[Row]:
    for call in p.calls:
        began, ended = call.executing, call.ended
        yield [
            call.id,
            iso(call.at),
            call.says("toolguard.decision.outcome"),
            call.outcome,
            *_said(call.decided, *_DECIDED.values()),
            call.approvals,
            iso(began.draft.at) if began else "",
            began.draft.body.get("toolguard.args.hmac") if began else "",
            iso(ended.draft.at) if ended else "",
            ended.draft.body.get("error.type") if ended else "",
            ended.draft.body.get("toolguard.result.withheld", False) if ended else "",
            call.decided.log_id,
            call.decided.seq,
            call.decided.hash,
        ]


def _approvals(p: Population) -> Iterator[Row]:
    for q in p.questions:
        yield [
            q.id,
            q.first.draft.call,
            iso(q.number("toolguard.approval.requested_at")),
            q.carried,
            iso(q.number("toolguard.approval.expires_at")),
            q.says("gen_ai.tool.name"),
            q.says("toolguard.risk.level"),
            q.says("toolguard.actor.person"),
            q.first.draft.body.get("toolguard.approver.quorum"),
            q.channels,
            [f"{a.person} {a.answer} {iso(a.at)}" for a in q.answers],
            [f"{a.person} {a.auth.partition(':')[0]} {a.assured}" for a in q.answers],
            q.outcome,
            q.reason,
            iso(q.ended_at),
            iso(q.grant_expires),
            [iso(at) for at in q.executed_at],
            q.refused,
            q.revealed,
            q.says("toolguard.args.hmac"),
            q.says("toolguard.call.hmac"),
            q.says("toolguard.view.hmac"),
            q.says("toolguard.policy.sha256"),
        ]


def _exceptions(p: Population) -> Iterator[Row]:
    for e in p.exceptions:
        r = e.record
        review = ("awaits review" if e.awaits else "") if e.review is None else e.review.finding
        yield [
            iso(e.at),
            e.code,
            e.reason,
            e.subject,
            r.draft.call,
            r.draft.body.get("toolguard.approval.id"),
            e.tool,
            e.person,
            review,
            e.review.person if e.review else "",
            iso(e.review.at) if e.review else "",
            r.log_id,
            r.seq,
        ]


def _phi(p: Population) -> Iterator[Row]:
    for f in p.found:
        yield [f.call, iso(f.at), f.place, f.type, f.count]


def _approvers(p: Population) -> Iterator[Row]:
    for a in p.approvers:
        yield [
            a.person,
            a.answers,
            a.approved,
            a.denied,
            round(a.approve_rate, 4),
            round(a.median_s, 3),
            a.fast,
            a.stepped_up,
            a.own,
            a.requesters,
            a.methods,
        ]


def _reciprocity(p: Population) -> Iterator[Row]:
    for pair in p.reciprocity:
        yield [pair.one, pair.other, pair.forth, pair.back]


def _reviews(p: Population) -> Iterator[Row]:
    for r in p.reviews:
        auth = r.auth.partition(":")[0]
        yield [iso(r.at), r.kind, r.subject, r.finding, r.person, auth, r.assured, r.act, r.record.log_id, r.record.seq]


def _policies(p: Population) -> Iterator[Row]:
    for policy in p.policies:
        if not policy.loads:
            yield [policy.id, policy.version, policy.sha256, policy.calls, "", "", "", "", "", ""]
        for r in policy.loads:
            body = r.draft.body
            more = {k: v for k, v in body.items() if k.startswith("toolguard.policy.") and k not in _POLICY}
            signed = [
                f"{name.removeprefix('toolguard.policy.')}={_flat(value)}" for name, value in sorted(more.items())
            ]
            mode, rules = _said(r, "toolguard.policy.mode", "toolguard.policy.rules")
            place = (r.log_id, r.seq)
            yield [policy.id, policy.version, policy.sha256, policy.calls, iso(r.draft.at), mode, rules, signed, *place]


def _flat(value: Json) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


_POLICY = frozenset(f"toolguard.policy.{name}" for name in ("id", "version", "sha256", "mode", "rules"))

TABLES: Mapping[str, Table] = {
    "population": Table(
        header=(
            *("call", "decided_at", "decided_as", "outcome", *_DECIDED, "approvals", "executing_at", "executed_hmac"),
            *("ended_at", "ended_error", "result_withheld", "log", "seq", "hash"),
        ),
        rows=_population,
    ),
    "approvals": Table(
        header=(
            *(
                "approval",
                "call",
                "requested_at",
                "asked_before_period",
                "expires_at",
                "tool",
                "risk_level",
                "asked_by",
            ),
            *("quorum", "channel", "answers", "authenticated", "outcome", "reason", "ended_at", "yes_holds_until"),
            *(
                "executed_at",
                "attempts_refused",
                "reveals",
                "arguments_hmac",
                "call_hmac",
                "view_hmac",
                "policy_sha256",
            ),
        ),
        rows=_approvals,
    ),
    "exceptions": Table(
        header=(
            *("at", "exception", "reason", "subject", "call", "approval", "tool", "person", "review", "reviewer"),
            *("reviewed_at", "log", "seq"),
        ),
        rows=_exceptions,
    ),
    "phi": Table(header=("call", "at", "place", "type", "count"), rows=_phi),
    "approvers": Table(
        header=(
            *("person", "answers", "approved", "denied", "approve_rate", "median_seconds", "under_a_second"),
            *("after_second_factor", "own_requests", "requesters", "methods"),
        ),
        rows=_approvers,
    ),
    "reciprocity": Table(header=("one", "other", "one_approved_other", "other_approved_one"), rows=_reciprocity),
    "reviews": Table(
        header=("at", "kind", "subject", "finding", "reviewer", "auth", "assured", "act", "log", "seq"), rows=_reviews
    ),
    "policies": Table(
        header=("policy", "version", "sha256", "calls", "loaded_at", "mode", "rules", "more", "log", "seq"),
        rows=_policies,
    ),
}
"""Name of a member (without ``.csv``) → its table."""


def samples_table(drawn: Sequence[tuple[Call, str]]) -> tuple[tuple[str, ...], list[Row]]:
    """Header and rows of the samples: each call and its rank in the draw."""
    header = ("number", "call", "rank", "decided_at", "tool", "outcome", "member", "content")
    rows: list[Row] = [
        [n, call.id, rank, iso(call.at), call.tool, call.outcome, f"samples/call-{n:04d}.json", call.content]
        for n, (call, rank) in enumerate(drawn, start=1)
    ]
    return header, rows
