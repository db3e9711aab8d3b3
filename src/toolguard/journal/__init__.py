"""The journal: verified, read, and completed after a crash."""

from __future__ import annotations

from toolguard.journal.recover import Recovered, recover
from toolguard.journal.timeline import since, tail, timeline
from toolguard.journal.verify import LogReport, StateFault, VerifyReport, verify

__all__ = [
    "LogReport",
    "Recovered",
    "StateFault",
    "VerifyReport",
    "recover",
    "since",
    "tail",
    "timeline",
    "verify",
]
