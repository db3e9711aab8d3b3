"""What has to hold, by which paths it is tried, and where it does not apply; from that, the table in the docs.

python -m adapters.contract.table RESULTS.json          (in tests/; writes docs/frameworks.md)
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.contract import langchain_driver, openai_driver, plain_driver
from adapters.contract.driver import Driver

__all__ = ["NOT", "PATHS", "RULES", "STATEMENTS", "Rule", "expected", "params_of", "rule", "table"]

STATEMENTS: Mapping[str, str] = {
    "S1": "A guarded tool looks like the bare one: name, description, schema, class, settings.",
    "S2": "Arguments the framework injects are given to the tool and never looked at, hashed or recorded.",
    "S3": "A call is classified exactly once an attempt.",
    "S4": "Tokens become values before the tool's schema validates; tracers and logs see tokens.",
    "S5": "The model sees no value that was found to identify: not in messages, results or errors; nor does what the framework writes down of calls.",
    "S6": "Artifacts follow the policy.",
    "S7": "A denial is a constant text under the right call id, and the run goes on.",
    "S8": "A suspension survives every way of handling errors.",
    "S9": "What runs is what a person saw: the digest is over the final arguments.",
    "S10": "A call runs once, under concurrency, replay and time travel.",
    "S11": "Calls beside one that waits run once (one that failed may be tried again, as in any retry).",
    "S12": "One request, one notice, one span of each kind for a call, however often its node runs.",
    "S13": "Expiry denies, also a late yes.",
    "S14": "Who asks, or owns the agent, cannot approve.",
    "S15": "An edit is a new call, judged under the policy of the tool it names; who edits cannot approve it.",
    "S16": "What is unknown, misspelt or broken fails closed, and is said aloud.",
    "S17": "A suspended call goes on in another process.",
    "S18": "A token cut in two by a stream maps back.",
    "S19": "Calls inside tools and in threads are guarded.",
}

PATHS: tuple[type[Driver], ...] = (
    langchain_driver.AgentOfTools,
    langchain_driver.AgentWithMiddleware,
    langchain_driver.OwnGraph,
    langchain_driver.OwnGraphWrapping,
    langchain_driver.ByHand,
    openai_driver.ChatRuns,
    openai_driver.ResponsesRuns,
    openai_driver.OwnLoop,
    openai_driver.StreamedLoop,
    plain_driver.PlainFunctions,
    plain_driver.DescribedFunctions,
)
QUICK = (langchain_driver.AgentWithMiddleware, openai_driver.ChatRuns, plain_driver.PlainFunctions)
"""What `make check` tries, synchronously and in one mode; `make test` tries all."""
WAYS = ("sync", "async")
NAMES = {"langchain": "LangChain", "openai": "OpenAI", "python": "Python"}

_LANGCHAIN = tuple(p.path for p in PATHS if p.adapter == "langchain")
_REST = tuple(p.path for p in PATHS if p.adapter != "langchain")
_RUNS = ("ToolBox.run", "ToolBox.run_responses")

NOT: tuple[tuple[str, tuple[str, ...], tuple[str, ...], str], ...] = (
    ("S2", _REST, (), "nothing is injected: a tool gets what the model wrote"),
    ("S6", _REST, (), "there are no artifacts: a tool's result is one value, masked as one"),
    ("S8", (), ("block",), "nothing is raised while a call waits in place"),
    ("S17", (), ("block",), "a call that waits in place ends with its process; it is withdrawn"),
    ("S18", ("ToolNode, wrap_tool_call", "ToolNode, guard_tools"), (), "the graph's own model node streams, not the guarded part; `session.stream_reveal` takes what it gives"),
    ("S18", ("tool.invoke",), (), "no text of a model passes"),
    ("S18", (*_RUNS, "ToolBox.execute"), (), "the answer comes whole"),
)  # fmt: skip
"""Where a statement does not apply: paths, modes (none named: all), and why."""


@dataclass(frozen=True)
class Rule:
    """A test function: the statements it shows, and on which paths and in which modes it can be shown."""

    statements: tuple[str, ...]
    where: Callable[[type[Driver]], bool]
    modes: tuple[str, ...] | None
    ways: tuple[str, ...]


RULES: dict[str, Rule] = {}


def rule(
    *statements: str,
    where: Callable[[type[Driver]], bool] = lambda path: True,
    modes: Iterable[str] | None = None,
    ways: tuple[str, ...] = WAYS,
) -> Callable[[Any], Any]:
    """Runs a test over every path, mode and way that the statements apply to, and marks each with ``holds``."""

    def mark(function: Any) -> Any:
        function.rule = Rule(statements, where, None if modes is None else tuple(modes), ways)
        RULES[f"{function.__module__.rpartition('.')[2]}.{function.__name__}"] = function.rule
        return function

    return mark


def why_not(statement: str, path: type[Driver], mode: str) -> str | None:
    """Why a statement does not apply there; None if it does."""
    for each, paths, modes, why in NOT:
        if each == statement and (not paths or path.path in paths) and (not modes or mode in modes):
            return why
    return None


def _cells(of: Rule) -> Iterable[tuple[tuple[str, ...], type[Driver], str, str]]:
    for path in PATHS:
        for mode in path.modes if of.where(path) else ():
            shown = tuple(s for s in of.statements if why_not(s, path, mode) is None)
            if shown and (of.modes is None or mode in of.modes):
                for way in of.ways:
                    yield shown, path, mode, way


def params_of(of: Rule) -> list[Any]:
    """What pytest runs."""
    found = []
    for shown, path, mode, way in _cells(of):
        marks = [pytest.mark.holds(*shown, adapter=path.adapter, path=path.path, mode=mode, way=way)]
        if path not in QUICK or mode != path.modes[-1] or way != "sync":
            marks.append(pytest.mark.slow)
        found.append(pytest.param((path, mode, way), marks=marks, id=f"{path.adapter}-{path.path}-{mode}-{way}"))
    return found


Cell = tuple[str, str, str]
"""Statement, path, mode."""


def expected() -> dict[Cell, set[str]]:
    """By the suite's own parameters: in which ways each cell is shown."""
    found: dict[Cell, set[str]] = {}
    for each in RULES.values():
        for shown, path, mode, way in _cells(each):
            for statement in shown:
                found.setdefault((statement, path.path, mode), set()).add(way)
    return found


