"""What is wrong with a log, in words for whoever reads ``toolguard audit verify``."""

from __future__ import annotations

from collections.abc import Iterator

from toolguard.journal import LogReport

__all__ = ["told"]

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
