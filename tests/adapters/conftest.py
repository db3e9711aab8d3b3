"""The marker ``holds``: which numbered statement a test shows, of which adapter, and how that ended.

    @pytest.mark.holds("S7", "S12", adapter="langchain", path="create_agent", mode="interrupt")

``--holds-to FILE`` writes, as JSON, for every statement × adapter × path × mode × sync or async, the tests that ran and
how they ended. ``path`` and ``mode`` may be left out, where they do not matter; ``way`` (sync or async) is read from the
test's parameters, else from whether it is a coroutine function.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

STATEMENTS = tuple(f"S{n}" for n in range(1, 20))
ADAPTERS = ("langchain", "openai", "python")
MODES = ("block", "interrupt", "raise")
WAYS = ("sync", "async")

_PROPERTY = "holds"
_seen: dict[str, dict[str, Any]] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--holds-to", metavar="FILE", default=None, help="write which statements which tests showed")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        said = [_claim(item, mark) for mark in item.iter_markers("holds")]
        if said:
            item.user_properties.append((_PROPERTY, said))


def _claim(item: pytest.Item, mark: pytest.Mark) -> dict[str, Any]:
    """What one marker says, checked: a statement nobody numbered would be missing from the table unseen."""
    given = dict(mark.kwargs)
    claim = {
        "statements": list(mark.args),
        "adapter": given.pop("adapter", None),
        "path": given.pop("path", None),
        "mode": given.pop("mode", None),
        "way": given.pop("way", None) or _way(item),
    }
    wrong = [
        *(s for s in mark.args if s not in STATEMENTS),
        *given,
        *(["no statement"] if not mark.args else []),
        *([claim["adapter"]] if claim["adapter"] not in ADAPTERS else []),
        *([claim["mode"]] if claim["mode"] not in (None, *MODES) else []),
        *([claim["way"]] if claim["way"] not in WAYS else []),
    ]
    if wrong:
        raise pytest.UsageError(
            f"{item.nodeid}: the marker 'holds' does not know {wrong}; see tests/adapters/conftest.py"
        )
    return claim


def _way(item: pytest.Item) -> str:
    callspec = getattr(item, "callspec", None)
    words = {word for id in callspec._idlist for word in id.split("-")} if callspec else set()
    for way in WAYS:
        if way in words:
            return way
    return "async" if inspect.iscoroutinefunction(getattr(item, "function", None)) else "sync"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    for name, said in report.user_properties:
        if name == _PROPERTY:
            at = _seen.setdefault(report.nodeid, {"said": said, "outcome": "passed"})
            if report.outcome != "passed":
                at["outcome"] = report.outcome


def pytest_sessionfinish(session: pytest.Session) -> None:
    target = session.config.getoption("--holds-to", None)
    if target is None or hasattr(session.config, "workerinput"):  # with xdist, the controller writes
        return
    Path(target).write_text(json.dumps(list(rows(_seen)), indent=1) + "\n", "utf-8")


def rows(seen: dict[str, dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """One row for each statement × adapter × path × mode × way, with how each of its tests ended."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for nodeid, at in seen.items():
        for claim in at["said"]:
            where = tuple(claim[name] or "" for name in ("adapter", "path", "mode", "way"))
            for statement in claim["statements"]:
                found.setdefault((statement, *where), {})[nodeid] = at["outcome"]
    for key in sorted(found, key=lambda key: (int(key[0][1:]), *key[1:])):
        yield dict(zip(("statement", "adapter", "path", "mode", "way"), key, strict=True)) | {"tests": found[key]}
