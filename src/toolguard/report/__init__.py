"""Reports: pages and tables that people read, over what `toolguard.population` counts."""

from __future__ import annotations

from toolguard.report.pages import State, matrix_page, readme_page, report_page

__all__ = ["State", "matrix_page", "readme_page", "report_page"]
