"""``toolguard audit``: verify and read the audit trail."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from toolguard import journal
from toolguard._core.audit import CONTENT_ID, AuditRecord
from toolguard.cli._show import console as lines
from toolguard.cli.evidence import Html, Segments, export, review, sample, write_call
from toolguard.cli.kept import content_line, opened_contents, redacted_contents, shown_text
from toolguard.cli.proof import anchor, verify
from toolguard.cli.reconcile import reconcile
from toolguard.cli.redact import holds_app, redact
from toolguard.cli.segments import archive, prune
from toolguard.cli.trace import clock_time, elsewhere, inert, outcome_text, render_trace, said
from toolguard.config import Config, load_config, segments_of
from toolguard.errors import ConfigError, StoreError, ToolguardError
from toolguard.ports import Store
from toolguard.stores import open_store

__all__ = ["app", "render_trace"]

app = typer.Typer(name="audit", help="Verify and read the audit trail.", no_args_is_help=True)
app.command("reconcile")(reconcile)

StoreOption = Annotated[
    str | None, typer.Option("--store", help="Store URL, e.g. sqlite:///toolguard.db; else the one of --config.")
]
ConfigOption = Annotated[Path, typer.Option("--config", help="Configuration file that names the store.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
_CONFIG = Path("toolguard.toml")


@contextmanager
def _opened(url: str | None, config: Path, segments: Path | None = None) -> Iterator[Store]:
    """The store, for looking only, with its segments. Whatever is wrong with the input ends in exit code 3."""
    try:
        settings = load_config(config) if url is None else None
        store = open_store(url or _url(settings), read_only=True)
        try:
            yield journal.joined(store, segments if segments is not None else segments_of(settings))
        finally:
            store.close()
    except ToolguardError as error:
        typer.echo(f"toolguard: error: {error}", err=True)
        raise typer.Exit(3) from None


def _url(settings: Config | None) -> str:
    if settings is None:
        raise ConfigError("--store is empty; name a store")
    return settings.store_url


def _console() -> Console:
    return lines()


app.command("verify")(verify)
app.command("anchor")(anchor)
app.command("archive")(archive)
app.command("prune")(prune)
app.command("export")(export)
app.command("sample")(sample)
app.command("review")(review)
app.command("redact")(redact)
app.add_typer(holds_app)


@app.command("tail")
def tail(
    store: StoreOption = None,
    config: ConfigOption = _CONFIG,
    count: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many records.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as records come, until interrupted.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the newest records."""
    with _opened(store, config) as opened:
        seen = {head.log_id: head.seq for head in opened.heads()}
        _print_records(journal.tail(opened, count), as_json)
        while follow:
            try:
                time.sleep(0.5)
                _print_records(journal.since(opened, seen), as_json)
            except KeyboardInterrupt:
                return


def _print_records(records: tuple[AuditRecord, ...], as_json: bool) -> None:
    console = _console()
    for record in records:
        if as_json:
            typer.echo(json.dumps(_record_data(record)))
        else:
            at, call, tool = (
                clock_time(record.draft.at, date=True),
                inert(record.draft.call),
                said(record, "gen_ai.tool.name"),
            )
            what = (
                Text.assemble((f"{call[:8]:<8}  ", "dim"), tool)
                if console.is_terminal
                else Text.assemble(f"{tool}  ", (call, "dim"))
            )
            line = Text.assemble(
                (at[:19] if console.is_terminal else at, "dim"),
                f"  {record.draft.kind.value:<20} ",
                _padded(outcome_text(record)),
                "  ",
                what,
            )
            line.rstrip()
            console.print(line)


def _padded(outcome: Text) -> Text:
    """An outcome as wide as most are, so that what follows stands in one column."""
    outcome.pad_right(max(0, 13 - len(outcome)))
    return outcome


def _record_data(record: AuditRecord) -> dict[str, Any]:
    draft = record.draft
    return {
        "log": record.log_id,
        "seq": record.seq,
        "at": draft.at,
        "kind": draft.kind.value,
        "call": draft.call,
        "trace": draft.trace_id,
        "span": draft.span_id,
        "hash": record.hash,
        "body": dict(draft.body),
    }


@app.command("show")
def show(
    call: Annotated[str, typer.Argument(help="A call id, or its beginning (at least 6 characters).")],
    store: StoreOption = None,
    config: ConfigOption = _CONFIG,
    segments: Segments = None,
    html: Html = None,
    content: Annotated[
        bool,
        typer.Option("--content", help="Open what is kept beside its records. Needs the guard's key, and is recorded."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show everything that happened to one call."""
    with _opened(store, config, segments) as opened:
        records = journal.timeline(opened, _whole_id(opened, call))
        if not records:
            raise StoreError(f"the store has no record of this call; {elsewhere(opened) or _ID}")
        if html is not None:
            write_call(opened, records, html)
            return
        texts = opened_contents(load_config(config), store, records) if content else {}
        if as_json:
            for record in records:
                typer.echo(json.dumps({**_record_data(record), **_content_data(record, texts)}))
            return
        console = _console()
        console.print(render_trace(records))
        gone = redacted_contents(records)
        for record in records:
            table = Table(box=None, show_header=False, pad_edge=False)
            table.add_column(no_wrap=True)
            table.add_column(overflow="fold")  # what is evidence is never cut
            for key, value in sorted(record.draft.body.items()):
                table.add_row(Text(f"  {inert(key)}", style="dim"), Text(_shown(key, value)))
            for name, text in content_line(record, texts, gone, opened):
                table.add_row(Text(f"  {inert(name)}", style="dim"), Text(inert(text)))
            console.print(
                Text.assemble(
                    "\n", (inert(f"{record.draft.kind.value}  {record.log_id}:{record.seq}  {record.hash}"), "bold")
                )
            )
            console.print(table)


_ID = "give at least 6 characters of its id, from 'tail'"


def _content_data(record: AuditRecord, texts: Mapping[str, str]) -> dict[str, Any]:
    text = texts.get(str(record.draft.body.get(CONTENT_ID, "")))
    return {} if text is None else {"content": dict(shown_text(text))}


def _shown(key: str, value: Any) -> str:
    if key.endswith("_at") and isinstance(value, int | float):
        return f"{value}  ({clock_time(value, date=True)} UTC)"
    return inert(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _whole_id(store: Store, call: str) -> str:
    if len(call) >= 32 or len(call) < 6:
        return call
    found = {r.draft.call for r in store.records() if r.draft.call.startswith(call)}
    if len(found) > 1:
        raise StoreError(f"{len(found)} calls begin like that; give more of the id")
    return found.pop() if found else call
