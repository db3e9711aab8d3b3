"""``toolguard report``: what the records show for the controls of one framework, on the terminal or as a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from toolguard import journal
from toolguard.cli._show import ConfigOption, StoreOption, screen, unusable_input
from toolguard.cli.evidence import (
    CONFIG,
    INCOMPLETE,
    AsJson,
    From,
    Html,
    Segments,
    To,
    opened,
    population_of,
    settings_of,
    write_page,
)
from toolguard.config import anchor_copies, audit_verifier
from toolguard.population import FRAMEWORKS, Matrix, Population, iso, matrix_of
from toolguard.report import State, report_page, report_tables

__all__ = ["app"]


def _framework(text: str) -> str:
    if text not in FRAMEWORKS:
        raise typer.BadParameter(f"is not one of {', '.join(FRAMEWORKS)}")
    return text


def app(
    control: Annotated[
        str, typer.Option("--control", parser=_framework, metavar="NAME", help=f"One of {', '.join(FRAMEWORKS)}.")
    ],
    since: From,
    until: To = None,
    html: Html = None,
    store: StoreOption = None,
    config: ConfigOption = CONFIG,
    segments: Segments = None,
    as_json: AsJson = False,
) -> None:
    """Show which evidence the records of a period hold for the controls of a framework. Never whether they are met.

    The whole journal is verified first. Exit codes: 0 shown, 1 shown, but the journal was changed, 2 shown, but no call
    was judged or a log is missing, 3 unusable input.
    """
    with unusable_input():
        settings = settings_of(store, config)
        source = opened(store, settings, segments)
        try:
            population = population_of(source, since, until)
            report = journal.verify(
                source,
                verifier=None if settings is None else audit_verifier(settings),
                anchors=() if settings is None else anchor_copies(settings),
            )
        finally:
            source.close()
        matrix, states = matrix_of(population, control), _states(report)
        if html is not None:
            write_page(html, report_page(population, matrix, states))
    if as_json:
        typer.echo(json.dumps(_data(population, matrix, report), indent=2))
    elif html is None:
        console = screen()
        for part in report_tables(population, matrix, states):
            console.print(part)
    code = 1 if report.tampered else INCOMPLETE if population.is_empty or report.incomplete else 0
    raise typer.Exit(code)


def _states(report: journal.VerifyReport) -> Sequence[State]:
    """What verifying the journal showed, in sentences."""
    records = f"{report.records:,} records in {len(report.logs):,} {'log' if len(report.logs) == 1 else 'logs'}"
    if report.tampered:
        whole = State(tone="bad", title=f"The journal was changed: {records}", text="Run 'toolguard audit verify'.")
    elif report.incomplete:
        whole = State(tone="bad", title=f"The journal is incomplete: {records}", text="Run 'toolguard audit verify'.")
    else:
        text = "Hashes, chain, registry of logs, approvals and acts were compared with each other, at the time of this report."
        whole = State(tone="ok", title=f"The journal holds together: {records}", text=text)
    return (whole, _checkpoints(report), _anchors(report))


def _checkpoints(report: journal.VerifyReport) -> State:
    if not report.checkpoints:
        return State(
            tone="warn", title="No signed checkpoint", text="Nobody outside has signed how far the logs had come."
        )
    if not report.signed:
        text = "Their roots fit; who signed them was not checked, because no audit key is pinned."
        return State(tone="warn", title=f"{report.checkpoints:,} checkpoints", text=text)
    return State(
        tone="ok",
        title=f"{report.checkpoints:,} signed checkpoints",
        text="Signed by a pinned audit key; their roots fit.",
    )


def _anchors(report: journal.VerifyReport) -> State:
    held = sum(anchor.notes for anchor in report.anchors)
    if held:
        anchors = "one anchor" if len(report.anchors) == 1 else f"{len(report.anchors)} anchors"
        title = f"{held:,} checkpoints in {anchors} outside the store"
        faults = sorted({code for anchor in report.anchors for code in anchor.codes})
        return State(
            tone="bad" if faults else "ok", title=title, text=f"Faults: {', '.join(faults)}." if faults else ""
        )
    return State(
        tone="warn",
        title="No anchor outside the store was compared",
        text="A cut at the newest end, or everything signed anew with a stolen key, can only be seen with one.",
    )


def _data(population: Population, matrix: Matrix, report: journal.VerifyReport) -> dict[str, Any]:
    p = population
    return {
        "framework": matrix.framework,
        "from": iso(p.period.since),
        "to": iso(p.period.until),
        "population": len(p.calls),
        "outcomes": dict(p.outcomes),
        "controls": [
            {
                "id": row.control.id,
                "about": row.control.about,
                "evidence": [{"kind": e.kind, "count": e.count, "words": e.words} for e in row.evidence] or "none",
                "none": list(row.absent),
                "elsewhere": row.control.asks,
            }
            for row in matrix.rows
        ],
        "exceptions": len(p.exceptions),
        "awaiting_review": len(p.awaiting),
        "reciprocity": [{"one": r.one, "other": r.other, "forth": r.forth, "back": r.back} for r in p.reciprocity],
        "integrity": {
            "ok": report.ok,
            "tampered": report.tampered,
            "incomplete": report.incomplete,
            "checkpoints": report.checkpoints,
            "anchored": sum(anchor.notes for anchor in report.anchors),
        },
    }
