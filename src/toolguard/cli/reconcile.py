"""``toolguard audit reconcile``: the journal held against what others have: a trace store, or a log of effects."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from toolguard.cli._show import console as lines
from toolguard.cli.trace import clock_time, inert
from toolguard.config import load_config, segments_of
from toolguard.errors import ConfigError, EvidenceError, ToolguardError
from toolguard.journal import joined
from toolguard.journal.outside import read_effects, reconcile_effects
from toolguard.population import read_period
from toolguard.ports import Store
from toolguard.stores import open_store
from toolguard.telemetry import JaegerQuery, SpanReport, header_values, reconcile_spans

__all__ = ["reconcile"]

_MOST = 20
_SPANS = {
    "missing": "the record has no span there",
    "differs": "the span there is not what the record says",
    "stranger": "no record stands behind this span",
}
_EFFECTS = {
    "unrecorded": "an effect no record stands behind",
    "denied": "an effect of a call that, by the journal, never ran",
    "without_effect": "an execution the other log does not have",
}


def reconcile(
    store: Annotated[
        str | None, typer.Option("--store", help="Store URL, e.g. sqlite:///toolguard.db; else the one of --config.")
    ] = None,
    config: Annotated[Path, typer.Option(help="Configuration file that names the store.")] = Path("toolguard.toml"),
    jaeger: Annotated[str | None, typer.Option(help="Jaeger's query address, e.g. http://127.0.0.1:16686.")] = None,
    service: Annotated[str, typer.Option(help="The spans' service name.")] = "toolguard",
    header: Annotated[
        list[str] | None, typer.Option(help="Sent to Jaeger: NAME=env:VARIABLE or NAME=file:PATH; may be repeated.")
    ] = None,
    grace: Annotated[float, typer.Option(min=0, help="Seconds a span may be late.")] = 60.0,
    log: Annotated[Path | None, typer.Option(help="A log of effects that others keep: JSON lines, or '.csv'.")] = None,
    columns: Annotated[
        str, typer.Option("--map", help="Its columns, e.g. call_id=request.id,tool=action,at=time.")
    ] = "call_id=call_id,tool=tool,at=at",
    within: Annotated[float, typer.Option(min=0, help="Seconds between an execution and its effect.")] = 5.0,
    since: Annotated[str | None, typer.Option(help="Only records from this moment on (ISO 8601, UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Only records before this moment.")] = None,
    segments: Annotated[
        Path | None,
        typer.Option(
            help="The folder with the segments of records that were taken out of the store; else of --config."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Hold the journal against Jaeger (--jaeger), or against a log of effects that others keep (--log).

    Exit codes: 0 they agree, 1 something was changed or added, 2 something is missing, 3 one of them cannot be read.
    """
    try:
        if (jaeger is None) == (log is None):
            raise ConfigError("name what to hold the journal against: --jaeger URL or --log FILE")
        settings = None
        if store is None:
            settings = load_config(config)
            store = settings.store_url
        opened = open_store(store, read_only=True)
        try:
            opened = joined(opened, segments if segments is not None else segments_of(settings))
            times = (_moment(since, 0.0), _moment(until, float("inf")))
            if unseen := read_period(opened, since=times[0], until=opened.now() + 1.0).unseen:
                raise EvidenceError(
                    f"records of this time were taken out of the store ({len(unseen)} logs); they stand in segments: name their "
                    "folder with --segments, or give --since a later time"
                )
            if jaeger is not None:
                code = _against_jaeger(opened, jaeger, service, header or [], grace, times, as_json=as_json)
            else:
                assert log is not None  # noqa: S101 - narrows the type; one of the two is given
                code = _against_log(opened, log, columns, within, times, as_json=as_json)
        finally:
            opened.close()
    except ToolguardError as error:
        typer.echo(f"toolguard: error: {error}", err=True)
        raise typer.Exit(3) from None
    raise typer.Exit(code)


def _moment(text: str | None, otherwise: float) -> float:
    if text is None:
        return otherwise
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no moment; write for example 2026-11-22 or 2026-11-22T10:00") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _pairs(texts: list[str], what: str) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts if text]
    if not all(name and sign for name, sign, _ in pairs):
        raise ConfigError(f"{what} is not NAME=VALUE")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _against_jaeger(
    store: Store, url: str, service: str, header: list[str], grace: float, times: tuple[float, float], *, as_json: bool
) -> int:
    query = JaegerQuery(url, headers=header_values(_pairs(header, "--header"))())
    try:
        report = reconcile_spans(
            store.records(), query, now=store.now(), service=service, grace=grace, since=times[0], until=times[1]
        )
    finally:
        query.close()
    if as_json:
        typer.echo(json.dumps(_as_data(report, report.exit_code), indent=2))
        return report.exit_code
    console = _console()
    _print(console, [(f.code, _place(f.log_id, f.seq), f.trace, f.span) for f in report.findings], _SPANS)
    _say_spans(console, report)
    return report.exit_code


def _say_spans(console: Console, report: SpanReport) -> None:
    if not report.spans:
        console.print("no evidence: no record of this time has a span")
        return
    wrong = {code: sum(f.code == code for f in report.findings) for code in _SPANS}
    there = report.spans - wrong["missing"] - wrong["differs"] - report.parked - report.young
    told = f"{there} of {report.spans} spans of {report.records} records are there as recorded"
    told += "".join(f"; {count} {code}" for code, count in wrong.items() if count)
    for count, what in ((report.parked, "parked"), (report.young, "too young to be expected")):
        told += f"; {count} {what}" if count else ""
    if report.repeated:
        told += f"; {report.repeated} there more than once, each time the same"
    console.print(Text(told, style="bold red" if report.exit_code else "bold green"))


def _against_log(
    store: Store, log: Path, columns: str, within: float, times: tuple[float, float], *, as_json: bool
) -> int:
    effects = read_effects(log, _pairs(columns.split(","), "--map"))
    told = [effect for effect in effects if times[0] <= effect.at < times[1]]
    records = (record for record in store.records() if times[0] - within <= record.draft.at < times[1] + within)
    report = reconcile_effects(records, told, within=within)
    if as_json:
        typer.echo(json.dumps(_as_data(report, report.exit_code), indent=2))
        return report.exit_code
    console = _console()
    rows = [
        (f.code, f"line {f.line}" if f.line else "", f.tool, f"{clock_time(f.at, date=True)}  {f.call[:12]}")
        for f in report.findings
    ]
    _print(console, rows, _EFFECTS)
    if not report.effects:
        console.print("no evidence: the log has no line of this time")
    style = "bold red" if report.exit_code else "bold green"
    said = f"{report.matched} of {report.effects} effects have a record, of {report.executions} executions in that time"
    console.print(Text(said, style=style))
    console.print("this speaks of guarded calls: what neither log has is not seen here")
    return report.exit_code


def _place(log_id: str, seq: int) -> str:
    return f"{log_id[:12]}:{seq}" if log_id else ""


def _print(console: Console, rows: list[tuple[str, str, str, str]], words: dict[str, str]) -> None:
    if not rows:
        return
    for code, place, first, second in rows[:_MOST]:
        where = "  ".join(inert(text) for text in (place, first, second) if text)
        console.print(Text.assemble((f"{words[code]}: ", "red"), where))
    if len(rows) > _MOST:
        console.print(f"and {len(rows) - _MOST} more (--json has them all)")


def _as_data(report: Any, code: int) -> dict[str, Any]:
    return {"ok": code == 0, "exit_code": code, **asdict(report)}


def _console() -> Console:
    return lines()
