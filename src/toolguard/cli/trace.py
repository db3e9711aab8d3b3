"""Audit records drawn as a tree: the calls of a run, and what became of each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from rich.text import Text
from rich.tree import Tree

from toolguard._core.audit import AuditRecord, Kind
from toolguard.journal import in_time

__all__ = ["clock_time", "inert", "outcome_text", "render_trace", "said"]

_STYLES = {
    "allowed": "green",
    "approved": "green",
    "executed": "green",
    "pending": "yellow",
    "denied": "red",
    "failed": "red",
    "indeterminate": "bold red",
}


def render_trace(records: Iterable[AuditRecord]) -> Tree:
    """The calls in ``records`` as a tree: decision, question, verdicts, wait and execution of each."""
    calls: dict[str, list[AuditRecord]] = {}
    operations: list[AuditRecord] = []
    for record in in_time(records):
        if record.draft.call:
            calls.setdefault(record.draft.call, []).append(record)
        else:
            operations.append(record)
    runs = {said(r, "gen_ai.conversation.id") for story in calls.values() for r in story} - {""}
    title = f"run {next(iter(runs))}" if len(runs) == 1 else f"{len(calls)} calls"
    tree = Tree(Text(title, style="bold"))
    for record in operations:
        tree.add(Text.assemble((clock_time(record.draft.at), "dim"), f"  {record.draft.kind.value}"))
    for call, story in calls.items():
        _add_call(tree, call, story)
    return tree


def _add_call(tree: Tree, call: str, story: list[AuditRecord]) -> None:
    tool = next((t for r in story if (t := said(r, "gen_ai.tool.name"))), "")
    last = next((r for r in reversed(story) if said(r, "toolguard.decision.outcome")), story[-1])
    node = tree.add(Text.assemble((tool or "call", "bold cyan"), "  ", outcome_text(last), "  ", (call[:12], "dim")))
    for record in story:
        line = _line(record)
        if line is not None:
            node.add(Text.assemble((clock_time(record.draft.at), "dim"), "  ", line))


def _line(record: AuditRecord) -> Text | None:
    draft = record.draft
    match draft.kind:
        case Kind.CALL_EXECUTING:
            return None  # its end says when it began
        case Kind.CALL_DECIDED:
            facts = _facts(record, "toolguard.risk.level", "toolguard.policy.rule.id", "error.type")
            return Text.assemble("decided ", outcome_text(record), facts)
        case Kind.APPROVAL_REQUESTED:
            quorum, channel = said(record, "toolguard.approver.quorum"), said(record, "toolguard.approval.channel")
            return Text(f"asked for approval (quorum {quorum}, {channel})", style="yellow")
        case Kind.APPROVAL_VERDICT:
            who, how = said(record, "toolguard.approver.id"), said(record, "toolguard.approver.auth_method")
            answer = said(record, "toolguard.decision.reason_code")
            return Text.assemble(
                f"{who} said {answer}", (f" ({how})" if how else "", "dim"), "  ", outcome_text(record)
            )
        case Kind.APPROVAL_REFUSED:
            who, why = said(record, "toolguard.approver.id"), said(record, "toolguard.decision.reason_code")
            return Text(f"{who} was not let decide ({why})", style="red")
        case Kind.APPROVAL_RESOLVED:
            return Text.assemble("waited ", _seconds(draft.at - draft.started), "  ", outcome_text(record))
        case Kind.CALL_RETURNED | Kind.CALL_FAILED | Kind.CALL_INDETERMINATE:
            ran = Text.assemble("ran ", _seconds(draft.at - draft.started), "  ", outcome_text(record))
            return Text.assemble(ran, _facts(record, "error.type"))
        case Kind.CALL_NOT_RUN:
            return Text.assemble(
                "did not run  ", outcome_text(record), _facts(record, "toolguard.decision.reason_code")
            )
        case Kind.CREDENTIAL_RELEASED | Kind.CREDENTIAL_REVOKED | Kind.CREDENTIAL_REFUSED:
            name, provider = said(record, "toolguard.credential.name"), said(record, "toolguard.credential.provider")
            facts = _facts(record, "toolguard.decision.reason_code")
            return Text.assemble(f"{draft.kind.value.replace('.', ' ')}: {name} ", (f"({provider})", "dim"), facts)
        case _:
            return Text(draft.kind.value)


def outcome_text(record: AuditRecord) -> Text:
    """A record's outcome in its colour."""
    outcome = said(record, "toolguard.decision.outcome")
    return Text(outcome, style=_STYLES.get(outcome, "magenta"))


def said(record: AuditRecord, key: str) -> str:
    """A body's value as plain text, ``""`` where it has none."""
    value = record.draft.body.get(key, "")
    return inert(", ".join(str(item) for item in value) if isinstance(value, list | tuple) else str(value))


def inert(text: str) -> str:
    """``text`` with everything visible that could steer a terminal (escapes, bidi and zero-width characters)."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def clock_time(at: float, *, date: bool = False) -> str:
    """UTC, to the millisecond."""
    moment = dt.datetime.fromtimestamp(at, dt.UTC)
    text = moment.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S")
    return f"{text}.{moment.microsecond // 1000:03d}"


def _facts(record: AuditRecord, *keys: str) -> Text:
    facts = [text for key in keys if (text := said(record, key))]
    return Text("  " + " · ".join(facts) if facts else "", style="dim")


def _seconds(duration: float) -> str:
    if duration < 1:
        return f"{max(0.0, duration) * 1000:.1f} ms"
    if duration < 120:
        return f"{duration:.1f} s"
    return f"{duration / 60:.0f} min" if duration < 7200 else f"{duration / 3600:.1f} h"
