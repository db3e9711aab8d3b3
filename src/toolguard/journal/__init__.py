"""The journal: verified, read, and completed after a crash."""

from __future__ import annotations

from toolguard.journal.recover import Recovered, close_overdue, recover
from toolguard.journal.timeline import in_time, since, tail, timeline
from toolguard.journal.verify import ActFault, LogReport, StateFault, VerifyReport, verify

__all__ = [
    "ActFault",
    "LogReport",
    "Recovered",
    "close_overdue",
    "StateFault",
    "VerifyReport",
    "in_time",
    "recover",
    "since",
    "tail",
    "timeline",
    "verify",
]
