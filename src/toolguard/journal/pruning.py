"""Records are taken out of the store: those that stand in verified segments, lie behind a signed checkpoint, and that nothing
still has to do with.

The record of pruning says where each log begins from then on, with the tree of what stood before, signed with the audit key
and told to the anchors first. It is durable in the transaction that takes the first rows out; the others follow in small
ones, so that guards are never held up. Whatever is interrupted goes on the next time.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from toolguard._core.audit import AuditRecord, Draft, Kind
from toolguard._core.checkpoint import Checkpoint
from toolguard._core.pruning import Begin
from toolguard._core.steps import Change, Prune
from toolguard._core.tree import Frontier
from toolguard.errors import RegisterMovedError, StoreError, TamperedError
from toolguard.journal._begins import begins_in, opened_note
from toolguard.journal._claims import ANCHORED, NOTE
from toolguard.journal._movable import Found, Movable, Stays, Unfinished, movable
from toolguard.journal._pages import BEFORE_ALL
from toolguard.journal.held import Held, look_at
from toolguard.ports import Anchor, CheckpointVerifier, GrantVerifier, Prunable, Store

__all__ = ["PruneReport", "Pruned", "Unfinished", "mend_of", "prune"]

_LEASE = 120.0
_CHUNK = 1000
"""Rows taken out in one transaction: guards wait no longer than for that."""
_LOOKS = 5


class _Signer(Protocol):
    def checkpoint(self, checkpoint: Checkpoint) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """One log: records ``first`` to ``last`` were taken out (or would be). ``why`` says what keeps the record after ``last``.

    ``why``: ``newer`` (not old enough), ``not_archived`` (no segment that holds together has it), ``newest`` (a log's newest
    record stays), ``sink`` (not delivered yet), ``open`` (a call that has not ended, or records of one that stay), ``hold``
    (under legal hold); ``what`` names the sink, call or hold. ``held`` records would go, were it not for calls that have not
    ended and legal holds; ``without`` are receivers of spans that had not got all of what went, and were not waited for.
    """

    log_id: str
    first: int
    last: int
    why: str = ""
    what: str = ""
    held: int = 0
    without: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return max(0, self.last - self.first + 1)


_MENDS = {
    "indeterminate": "somebody who knows what became of it says so: toolguard approvals resolve {approval} --ran or --did-not-run",
    "executing": "it is closed when a guard starts on this store, once its lease is over",
    "pending": "it waits for an answer, or for its time to be over: toolguard approvals show {approval}",
    "approved": "its yes was not used yet, and ends by itself: toolguard approvals show {approval}",
}


def mend_of(call: Unfinished) -> str:
    """What ends such a call, as a sentence with its command."""
    return _MENDS.get(call.state, "look at it: toolguard approvals show {approval}").format(approval=call.approval)


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneReport:
    """What was taken out of each log; ``finished`` counts records of earlier prunings that had been interrupted. ``unfinished``
    are calls that keep records in the store because they have not ended, oldest first.
    """

    logs: tuple[Pruned, ...]
    finished: int = 0
    unfinished: tuple[Unfinished, ...] = ()

    @property
    def held(self) -> int:
        """Records that are old enough, and stay because of calls that have not ended, or legal holds."""
        return sum(log.held for log in self.logs)

    @property
    def records(self) -> int:
        return sum(log.count for log in self.logs) + self.finished


def prune(
    store: Store,
    folder: Path,
    *,
    before: float,
    signer: _Signer,
    verifier: CheckpointVerifier,
    anchors: Sequence[Anchor] = (),
    service: GrantVerifier | None = None,
    by: str = "",
    without: Iterable[str] = (),
    dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> PruneReport:
    """Take records from before ``before`` (UTC seconds) out of the store.

    Args:
        folder: the segments. Each is read again and held against its checkpoint, its neighbours and the store first.
        signer, verifier: the audit key, and the pinned ones.
        anchors: told where each log begins, before anything goes.
        service: the approval service's pinned keys, which signed the legal holds.
        by: who has it done, as they want to be named.
        without: sinks that are not waited for.
        dry_run: only say what would be done.
        progress: told (records taken out, records to take out) now and then.

    Raises:
        TamperedError: store or segments are other than they should be: nothing is taken out.
        StoreError: it cannot be done; what was begun goes on the next time.
    """
    if not isinstance(store, Prunable):
        raise StoreError("records cannot be taken out of this store; name one in SQLite or PostgreSQL")
    holder = secrets.token_hex(8)
    if not dry_run and not store.lead("audit.prune", holder, _LEASE):
        raise StoreError("records are being taken out of this store by another process; try again when it has ended")
    try:
        for _ in range(_LOOKS):
            try:
                run = _Run(store, folder, signer, verifier, anchors, by, dry_run, progress, holder)
                return run.carry_out(before, service, frozenset(without))
            except RegisterMovedError:  # somebody signed an act meanwhile: a legal hold, perhaps
                continue
        raise StoreError("the register of acts moves on faster than records can be taken out; try again later")
    finally:
        if not dry_run:
            store.lead("audit.prune", holder, -1.0)  # free at once, also for a process whose clock is a little behind


class _Run:
    def __init__(
        self,
        store: Store,
        folder: Path,
        signer: _Signer,
        verifier: CheckpointVerifier,
        anchors: Sequence[Anchor],
        by: str,
        dry_run: bool,
        progress: Callable[[int, int], None] | None,
        holder: str,
    ) -> None:
        self._store, self._signer, self._verifier, self._anchors = store, signer, verifier, anchors
        self._by, self._dry_run, self._progress, self._holder = by, dry_run, progress, holder
        self._begins = _believed(store, verifier)
        self._held = _segments(store, folder, verifier)
        self._done = self._total = 0

    def carry_out(self, before: float, service: GrantVerifier | None, without: frozenset[str]) -> PruneReport:
        found = movable(
            self._store,
            {log_id: held.leaves for log_id, held in self._held.items()},
            self._begins,
            before=before,
            service=service,
            without=without,
        )
        moved = [log for log in found.logs if log.last >= log.first]
        self._total = sum(log.last - log.first + 1 for log in moved)
        if not self._dry_run:
            finished = sum(self._finish(begin) for begin in self._begins.values())
            carried = self._carried({log.log_id: log.last for log in moved})
            for log in moved:
                self._take(log, found, carried)
                carried = ()
        else:
            finished = 0
        logs = tuple(_told(log, found) for log in found.logs)
        return PruneReport(logs=logs, finished=finished, unfinished=found.unfinished)

    def _finish(self, begin: Begin) -> int:
        """Take out what an interrupted pruning left behind."""
        count = 0
        while (rows := self._store.hashes(begin.log_id, BEFORE_ALL, 1)) and rows[0][0] <= begin.last:
            self._chunk(begin.log_id, begin.last)
            left = self._store.hashes(begin.log_id, BEFORE_ALL, 1)
            taken = left[0][0] - rows[0][0] if left else 0
            if taken <= 0:
                break
            count += taken
        return count

    def _take(self, log: Movable, found: Found, carried: Sequence[Draft]) -> None:
        held = self._held[log.log_id]
        before = self._begins.get(log.log_id)
        tree = before.tree if before is not None else Frontier()
        tree.extend(held.leaves[tree.size : log.last])
        begin = Begin(
            log_id=log.log_id,
            last=log.last,
            root=tree.root,
            hash=held.leaves[log.last - 1],
            peaks=tree.peaks,
            newest=max(log.newest, before.newest if before is not None else 0.0),
            segment=next(sha256 for last, sha256 in held.files if last >= log.last),
            by=self._by,
            without=found.without(log),
        )
        note = self._signer.checkpoint(begin.checkpoint(self._store.epoch))
        for anchor in self._anchors:
            anchor.publish(note)
        now = self._store.now()
        draft = Draft(
            kind=Kind.AUDIT_PRUNED,
            at=now,
            started=now,
            span_id=secrets.token_hex(8),
            body={**begin.body(log.first), "toolguard.prune.note": note},
        )
        change = Prune(log_id=log.log_id, upto=log.last, most=_CHUNK, acts=found.acts)
        self._store.commit(Change(tenant="", records=(*carried, draft), prune=change))
        self._tell(min(_CHUNK, log.last - log.first + 1))
        while (rows := self._store.hashes(log.log_id, BEFORE_ALL, 1)) and rows[0][0] <= log.last:
            self._store.lead("audit.prune", self._holder, _LEASE)
            self._chunk(log.log_id, log.last)
            self._tell(min(_CHUNK, log.last - rows[0][0] + 1))

    def _chunk(self, log_id: str, last: int) -> None:
        self._store.commit(Change(tenant="", prune=Prune(log_id=log_id, upto=last, most=_CHUNK)))

    def _tell(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(min(self._done, self._total), self._total)

    def _carried(self, lasts: dict[str, int]) -> tuple[Draft, ...]:
        """What only records that go say, and that is needed after them: each log's newest checkpoint and beginning, and how far
        each anchor had come. It is written down once more, as it stands.
        """
        newest: dict[tuple[str, str], tuple[int, AuditRecord]] = {}

        def keep(what: str, name: str, number: int, record: AuditRecord) -> None:
            if (what, name) not in newest or newest[what, name][0] <= number:
                newest[what, name] = (number, record)

        for record in self._store.operations(Kind.AUDIT_CHECKPOINT):
            checkpoint = opened_note(str(record.draft.body.get(NOTE, "")), self._verifier)
            if checkpoint is not None:
                keep("checkpoint", checkpoint.origin, checkpoint.size, record)
            said = record.draft.body.get(ANCHORED)
            for entry in said if isinstance(said, list) else ():
                name, _, rest = str(entry).partition(":")
                number = rest.partition(":")[0]
                keep("anchor", name, int(number) if number.isdecimal() else 0, record)
        for begin, record in _prunings(self._store, self._begins):
            keep("begin", begin, 0, record)
        now = self._store.now()
        going = {(r.log_id, r.seq): r for _, r in newest.values() if r.seq <= lasts.get(r.log_id, 0)}
        return tuple(
            Draft(kind=r.draft.kind, at=now, started=now, span_id=secrets.token_hex(8), body=r.draft.body)
            for _, r in sorted(going.items())
        )


def _prunings(store: Store, begins: dict[str, Begin]) -> Iterable[tuple[str, AuditRecord]]:
    for record in store.operations(Kind.AUDIT_PRUNED):
        body = record.draft.body
        begin = begins.get(str(body.get("toolguard.prune.log_id")))
        if begin is not None and body.get("toolguard.prune.last") == begin.last:
            yield begin.log_id, record


def _believed(store: Store, verifier: CheckpointVerifier) -> dict[str, Begin]:
    found = begins_in(store, verifier)
    if found.faults:
        raise TamperedError(
            "the journal says that records were taken out, and no pinned key signed that; run 'toolguard audit verify'"
        )
    return found.of


def _segments(store: Store, folder: Path, verifier: CheckpointVerifier) -> dict[str, Held]:
    """The logs whose segments hold. One that does not stops everything: somebody has to look first."""
    if not folder.is_dir():
        raise StoreError(f"there is no folder {str(folder)!r} with segments; mount it, or name the right one")
    report, held = look_at(store, folder, verifier=verifier)
    wrong = [fault for fault in report.faults if fault.code not in ("missing", "stranger")]
    if wrong:
        raise TamperedError(
            f"the segment {wrong[0].name!r} is other than it should be ({wrong[0].code}); nothing was taken out; run "
            "'toolguard audit verify --segments'"
        )
    return held


def _told(log: Movable, found: Found) -> Pruned:
    why = log.why or Stays(code="newest")
    last = max(log.last, log.first - 1)
    return Pruned(
        log_id=log.log_id,
        first=log.first,
        last=last,
        why=why.code,
        what=why.what,
        held=max(0, log.reach - last),
        without=found.without(log) if last >= log.first else (),
    )
