"""Whether anchors were told of a pruning before it was done, as whoever prunes by the rules tells them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from toolguard._core.audit import AuditRecord
from toolguard._core.checkpoint import Checkpoint, log_origin
from toolguard._core.pruning import Begin
from toolguard.journal.anchors import AnchorCopy

__all__ = ["untold"]


def untold(
    epoch: str,
    begins: Mapping[str, Begin],
    told: Mapping[str, AuditRecord],
    copies: Sequence[AnchorCopy],
    opened: Callable[[str], Checkpoint | None],
) -> frozenset[str]:
    """The logs of whose pruning an anchor was not told: it was there before the record of pruning (``told``) was written, and went
    on to a checkpoint of that record without the note before it. A true one is published to the anchors first.

    An anchor that was copied before, or begun after, says nothing of it, nor does one whose lines have no times.
    """
    found = set()
    for copy in copies if begins else ():
        lines = [
            (checkpoint, at)
            for text, at in zip(copy.notes, copy.times, strict=True)
            if (checkpoint := opened(text)) is not None
        ]
        for log_id, begin in begins.items():
            said, record = begin.checkpoint(epoch), told[log_id]
            origin = log_origin(epoch, record.log_id)
            after = next((n for n, (c, _) in enumerate(lines) if c.origin == origin and c.size >= record.seq), None)
            before = lines[:after]
            was_there = any(at is not None and at < record.draft.at for _, at in before)
            if after is not None and was_there and all(c != said for c, _ in before):
                found.add(log_id)
    return frozenset(found)
