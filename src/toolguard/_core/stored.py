"""Records as they stand in a store, column by column: checked as they are, and made into values again.

A record is checked against its hash on the text that stands there, without reading it: what hashes to what was sealed
is what was sealed. Only where that fails is the text read and written anew, as some writers put numbers otherwise.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, TypeAlias

from toolguard._core.audit import FORMAT, GENESIS, AuditRecord, Draft, Fault, Kind
from toolguard._core.call import canonical_text, number_text, quoted
from toolguard.errors import ToolguardError

__all__ = ["COLUMNS", "ChainCheck", "Stored", "stored_record"]

COLUMNS = (
    "log_id",
    "seq",
    "prev",
    "hash",
    "kind",
    "at",
    "started",
    "call",
    "trace",
    "span",
    "parent",
    "link",
    "body",
)
Stored: TypeAlias = Sequence[Any]
"""The values of `COLUMNS`, of whatever type somebody left there."""

_PLAIN = json.JSONEncoder(sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _leaf(row: Stored, body: str) -> str:
    """The hash of a row with ``body`` in the place of its own. Raises TypeError where a column is of another type."""
    log_id, seq, prev, _, kind, at, started, call, trace, span, parent, link, _ = row
    q, number = quoted, number_text
    return hashlib.sha256(
        f'\x00{{"at":{number(at)},"body":{body},"call":{q(call)},"kind":{q(kind)},"link":{q(link)},"log":{q(log_id)},'
        f'"parent":{q(parent)},"prev":{q(prev)},"seq":{seq},"span":{q(span)},"started":{number(started)},'
        f'"trace":{q(trace)},"v":{FORMAT}}}'.encode()
    ).hexdigest()


def _holds(row: Stored) -> bool:
    """Whether a row is what its hash says, as it stands or, where its text is a writer's own, written canonically."""
    body, hash_ = row[12], row[3]
    try:
        if _leaf(row, body) == hash_:
            return type(body) is str
        facts = json.loads(body)
        return type(facts) is dict and _PLAIN.encode(facts) == body and _leaf(row, canonical_text(facts)) == hash_
    except (TypeError, ValueError, RecursionError, ToolguardError):
        return False


class ChainCheck:
    """Checks one log, page by page, from its first record on.

    Attributes:
        count: how many records were read. ``last`` is the number of the last one, ``first`` the first row.
        faults: every place where it does not hold together: ``hash``, ``chain``, ``gap``.
    """

    def __init__(self, log_id: str, *, after: int = 0, prev: str = GENESIS) -> None:
        """``after`` and ``prev``: where the part that is checked begins; a record before it is believed."""
        self.log_id = log_id
        self.count = 0
        self.last = after
        self.first: Stored | None = None
        self.faults: list[Fault] = []
        self._prev = prev

    def page(self, rows: Sequence[Stored]) -> None:
        """The next rows, in order. Written out by hand: an audit goes through it a million times."""
        if self.first is None and rows:
            self.first = rows[0]
        prev, expected = self._prev, self.last + 1
        join, sha256 = "".join, hashlib.sha256
        for row in rows:
            log_id, seq, before, hash_, kind, at, started, call, trace, span, parent, link, body = row
            try:
                when = repr(at) if type(at) is float and 1.0 <= at < 1e15 else number_text(at)
                begun = repr(started) if type(started) is float and 1.0 <= started < 1e15 else number_text(started)
                words = join((kind, call, link, log_id, parent, before, span, trace))
                text = (
                    f'\x00{{"at":{when[:-2] if when[-2:] == ".0" else when},"body":{body},"call":"{call}",'
                    f'"kind":"{kind}","link":"{link}","log":"{log_id}","parent":"{parent}","prev":"{before}",'
                    f'"seq":{seq},"span":"{span}","started":{begun[:-2] if begun[-2:] == ".0" else begun},'
                    f'"trace":"{trace}","v":{FORMAT}}}'
                )
                plain = (
                    len(quoted(words)) == len(words) + 2
                )  # none of them has a letter that JSON would write otherwise
                same = plain and sha256(text.encode()).hexdigest() == hash_ and type(body) is str
            except (TypeError, ValueError, ToolguardError):
                same = False
            if not same and not _holds(row):
                self._fault(row, "hash")
            if before != prev:
                self._fault(row, "chain")
            if seq != expected:
                self._fault(row, "gap")
            prev, expected = hash_, (seq if type(seq) is int else 0) + 1
        self.count += len(rows)
        self._prev, self.last = prev, expected - 1

    def _fault(self, row: Stored, code: str) -> None:
        self.faults.append(Fault(log_id=self.log_id, seq=_number(row[1]), code=code))


def _number(seq: object) -> int:
    return seq if isinstance(seq, int) else 0


def stored_record(row: Stored) -> AuditRecord:
    """The record of a row. One that was edited into something unreadable has no hash, and so never verifies."""
    log_id, seq, prev, hash_, kind, at, started, call, trace, span, parent, link, body = row
    try:
        what, facts, readable = Kind(kind), json.loads(body), True
    except (ValueError, TypeError, RecursionError):
        what, facts, readable = Kind.LOG_OPENED, {}, False
    texts = (log_id, prev, hash_, call, trace, span, parent, link)
    readable = (
        readable
        and isinstance(facts, dict)
        and isinstance(body, str)
        and isinstance(seq, int)
        and isinstance(at, float)
        and isinstance(started, float)
        and all(isinstance(text, str) for text in texts)
    )
    if not readable:
        log_id, prev, hash_, call, trace, span, parent, link = "", "", "", "", "", "", "", ""
        log_id, seq, at, started, facts = str(row[0]), seq if isinstance(seq, int) else 0, 0.0, 0.0, {}
    return AuditRecord(
        log_id=log_id,
        seq=seq,
        prev=prev,
        hash=hash_,
        draft=Draft(
            kind=what,
            at=at,
            started=started,
            call=call,
            trace_id=trace,
            span_id=span,
            parent_id=parent,
            link_id=link,
            body=facts,
        ),
    )
