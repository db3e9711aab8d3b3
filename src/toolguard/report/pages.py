"""Pages for auditors: one file each, no script, nothing from elsewhere, every value escaped; for screen and paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from toolguard.population import EIGHTEEN, EXCEPTIONS, FRAMEWORKS, Matrix, Population
from toolguard.report.words import FILTERS, LIMITS

__all__ = ["State", "matrix_page", "readme_page", "render", "report_page"]

_SHOWN = 200
"""Exceptions on a page; a pack's tables have all of them."""
_TOOLS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A sentence about integrity. ``tone``: ``ok``, ``warn`` or ``bad``."""

    tone: str
    title: str
    text: str = ""


class _Shown:
    """A population as the templates read it: what it has, and figures that only pages need."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self.ran = sum(call.ran for call in population.calls)
        self.answers = sum(len(q.answers) for q in population.questions)
        self.identifiers = sum(f.count for f in population.found)
        self.exceptions_shown = population.exceptions[:_SHOWN]
        self.exceptions_left = len(population.exceptions) - len(self.exceptions_shown)
        tools = _by_tool(population)
        self.by_tool, self.tools_left = tools[:_TOOLS], max(0, len(tools) - _TOOLS)
        types: Counter[str] = Counter()
        for found in population.found:
            types[found.type] += found.count
        self.eighteen = [(name, sum(types[t] for t in stands)) for name, stands in EIGHTEEN.items()]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._population, name)


@dataclass(slots=True, kw_only=True)
class _Tool:
    tool: str
    calls: int = 0
    asked: int = 0
    ran: int = 0
    denied: int = 0
    faults: int = 0
    identifiers: int = 0


def _by_tool(population: Population) -> list[_Tool]:
    tools: dict[str, _Tool] = {}
    named = {call.id: call.tool or "unknown" for call in population.calls}
    for call in population.calls:
        row = tools.setdefault(named[call.id], _Tool(tool=named[call.id]))
        row.calls += 1
        row.asked += bool(call.approvals)
        row.ran += call.ran
        row.denied += call.outcome == "denied"
        row.faults += call.outcome in ("failed", "indeterminate")
    for found in population.found:
        tools[named[found.call]].identifiers += found.count
    return sorted(tools.values(), key=lambda t: (-t.calls, t.tool))


_SECTIONS = {
    "population": ("#population", "population"),
    "approvals": ("#people", "who answered"),
    "approvers": ("#people", "who answered"),
    "exceptions": ("#exceptions", "exceptions"),
    "reviews": ("#exceptions", "exceptions"),
    "phi": ("#data", "identifiers"),
    "policies": ("#policies", "policies"),
}
"""Where on a page by itself the counts of a pack's file stand."""


def report_page(population: Population, matrix: Matrix, integrity: Sequence[State]) -> bytes:
    """The page of one framework over a period, with everything it points at."""

    def linked(member: str) -> tuple[str, str] | None:
        return _SECTIONS.get(member.partition(".")[0], ("#integrity", "integrity")) if member else None

    source = FRAMEWORKS[matrix.framework].source
    return _report(population, [matrix], linked, integrity, title=matrix.title, source=source)


def matrix_page(population: Population, matrices: Sequence[Matrix], integrity: Sequence[State] = ()) -> bytes:
    """The page of every framework, for a pack: evidence points at the pack's files."""
    stated = integrity or [State(tone="warn", title="Run verify.py", text="It says whether this pack holds together.")]
    return _report(population, matrices, lambda member: (member, member), stated, title="Control matrix", source="")


def _report(
    population: Population,
    matrices: Sequence[Matrix],
    linked: Callable[[str], tuple[str, str] | None],
    integrity: Sequence[State],
    *,
    title: str,
    source: str,
) -> bytes:
    return render(
        "report.html",
        p=_Shown(population),
        matrices=matrices,
        linked=linked,
        integrity=integrity,
        title=title,
        source=source,
        limits=LIMITS,
    )


def readme_page(
    population: Population, about: Mapping[str, Any], members: Iterable[str], *, proofs: Mapping[str, int]
) -> bytes:
    """``README.html`` of a pack. ``about`` is its manifest without the members."""
    return render("readme.html", p=_Shown(population), about=about, files=_files(members), proofs=proofs, limits=LIMITS)


_MEMBERS: tuple[tuple[str, str], ...] = (
    (
        "population",
        "Every call that was judged, one a row: who, which tool, what was decided and why, what became of it.",
    ),
    (
        "approvals",
        "Every request for approval: who answered what and when, how they proved who they are, how it ended.",
    ),
    ("exceptions", "What was out of the ordinary, and who has looked at it."),
    ("phi", "Identifiers by call, place and kind; counts, never values."),
    ("approvers", "Each person's answers: how many, how fast, how often yes."),
    ("reciprocity", "Pairs of persons who approved each other's requests."),
    ("reviews", "Signed reviews: who looked at what, and what they found."),
    ("policies", "Policy versions by hash: when each was loaded, and how many calls it decided."),
    ("samples/samples", "The calls the seed drew."),
    ("samples/call-", "A sampled call: its records as they stand in the journal, each with its inclusion proof."),
    ("integrity/records-", "The records: one a line, the very bytes that were hashed."),
    ("integrity/logs", "Each log's place, its tree's root, and what stands before and after these records."),
    ("integrity/registry", "Every log that was ever opened, so that a missing one is seen."),
    ("integrity/checkpoints", "Signed checkpoints (C2SP signed notes)."),
    ("integrity/anchors", "Checkpoints that an anchor outside the store holds."),
    ("integrity/consistency", "Proofs that later checkpoints begin with earlier ones."),
    ("integrity/keys", "Public keys. Compare them with those you were given another way."),
    ("oscal/", "OSCAL assessment results: observations only."),
    ("traces/jaeger", "The spans for Jaeger's upload tab."),
    ("traces/otlp", "The spans as OTLP JSON."),
    ("agentack/", "Approval traces for the checker AgentAck, and the policy file that fits them."),
    ("control-matrix", "Controls and their evidence, for reading and printing."),
    ("README", "This page."),
    ("verify", "The verifier, one file."),
)


def _files(members: Iterable[str]) -> list[tuple[str, str]]:
    """Names and what they hold; of many of a kind only the first, with how many there are."""
    groups: dict[str, list[str]] = {}
    for name in members:
        groups.setdefault(next((stem for stem, _ in _MEMBERS if name.startswith(stem)), name), []).append(name)
    said = dict(_MEMBERS)
    rows = []
    for stem, _ in _MEMBERS:
        for name in (names := groups.get(stem, []))[: 1 if len(names) > 3 else 3]:
            rows.append((name, said[stem] + (f" One of {len(names):,}." if len(names) > 3 else "")))
    return [*rows, ("manifest.json", "Every file's hash, the period, the totals."), ("manifest.note", "Its signature.")]


def render(template: str, **context: Any) -> bytes:
    """The page as bytes."""
    return _pages().get_template(template).render(**context).encode("utf-8", "replace")


@cache
def _pages() -> Environment:
    pages = Environment(
        loader=PackageLoader("toolguard.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.filters.update(FILTERS)
    pages.globals.update(css=files("toolguard.report").joinpath("templates", "style.css").read_text("utf-8"))
    pages.globals.update(exceptions_said=EXCEPTIONS)
    return pages
