"""The records of one transaction at the end of this process's log, written together."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from toolguard._core.audit import GENESIS, AuditRecord, Draft, seal
from toolguard.stores import _log, _sql
from toolguard.stores._rows import Row, kept_rows, record_row

__all__ = ["Appending"]


class Appending:
    """Where the log ends is read in the transaction, never remembered. Nothing is written before `flush`."""

    def __init__(self, db: sqlite3.Connection, now: float, *, log_id: str, epoch: str) -> None:
        self._db = db
        self._now = now
        self._log_id = log_id
        self._epoch = epoch
        self._end: tuple[int, str] | None = None
        self._first: str = ""
        """The hash of the log's first record, where this transaction opens it."""
        self._rows: list[Row] = []
        self._kept: list[Row] = []

    def add(self, drafts: Sequence[Draft]) -> tuple[AuditRecord, ...]:
        """Records at the end of the log. Where one cannot be written as canonical JSON, none of them is added."""
        end, opening = self._end, None
        if end is None:
            end = self._db.execute(_sql.HEAD, (self._log_id,)).fetchone()
        if end is None:
            opening, end = self._opening(), (0, GENESIS)
        wanted = drafts if opening is None else (opening, *drafts)
        records = seal(wanted, log_id=self._log_id, seq=end[0], prev=end[1])
        rows = [record_row(record) for record in records]
        self._rows += rows
        self._kept += kept_rows(drafts)
        self._end = (records[-1].seq, records[-1].hash)
        if opening is not None:
            self._first = records[0].hash
        return records[len(records) - len(drafts) :]

    def _opening(self) -> Draft:
        number, before = self._db.execute(_sql.LAST_LOG).fetchone() or (0, GENESIS)
        return _log.opening(self._log_id, now=self._now, epoch=self._epoch, number=number + 1, prev=before)

    def flush(self) -> None:
        """Write what was added since the last time."""
        if not self._rows or self._end is None:
            return
        if self._first:
            self._db.execute(_sql.OPEN_LOG, (self._log_id, self._now, self._first, 0, GENESIS))
            self._first = ""
        self._db.executemany(_sql.APPEND, self._rows)
        if self._kept:
            self._db.executemany(_sql.KEEP, self._kept)
            self._kept.clear()
        self._db.execute(_sql.MOVE_HEAD, (*self._end, self._log_id))
        self._rows.clear()
