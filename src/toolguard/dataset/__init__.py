"""Data sets: mask whole files, in parallel, with the same result in any order and after any interruption.

`run` masks files by a `Plan`; `find_lines` answers JSON lines with what was found. ``toolguard mask`` is both.
"""

from __future__ import annotations

from toolguard.dataset.counts import Counts
from toolguard.dataset.engine import Job, Report, run
from toolguard.dataset.find import Found, find_lines
from toolguard.dataset.inputs import format_of
from toolguard.dataset.masker import Masker, Record
from toolguard.dataset.plan import DEFAULTS, Plan

__all__ = [
    "DEFAULTS",
    "Counts",
    "Found",
    "Job",
    "Masker",
    "Plan",
    "Record",
    "Report",
    "find_lines",
    "format_of",
    "run",
]
