"""Reports: pages and tables that people read, over what `toolguard.population` counts."""

from __future__ import annotations

from toolguard.report.call import call_page
from toolguard.report.pages import State, matrix_page, readme_page, report_page
from toolguard.report.tables import awaiting_table, report_tables
from toolguard.report.words import plain

__all__ = [
    "State",
    "awaiting_table",
    "call_page",
    "matrix_page",
    "plain",
    "readme_page",
    "report_page",
    "report_tables",
]
