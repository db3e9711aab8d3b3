"""What is wrong with a log and what stands beside it, in words for whoever reads ``toolguard audit verify``."""

from __future__ import annotations

from collections.abc import Iterator

from toolguard.journal import LogReport

__all__ = [
    "ACT_FAULTS",
    "ANCHOR_FAULTS",
    "CONTENT_FAULTS",
    "REGISTRY_FAULTS",
    "SEGMENT_FAULTS",
    "STATE_FAULTS",
    "told",
]

_MOST = 5
_WORDS = {
    "hash": "record {seq} is not what its hash says: it was edited",
    "chain": "record {seq} does not follow the one before it: something was taken out, put in, moved or written anew",
    "gap": "record {seq} stands where another should: records are gone",
    "opening": "its first record is not the one that opened it",
    "registry": "it does not stand where the registry of logs says",
    "end": "it ends with record {seq}, and the registry of logs says otherwise: its end was cut off, or added to",
    "missing": "every record of it is gone",
    "unregistered": "the registry of logs does not know it",
    "checkpoint": "up to record {seq} it is not what a signed checkpoint in the journal says",
    "anchor": "up to record {seq} it is not what an anchor outside the store says",
    "begin": "its records before {seq} are gone, and no signed record of pruning says so",
    "pruned": "it begins after record {seq}: what is older stands in segments, which were not looked at",
    "untold": "whoever prunes tells the anchors first, and one that knew its first {seq} records and went on was not told: unless "
    "it is one that you keep by hand, somebody with the audit key says falsely that they are elsewhere; look at the segments",
    "split": "two signed checkpoints say different things of its first {seq} records",
    "signature": "what record {seq} says is signed (a checkpoint, where a log begins) no pinned audit key signed",
}


def told(log: LogReport) -> Iterator[str]:
    """A sentence for each fault of a log, the first few of many."""
    for fault in log.faults[:_MOST]:
        said = _WORDS.get(fault.code, f"{fault.code} at record {{seq}}")
        yield f"log {log.log_id[:12]}: {said.format(seq=fault.seq)}"
    if len(log.faults) > _MOST:
        yield f"log {log.log_id[:12]}: and {len(log.faults) - _MOST} more (--json has all)"


REGISTRY_FAULTS = {
    "missing": "it had more logs once",
    "checkpoint": "it is other than a checkpoint in the journal says",
    "anchor": "it is other than an anchor says",
    "split": "two signed checkpoints say different things of it",
}
ANCHOR_FAULTS = {
    "missing": "this anchor cannot be read, or is not there yet (the approval service begins it with its first checkpoint)",
    "absent": "it kept checkpoints by the journal's word, and was not consulted: give it, or find out who took it away",
    "empty": "this anchor holds nothing of this store",
    "chain": "entries of this anchor were changed or taken out",
    "signature": "this anchor holds a note that no pinned key signed",
    "cut": "the journal says that this anchor held more",
}
ACT_FAULTS = {
    "gone": "it was recorded, but is no longer in the register",
    "changed": "the register has another act in its place",
    "unrecorded": "it is in the register, but nobody recorded it",
    "unsigned": "the journal tells of a review that nobody signed like that",
    "uses": "it let more calls run than the store counts",
}
SEGMENT_FAULTS = {
    "edited": "it is other than its checkpoint, its name, the segment before it or the journal says",
    "differs": "the store has other records in their place",
    "signature": "its checkpoint is not signed by a pinned key",
    "missing": "it, or one before it, is not there; records that were taken out of the store may be in none",
    "stranger": "it is another store's",
}
CONTENT_FAULTS = {
    "gone": "it was kept beside a record and is not there, though nobody redacted it",
    "back": "it was redacted, and is there again: from a backup?",
    "unrecorded": "it is kept, but no record names it",
    "twice": "several records name it",
    "register": "its redactions cannot be believed: the register of acts does not hold together",
}
STATE_FAULTS = {
    "unrecorded": "no record led to its state",
    "reset": "the records say it went further than its state",
    "gone": "it was requested, but is no longer in the store",
}