def results(rows: Iterable[Mapping[str, Any]]) -> dict[Cell, set[str]]:
    """By what was run: in which ways each cell was shown, where all tests of it passed."""
    passed: dict[Cell, set[str]] = {}
    failed: set[Cell] = set()
    for row in rows:
        cell = (row["statement"], row["path"], row["mode"])
        passed.setdefault(cell, set()).add(row["way"])
        if any(outcome != "passed" for outcome in row["tests"].values()):
            failed.add(cell)
    return {cell: ways for cell, ways in passed.items() if cell not in failed}


def table(found: Mapping[Cell, set[str]]) -> str:
    """The table as it stands in the docs."""
    reasons: dict[str, str] = {}
    lines = ["| | how | mode | " + " | ".join(STATEMENTS) + " |", "|---|---|---|" + "---|" * len(STATEMENTS)]
    for path in PATHS:
        for mode in path.modes:
            cells = [_mark(found, s, path, mode, reasons) for s in STATEMENTS]
            lines.append(f"| {NAMES[path.adapter]} | `{path.path}` | `{mode}` | " + " | ".join(cells) + " |")
    notes = [f"- {letter}: {why}." for why, letter in reasons.items()]
    words = [f"- **{name}** {text}" for name, text in STATEMENTS.items()]
    return "\n".join([*lines, "", "Where it does not apply:", "", *notes, "", "What is tried:", "", *words, ""])


def _mark(
    found: Mapping[Cell, set[str]], statement: str, path: type[Driver], mode: str, reasons: dict[str, str]
) -> str:
    why = why_not(statement, path, mode)
    if why is not None:
        return reasons.setdefault(why, "abcdefghijklmnopqrstuvwxyz"[len(reasons)])
    return "✓" if found.get((statement, path.path, mode)) == set(WAYS) else "✗"


BEGIN, END = "<!-- guarantees: made by `make guarantees` -->", "<!-- guarantees: end -->"
DOCS = Path(__file__).parents[3] / "docs" / "frameworks.md"


def put(text: str, made: str) -> str:
    """``text`` with the table between its markers."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin, "the docs have no place for the table"
    assert end, "the docs have no end of the table"
    return f"{before}{BEGIN}\n\n{made}\n{END}{after}"


def main() -> None:
    made = table(results(json.loads(Path(sys.argv[1]).read_text("utf-8"))))
    DOCS.write_text(put(DOCS.read_text("utf-8"), made), "utf-8")
    if "✗" in made:
        sys.exit("some statements do not hold: see the table in docs/frameworks.md")


if __name__ == "__main__":
    main()
