"""The records of a period, log by log: the one place evidence reads the journal through.

A log that reaches into the period is given as one unbroken run of records, with the leaf hashes before and after it, so
that what is shown can be proved against checkpoints that were signed later. Records that were taken out of the store come from
segments, where the store is given together with them (`toolguard.journal.joined`); else it is said what is not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from toolguard._core.audit import AuditRecord, Kind
from toolguard._core.pruning import Begin, begins
from toolguard._core.stored import COLUMNS
from toolguard.journal import in_time
from toolguard.population._body import word
from toolguard.ports import LogHead, Store

__all__ = ["NOTE", "LogPart", "Period", "read_period", "taken_out"]

NOTE = "toolguard.audit.checkpoint.note"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPart:
    """What one log has to do with a period.

    Attributes:
        number: its place in the registry of logs, from 1.
        opened, first: when it was opened (UTC seconds), and its first record's hash.
        prev: the hash of the record before ``records`` (64 zeros: none).
        begin: where the log begins, if its first records were taken out of the store and are in no segments at hand.
        before: leaf hashes of the records before ``records``, from ``begin`` on.
        records: from the first record of the period to the last, whatever stands between.
        after: leaf hashes of the records after ``records``, as far as the log goes.
        ahead, behind: the records right before and right after ``records``, which show where they were cut.
    """

    log_id: str
    number: int
    opened: float
    first: str
    prev: str
    before: tuple[str, ...]
    records: tuple[AuditRecord, ...]
    after: tuple[str, ...]
    ahead: AuditRecord | None = None
    behind: AuditRecord | None = None
    begin: Begin | None = None

    @property
    def base(self) -> int:
        """How many records come before ``before``."""
        return self.begin.last if self.begin is not None else 0

    @property
    def start(self) -> int:
        """How many records come before ``records``."""
        return self.base + len(self.before)

    @property
    def end(self) -> int:
        """The number of the last record shown."""
        return self.start + len(self.records)

    @property
    def leaves(self) -> tuple[str, ...]:
        """The leaf hashes of the log after `base`, as far as it was read."""
        return (*self.before, *(record.hash for record in self.records), *self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Records with ``since`` <= time < ``until`` (UTC seconds), of every log that has one.

    ``registry`` are the logs opened before ``until``, oldest first; ``heads`` every log there is; ``missing`` those of the
    registry with no record at all. ``loads`` are records of policies loaded before ``until``. ``notes`` are signed
    checkpoints, whenever they were made: one that was made after the period may vouch for it. ``unseen`` are logs whose first
    records may be of the period, and were taken out of the store: they are in segments that were not given. ``pruned``: the
    same of any time.
    """

    epoch: str
    since: float
    until: float
    heads: tuple[LogHead, ...]
    logs: tuple[LogPart, ...]
    missing: tuple[str, ...] = ()
    loads: tuple[AuditRecord, ...] = ()
    notes: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    pruned: tuple[str, ...] = ()

    @property
    def registry(self) -> tuple[LogHead, ...]:
        return tuple(head for head in self.heads if head.opened < self.until)

    def records(self) -> Iterator[AuditRecord]:
        """The records of the period alone, as one story."""
        yield from in_time(record for log in self.logs for record in log.records if self.holds(record))

    def holds(self, record: AuditRecord) -> bool:
        return self.since <= record.draft.at < self.until


def read_period(store: Store, *, since: float, until: float) -> Period:
    """Read the journal for a period. What time a log's last record has says nothing of those before it: whoever appends
    chooses it.

    Raises:
        StoreError: the store cannot be read.
    """
    heads = tuple(store.heads())
    begins = taken_out(store)
    logs, missing, unseen, pruned = [], [], [], []
    for number, head in enumerate(heads, start=1):
        if head.opened >= until:
            continue
        begin = begins.get(head.log_id)
        if begin is not None:
            pruned.append(head.log_id)
            if begin.newest >= since:
                unseen.append(head.log_id)
        start = begin.last if begin is not None else 0
        reaches = _reaches(store, head.log_id, start, since, until)
        if reaches is None:
            missing.append(head.log_id)
        elif reaches:
            part = _part(store.records(log_id=head.log_id, after=start), head, number, since, until, begin)
            if part is not None:
                logs.append(part)
                if part.base and not part.before and head.log_id not in unseen:
                    unseen.append(head.log_id)  # nothing at hand shows what stood right before
    checkpoints = store.operations(Kind.AUDIT_CHECKPOINT)
    return Period(
        epoch=store.epoch,
        since=since,
        until=until,
        heads=heads,
        logs=tuple(logs),
        missing=tuple(missing),
        loads=tuple(r for r in store.operations(Kind.POLICY_LOADED) if r.draft.at < until),
        notes=tuple(note for r in checkpoints if (note := word(r.draft.body, NOTE))),
        unseen=tuple(unseen),
        pruned=tuple(pruned),
    )


def taken_out(store: Store) -> Mapping[str, Begin]:
    """Log id → where it begins, of logs whose first records were taken out of the store and are in no segments at hand. It is
    the journal's word; whether that is signed, `verify` says.
    """

    def is_gone(log_id: str) -> bool:
        return any(isinstance(row[1], int) and row[1] > 1 for row in store.stored(log_id, 0, 1))

    told = begins(store.operations(Kind.AUDIT_PRUNED))
    return {log_id: begin for log_id, begin in told.items() if is_gone(log_id)}


def _reaches(store: Store, log_id: str, after: int, since: float, until: float) -> bool | None:
    """Whether a log has a record of the period; None if it has none at all. Only their times are looked at."""
    found = None
    while page := store.stored(log_id, after, _ROWS):
        found = False
        if any(isinstance(row[_AT], float) and since <= row[_AT] < until for row in page):
            return True
        after = page[-1][1]
    return found


_AT = COLUMNS.index("at")
_ROWS = 4000


def _part(
    records: Iterable[AuditRecord], head: LogHead, number: int, since: float, until: float, begin: Begin | None
) -> LogPart | None:
    before: list[str] = []
    shown: list[AuditRecord] = []
    waiting: list[AuditRecord] = []
    prev, ahead = "", None
    for record in records:
        at = record.draft.at
        if since <= at < until:
            prev = prev if shown else record.prev
            shown += [*waiting, record]
            waiting = []
        elif shown:
            waiting.append(record)
        else:
            before.append(record.hash)
            ahead = record
    if not shown:
        return None
    return LogPart(
        log_id=head.log_id,
        number=number,
        opened=head.opened,
        first=head.first,
        prev=prev,
        before=tuple(before),
        records=tuple(shown),
        after=tuple(record.hash for record in waiting),
        ahead=ahead,
        behind=waiting[0] if waiting else None,
        begin=begin,
    )
