"""Approval traces in the form that AgentAck 0.6 reads, so that a checker of others can look for broken approvals.

One file a run, one action a call. An action's identity is the tool and the keyed digest of the arguments: as proposed (the
deciding record), as people saw it (the request) and as it ran (the executing record). What AgentAck has no word for:
several persons' answers are one decision (where the quorum was reached or somebody said no); a request that ended
without an answer is a denial by the guard; a call that ran on a standing approval is an operation of its own, which
needs no new approval; broken glass is a decision to allow.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from toolguard._core.audit import AuditRecord, Kind, Outcome
from toolguard.journal import in_time
from toolguard.population import iso

__all__ = ["POLICY", "traces"]

POLICY = """\
version = 1

[approval]
max_age_seconds = 86400
single_use = true
exact_action_binding = true
stop_is_terminal = true
require_for = ["*:require-approval"]
"""
"""The policy file that fits these traces: what the guard's own policy held for approval needs one."""

_Event = dict[str, Any]
_ALLOWS = frozenset({Outcome.APPROVED.value, Outcome.BREAK_GLASS.value})
_ENDED = frozenset({"expired", "withdrawn", "superseded", "invalidated", "revoked", "denied"})


def traces(records: Iterable[AuditRecord]) -> dict[str, bytes]:
    """Run → its trace as JSON lines. Runs and calls are told apart by their ids alone."""
    runs: dict[str, list[AuditRecord]] = {}
    run_of: dict[str, str] = {}
    for record in in_time(records):
        call = record.draft.call
        if not call:
            continue
        said = record.draft.body.get("gen_ai.conversation.id")
        run = run_of.setdefault(call, str(said) if said else call)
        runs.setdefault(run, []).append(record)
    return {run: _lines(_Run(run).events(story)) for run, story in sorted(runs.items())}


def _lines(events: Iterable[_Event]) -> bytes:
    return b"".join(
        json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        for event in events
    )


class _Run:
    def __init__(self, run: str) -> None:
        self._run = run
        self._operations: dict[str, str] = {}
        self._decided: dict[str, str] = {}
        """approval → allow or deny, once somebody's answer, or the end, settled it"""
        self._tools: dict[str, str] = {}
        self._done: set[str] = set()
        self._asked: dict[str, str] = {}

    def events(self, story: Iterable[AuditRecord]) -> Iterator[_Event]:
        last = 0.0
        for record in story:
            last = max(last, record.draft.at)
            yield from self._events(record)
        yield {**self._base("session_end", last), "reason": "end of the records"}

    def _events(self, record: AuditRecord) -> Iterator[_Event]:
        draft = record.draft
        match draft.kind:
            case Kind.CALL_DECIDED:
                yield from self._proposed(record)
            case Kind.APPROVAL_REQUESTED:
                approval = self._said(record, "toolguard.approval.id")
                self._asked[draft.call] = approval
                yield {
                    **self._on(record, "approval_requested"),
                    "approval_id": approval,
                    "action": self._action(record),
                }
            case Kind.APPROVAL_RESOLVED:
                yield from self._resolved(record)
            case Kind.CALL_EXECUTING:
                approval = self._said(record, "toolguard.approval.id")
                event = {**self._on(record, "action_executed"), "action": self._action(record)}
                self._done.add(draft.call)
                yield {**event, "approval_id": approval} if approval else event
            case Kind.CALL_NOT_RUN:
                yield from self._blocked(record, self._said(record, "toolguard.decision.reason_code"))
            case _:
                return

    def _proposed(self, record: AuditRecord) -> Iterator[_Event]:
        body, call = record.draft.body, record.draft.call
        effect = str(body.get("toolguard.decision.effect", "deny"))
        if effect == "require_approval" and body.get("toolguard.act.id"):
            effect = "under_standing_approval"
        denied = body.get("toolguard.decision.outcome") == Outcome.DENIED
        self._operations[call] = "deny" if denied else effect
        self._tools[call] = self._said(record, "gen_ai.tool.name") or "unknown"
        yield {**self._on(record, "action_proposed"), "action": self._action(record)}
        if denied:
            yield from self._blocked(record, str(body.get("toolguard.decision.reason_code", "denied")))

    def _resolved(self, record: AuditRecord) -> Iterator[_Event]:
        approval, outcome = (
            self._said(record, "toolguard.approval.id"),
            self._said(record, "toolguard.decision.outcome"),
        )
        decision = "allow" if outcome in _ALLOWS else "deny"
        if outcome not in _ALLOWS | _ENDED:
            return
        if approval not in self._decided:
            self._decided[approval] = decision
            event = {**self._on(record, "approval_decision"), "approval_id": approval, "decision": decision}
            until = record.draft.body.get("toolguard.approval.grant_expires_at")
            yield {**event, "expires_at": iso(float(until))} if isinstance(until, int | float) else event
        if decision == "deny":
            yield from self._blocked(record, outcome)

    def _blocked(self, record: AuditRecord, reason: str) -> Iterator[_Event]:
        call = record.draft.call
        if call in self._done:
            return
        self._done.add(call)
        event = {**self._on(record, "action_blocked"), "reason": reason}
        approval = self._asked.get(call, "")
        yield {**event, "approval_id": approval} if approval else event

    def _action(self, record: AuditRecord) -> _Event:
        call = record.draft.call
        tool = self._said(record, "gen_ai.tool.name") or self._tools.get(call, "unknown")
        return {
            "tool": tool,
            "operation": self._operations.get(call, "unknown"),
            "parameters": {"arguments": self._said(record, "toolguard.args.hmac")},
        }

    def _on(self, record: AuditRecord, kind: str) -> _Event:
        return {**self._base(kind, record.draft.at), "action_id": record.draft.call}

    def _base(self, kind: str, at: float) -> _Event:
        return {"schema_version": 2, "type": kind, "timestamp": iso(at), "session_id": self._run}

    def _said(self, record: AuditRecord, key: str) -> str:
        return _text(record.draft.body, key)


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    return value if isinstance(value, str) else ""
