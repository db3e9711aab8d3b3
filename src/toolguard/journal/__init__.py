"""The journal: verified, read, and completed after a crash."""

from __future__ import annotations

from toolguard.journal._parts import Workers
from toolguard.journal.ageing import Ageing
from toolguard.journal.anchors import AnchorCopy, FileAnchor, read_anchor
from toolguard.journal.checkpoints import Checkpointer, Keeper
from toolguard.journal.held import SegmentFault, SegmentReport, hold_segments
from toolguard.journal.joined import joined, reaching_back
from toolguard.journal.outcome import telling
from toolguard.journal.pruning import Pruned, PruneReport, Unfinished, mend_of, prune
from toolguard.journal.recover import Recovered, close_overdue, recover
from toolguard.journal.segments import Segment, archive
from toolguard.journal.timeline import in_time, since, tail, timeline
from toolguard.journal.verify import ActFault, AnchorReport, ContentFault, LogReport, StateFault, VerifyReport, verify

__all__ = [
    "ActFault",
    "Ageing",
    "AnchorCopy",
    "AnchorReport",
    "Checkpointer",
    "ContentFault",
    "FileAnchor",
    "Keeper",
    "LogReport",
    "PruneReport",
    "Pruned",
    "Recovered",
    "Segment",
    "SegmentFault",
    "SegmentReport",
    "StateFault",
    "Unfinished",
    "VerifyReport",
    "Workers",
    "archive",
    "close_overdue",
    "hold_segments",
    "in_time",
    "joined",
    "mend_of",
    "prune",
    "read_anchor",
    "reaching_back",
    "recover",
    "since",
    "tail",
    "telling",
    "timeline",
    "verify",
]
