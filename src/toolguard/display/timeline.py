"""A trace as a timeline: the tree of ``toolguard trace``, with a bar for when each step was and how long it took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup
from rich.console import Console
from rich.text import Text

from toolguard._core.audit import AuditRecord
from toolguard.cli.trace import clock_time, line_of, outcome_text, render_trace, said
from toolguard.display.page import View, bar, chip, el, join, page, tone_of
from toolguard.journal import in_time, telling
from toolguard.report.words import duration

__all__ = ["trace_view"]

_SHOWN = 100
"""Calls of one view; the newest are kept."""
_COLOURS = {"green": "good", "yellow": "soon", "red": "wrong"}


def trace_view(records: Iterable[AuditRecord]) -> View:
    """The calls in ``records``: decision, question, verdicts, wait and execution of each."""
    listed = in_time(records)
    calls: dict[str, list[AuditRecord]] = {}
    for record in listed:
        if record.draft.call:
            calls.setdefault(record.draft.call, []).append(record)
    runs = {r for record in listed if (r := said(record, "gen_ai.conversation.id"))}
    days = sorted({clock_time(r.draft.at, date=True)[:10] for r in listed})
    kept = list(calls.items())[-_SHOWN:]
    count = f"{len(calls)} call{'' if len(calls) == 1 else 's'}"
    html = page(
        f"Run {next(iter(runs))}" if len(runs) == 1 else count,
        _operations([r for r in listed if not r.draft.call][-_SHOWN:], dated=len(days) > 1),
        *(_call(call, story, dated=len(days) > 1) for call, story in kept),
        el("p", f"{len(calls) - _SHOWN} earlier calls are not shown.", class_="foot") if len(calls) > _SHOWN else None,
        tone="info",
        sub=f"{count}, {days[0] if len(days) == 1 else f'{days[0]} to {days[-1]}'} UTC" if days else "No record.",
    )
    return View(html=html, text=_as_text(listed))


def _operations(records: Sequence[AuditRecord], *, dated: bool) -> Markup:
    """What was not about one call: logs that were opened, policies that were loaded."""
    steps = [
        el("li", el("span", clock_time(r.draft.at, date=dated), class_="at"), el("span", r.draft.kind.value))
        for r in records
    ]
    return el("div", el("ol", *steps, class_="steps"), class_="call") if steps else Markup("")


def _call(call: str, story: Sequence[AuditRecord], *, dated: bool) -> Markup:
    tool = next((t for r in story if (t := said(r, "gen_ai.tool.name"))), "") or "call"
    last = telling(story) or story[-1]
    outcome = outcome_text(last).plain
    begin = min(r.draft.started for r in story)
    length = max(max(r.draft.at for r in story) - begin, 1e-6)
    steps = [
        el(
            "li",
            el("span", clock_time(record.draft.at, date=dated), class_="at"),
            el("span", _styled(line)),
            bar(
                (record.draft.at - record.draft.started) / length,
                tone_of(said(record, "toolguard.decision.outcome")),
                start=(record.draft.started - begin) / length,
                title=f"{duration(record.draft.at - record.draft.started)}, {duration(record.draft.started - begin)} after the call began",
            ),
        )
        for record in story
        if (line := line_of(record)) is not None
    ]  # fmt: skip
    head = [el("span", tool, class_="name"), " ", chip(outcome, tone_of(outcome)) if outcome else None]
    return el(
        "div",
        el("p", *head, el("span", f" {call[:12]} · {duration(length)} in all", class_="muted")),
        el("ol", *steps, class_="steps"),
        class_="call",
    )


def _styled(line: Text) -> Markup:
    """A line with its colours as classes."""
    parts = []
    for segment in line.render(_CONSOLE):
        style = segment.style
        colour = _COLOURS.get(style.color.name) if style is not None and style.color is not None else None
        dim = "muted" if style is not None and style.dim else None
        parts.append(el("span", segment.text, class_=colour or dim) if colour or dim else segment.text)
    return join(parts)


_CONSOLE = Console(width=200, force_jupyter=False)


def _as_text(records: list[AuditRecord]) -> str:
    console = Console(width=200, highlight=False, soft_wrap=True, color_system=None, force_jupyter=False)
    with console.capture() as capture:
        console.print(render_trace(records))
    return capture.get().rstrip("\n")
