"""Argument analysis and risk classification with no rule written: deterministic, no model, no network.

`classify_tool` says what a tool may do, once; `analyser_for` prepares what to look at in its calls;
`Plan.applicable` (or `classify_call`) says what one call does. Parsers are imported when first needed.
"""

from __future__ import annotations

from toolguard._core.risk import Risk
from toolguard.analysis.fhir import fhir_facts
from toolguard.analysis.iam import classify_iam
from toolguard.analysis.plan import Plan, analyser_for, classify_call
from toolguard.analysis.shell import classify_shell, shell_facts
from toolguard.analysis.sql import classify_sql, sql_facts
from toolguard.analysis.tool import classify_tool
from toolguard.analysis.url import url_facts

__all__ = [
    "Plan",
    "Risk",
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
