"""Audit records of one call that waited for a person, as the guard and the authority write them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from toolguard._core.audit import GENESIS, AuditRecord, Draft, Kind, seal

TRACE, CALLER, EVALUATE, REQUEST, EXECUTE = "1a" * 16, "2b" * 8, "3c" * 8, "4d" * 8, "5e" * 8
AT = 1_800_000_000.125

BASE: dict[str, Any] = {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "mail.send",
    "toolguard.call.id": "c1",
    "toolguard.tenant": "north",
}
DECISION: dict[str, Any] = {
    **BASE,
    "toolguard.decision.outcome": "pending",
    "toolguard.decision.effect": "require_approval",
    "toolguard.risk.level": "high",
    "toolguard.policy.id": "clinic",
    "toolguard.policy.sha256": "ab" * 32,
    "toolguard.policy.rule.id": ["mail-out", "phi-out"],
    "toolguard.phi.entities": ["EMAIL:1", "PERSON:2"],
    "toolguard.phi.count": 3,
    "toolguard.phi.detector.version": "rules/1",
}
ASKED: dict[str, Any] = {
    **BASE,
    "toolguard.approval.id": "a1",
    "toolguard.decision.outcome": "pending",
    "toolguard.approval.requested_at": AT,
}


def draft(kind: Kind, at: float = AT, *, span: str = "6f" * 8, body: dict[str, Any] = BASE, **changes: Any) -> Draft:
    given: dict[str, Any] = {"started": at - 0.25, "call": "c1", "trace_id": TRACE, "parent_id": EVALUATE, **changes}
    return Draft(kind=kind, at=at, span_id=span, body=body, **given)


def sealed(*drafts: Draft) -> tuple[AuditRecord, ...]:
    return seal(drafts, log_id="10" * 16, seq=0, prev=GENESIS)


def life() -> tuple[AuditRecord, ...]:
    """Asked, approved, run."""
    wait = {**ASKED, "toolguard.decision.outcome": "approved", "toolguard.approval.wait_s": 5.0}
    ran = {**BASE, "toolguard.decision.outcome": "executed"}
    return sealed(
        draft(Kind.LOG_OPENED, AT - 1, span="", trace_id="", parent_id="", call="", body={"process.pid": 1}),
        draft(Kind.CALL_DECIDED, span=EVALUATE, parent_id=CALLER, body=DECISION),
        draft(Kind.APPROVAL_REQUESTED, span=REQUEST, body=ASKED),
        draft(Kind.APPROVAL_VERDICT, AT + 5, body=wait, parent_id=REQUEST, link_id=REQUEST),
        draft(Kind.APPROVAL_RESOLVED, AT + 5, span="70" * 8, body=wait, started=AT, link_id=REQUEST),
        draft(Kind.CALL_EXECUTING, AT + 6, span=EXECUTE, link_id=EVALUATE),
        draft(Kind.CALL_RETURNED, AT + 7, span=EXECUTE, link_id=EVALUATE, body=ran),
    )


def changed(record: AuditRecord, **body: Any) -> AuditRecord:
    return sealed(replace(record.draft, body={**record.draft.body, **body}))[0]
