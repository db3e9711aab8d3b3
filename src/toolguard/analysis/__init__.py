"""Argument analysis and risk classification with no rule written: deterministic, no model, no network.

`classify_tool` says what a tool may do, once; `analyser_for` prepares what to look at in its calls;
`Plan.applicable` (or `classify_call`) says what one call does. Each name is imported when it is first used, and
parsers when the first tool needs them, so that importing this package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolguard.analysis.fhir import fhir_facts
    from toolguard.analysis.iam import classify_iam
    from toolguard.analysis.plan import Plan, analyser_for, classify_call
    from toolguard.analysis.shell import classify_shell, shell_facts
    from toolguard.analysis.sql import classify_sql, sql_facts
    from toolguard.analysis.tool import classify_tool
    from toolguard.analysis.url import url_facts

__all__ = [
    "Plan",
    "analyser_for",
    "classify_call",
    "classify_iam",
    "classify_shell",
    "classify_sql",
    "classify_tool",
    "fhir_facts",
    "shell_facts",
    "sql_facts",
    "url_facts",
]

_HOME = {
    "Plan": "plan",
    "analyser_for": "plan",
    "classify_call": "plan",
    "classify_iam": "iam",
    "classify_shell": "shell",
    "classify_sql": "sql",
    "classify_tool": "tool",
    "fhir_facts": "fhir",
    "shell_facts": "shell",
    "sql_facts": "sql",
    "url_facts": "url",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
