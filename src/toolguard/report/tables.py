"""The same as tables on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from toolguard.population import Exceptional, Matrix, Population
from toolguard.report.pages import State
from toolguard.report.words import duration, figure, minute, plain, words

__all__ = ["awaiting_table", "report_tables"]

_TONES = {"ok": "green", "warn": "yellow", "bad": "bold red"}


def report_tables(population: Population, matrix: Matrix, integrity: Sequence[State]) -> Iterator[RenderableType]:
    """What `report_page` shows, shorter."""
    p = population
    yield Text(f"{matrix.title}, {minute(p.period.since)} to {minute(p.period.until)} UTC", style="bold")
    stood = ", ".join(f"{figure(count)} {words(outcome)}" for outcome, count in p.outcomes.most_common())
    yield Text(f"population: {figure(len(p.calls))} calls" + (f" ({stood})" if stood else ": none"))
    yield Text()
    yield _controls(matrix)
    yield Text()
    yield _exceptions(p.exceptions)
    if p.approvers:
        yield Text()
        yield _approvers(p)
    for pair in p.reciprocity:
        line = f"approve each other: {plain(pair.one)} ({pair.forth}) and {plain(pair.other)} ({pair.back})"
        yield Text(line, style="yellow")
    yield Text()
    for state in integrity:
        yield Text.assemble((state.title, _TONES.get(state.tone, "")), (f"  {state.text}" if state.text else "", "dim"))
    yield Text("evidence for controls, counted from records; whether a control is met is for an auditor to say", "dim")


def _controls(matrix: Matrix) -> Table:
    table = Table("control", "about", "evidence", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for row in matrix.rows:
        said = Text("; ".join(e.text for e in row.evidence)) if row.has_any else Text("none", style="yellow")
        table.add_row(row.control.id, row.control.about, said)
    return table


def _exceptions(found: Iterable[Exceptional]) -> RenderableType:
    found = tuple(found)
    if not found:
        return Text("exceptions: none")
    waiting = Counter(e.code for e in found if e.awaits)
    table = Table("exception", "times", "waiting for a review", box=None, pad_edge=False)
    for code, count in Counter(e.code for e in found).most_common():
        table.add_row(words(code), figure(count), Text(figure(waiting[code]), "yellow") if waiting[code] else Text("0"))
    return table


def _approvers(p: Population) -> Table:
    table = Table("approver", "answers", "yes", "median", "under a second", "second factor", box=None, pad_edge=False)
    for a in p.approvers:
        cells = (figure(a.answers), f"{a.approve_rate:.0%}", duration(a.median_s), str(a.fast), str(a.stepped_up))
        table.add_row(Text(plain(a.person)), *cells)
    return table


def awaiting_table(found: Iterable[Exceptional]) -> Table:
    """What waits for a review: what to name it by, and who acted."""
    table = Table("subject", "when", "what", "why", "tool", "who acted", box=None, pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"
    table.columns[0].no_wrap = True
    for e in found:
        table.add_row(
            e.subject,
            minute(e.at),
            words(e.code),
            Text(plain(words(e.reason))),
            Text(plain(e.tool)),
            Text(plain(e.person)),
        )
    return table
