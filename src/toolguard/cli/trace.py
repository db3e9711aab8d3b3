"""``toolguard trace``: audit records drawn as a tree, or written as a file that Jaeger opens."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text
from rich.tree import Tree

from toolguard._core.audit import AuditRecord, Kind
from toolguard.cli._show import ConfigOption, SegmentsOption, StoreOption, console, opened_store, print_json
from toolguard.errors import StoreError, ToolguardError
from toolguard.journal import in_time, telling
from toolguard.journal.joined import Joined
from toolguard.population import LAST_MOMENT, taken_out
from toolguard.ports import Store

__all__ = ["app", "clock_time", "elsewhere", "inert", "line_of", "outcome_text", "render_trace", "said", "story_of"]

_STYLES = {
    "allowed": "green",
    "approved": "green",
    "executed": "green",
    "pending": "yellow",
    "denied": "red",
    "failed": "red",
    "indeterminate": "bold red",
}


def app(
    call: Annotated[str, typer.Argument(help="A call id or its beginning, a trace id, or the name of a run.")],
    store: StoreOption = None,
    config: ConfigOption = Path("toolguard.toml"),
    segments: SegmentsOption = None,
    jaeger: Annotated[
        Path | None, typer.Option(help="Write it as Jaeger JSON, for the upload tab ('-': print).")
    ] = None,
    otlp: Annotated[Path | None, typer.Option(help="Write it as OTLP JSON ('-': print).")] = None,
    service: Annotated[str, typer.Option(help="The spans' service name in those files.")] = "toolguard",
    as_json: Annotated[bool, typer.Option("--json", help="Print its records as JSON instead.")] = False,
) -> None:
    """Draw what happened to a call, or to a whole run, however long it took and wherever it went on.

    Records that were taken out of the store come from their segments.

    Exit codes: 0 drawn, 3 there is no such call, or the store cannot be read.
    """
    from toolguard.telemetry import jaeger_json, otlp_json

    try:
        with opened_store(store, config, segments) as opened:
            records = story_of(opened, call)
            hint = elsewhere(opened)
        if not records:
            raise StoreError(f"the store has no record of this call or run; {hint or _NEWEST}")
        if hint and all(record.draft.call != call for record in records):  # a call stays whole, a run does not
            typer.echo(f"this may be a part of it: {hint}", err=True)
        _write(jaeger, jaeger_json(records, service=service) if jaeger else {})
        _write(otlp, otlp_json(records, service=service) if otlp else {})
    except ToolguardError as error:
        typer.echo(f"toolguard: error: {error}", err=True)
        raise typer.Exit(3) from None
    if as_json:
        print_json([_data(record) for record in records])
    elif jaeger is None and otlp is None:
        console().print(render_trace(records))


def _data(record: AuditRecord) -> dict[str, Any]:
    draft = record.draft
    return {
        "kind": draft.kind.value,
        "at": draft.at,
        "started": draft.started,
        "call": draft.call,
        "trace_id": draft.trace_id,
        "body": dict(draft.body),
    }


def elsewhere(store: Store) -> str:
    """Where else records may be, ``""`` where all are at hand."""
    if not (gone := taken_out(store)):
        return ""
    return (
        f"the first records of {len(gone)} logs were taken out of the store: name the folder of their segments with --segments, "
        "or set [audit] segments"
    )


def story_of(store: Store, named: str) -> list[AuditRecord]:
    """Everything about one call; or about every call of a run or a trace."""
    if found := list(store.records(call=named)):
        return in_time(found)
    calls: dict[str, None] = {}
    begins: dict[str, None] = {}
    for record in store.records():
        draft = record.draft
        if draft.call and named in (draft.trace_id, draft.body.get("gen_ai.conversation.id")):
            calls[draft.call] = None
        if len(named) >= _SHORTEST and draft.call.startswith(named):
            begins[draft.call] = None
    if not calls and len(begins) > 1:
        raise StoreError(f"{len(begins)} calls begin like that; give more of the id")
    wanted = calls or begins
    if len(wanted) > _FEW and isinstance(store, Joined):  # each by itself would read every segment once more
        return in_time(record for record in store.records() if record.draft.call in wanted)
    return in_time(record for call in wanted for record in store.records(call=call))


_NEWEST = "'toolguard audit tail' shows the newest"
_SHORTEST = 6
_FEW = 3


def _write(path: Path | None, data: dict[str, Any]) -> None:
    if path is None:
        return
    text = json.dumps(data, ensure_ascii=False, indent=1) + "\n"
    if str(path) == "-":
        typer.echo(text, nl=False)
        return
    try:
        path.write_text(text, "utf-8")
    except OSError as fault:
        raise StoreError(f"the file {str(path)!r} cannot be written ({fault.strerror}); name another") from None
    typer.echo(f"wrote {path}", err=True)


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
    days = {clock_time(r.draft.at, date=True)[:10] for r in (*operations, *(r for s in calls.values() for r in s))}
    dated = len(days) > 1
    tree = Tree(Text.assemble((title, "bold"), ("" if dated else f"  {next(iter(days), '')}", "dim")))
    for record in operations:
        tree.add(Text.assemble((clock_time(record.draft.at, date=dated), "dim"), f"  {record.draft.kind.value}"))
    for call, story in calls.items():
        _add_call(tree, call, story, dated=dated)
    return tree


def _add_call(tree: Tree, call: str, story: list[AuditRecord], *, dated: bool) -> None:
    tool = next((t for r in story if (t := said(r, "gen_ai.tool.name"))), "")
    last = telling(story) or story[-1]
    node = tree.add(
        Text.assemble((tool or "call", "bold cyan"), "  ", outcome_text(last), "  ", (inert(call[:12]), "dim"))
    )
    for record in story:
        line = line_of(record)
        if line is not None:
            node.add(Text.assemble((clock_time(record.draft.at, date=dated), "dim"), "  ", line))


def line_of(record: AuditRecord) -> Text | None:
    """What one record says, in one line; None for those that another one tells."""
    draft = record.draft
    match draft.kind:
        case Kind.CALL_EXECUTING:
            return None  # its end says when it began
        case Kind.CALL_DECIDED:
            facts = _facts(
                record,
                "toolguard.risk.level",
                "toolguard.policy.rule.id",
                "toolguard.phi.entities",
                "toolguard.decision.reason_code",
                "error.type",
            )
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
        case Kind.SPAN_PARKED:
            return Text(f"its span {said(record, 'toolguard.parked.seq')} could not be delivered", style="red")
        case _:
            facts = _facts(record, "toolguard.approver.id", "toolguard.act.kind", "toolguard.decision.reason_code")
            return Text.assemble(draft.kind.value.replace(".", " "), facts)


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
    moment = dt.datetime.fromtimestamp(min(max(at, 0.0), LAST_MOMENT), dt.UTC)
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
    if duration < 7200:
        return f"{duration / 60:.0f} min"
    return f"{duration / 3600:.1f} h" if duration < 48 * 3600 else f"{duration / 86400:.1f} days"
