"""Does the journal hold together, and does it say the same as the tables beside it and the checkpoints made of it?

Found here: a record that was edited, removed, inserted, moved or put elsewhere; a log that was cut short or
is gone; an approval whose state no record supports; content kept beside
a record that is gone though nobody redacted it; an act of the approval service that was taken out, put in or
changed, and uses of one that were taken back; a log that is other than its signed checkpoints say. Not found without
an anchor outside the store: a cut together with the checkpoints that speak of what was cut, a whole older database put
in place, and everything written anew by someone who also has the audit key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path

from toolguard._core.audit import GENESIS, Fault, Kind
from toolguard._core.checkpoint import Checkpoint
from toolguard._core.pruning import Begin
from toolguard._core.stored import Stored, stored_record
from toolguard._core.tree import Frontier
from toolguard.journal._begins import begins_in
from toolguard.journal._claims import REGISTRY, AnchorReport, Claims, TreeCheck
from toolguard.journal._contents import ContentFault, hold_contents
from toolguard.journal._facts import Facts
from toolguard.journal._pages import BEFORE_ALL, hash_pages
from toolguard.journal._parts import Workers, read_part, read_parts
from toolguard.journal._states import ActFault, StateFault, act_faults, all_approvals, state_faults
from toolguard.journal._told import untold
from toolguard.journal.anchors import AnchorCopy
from toolguard.journal.joined import Joined, joined
from toolguard.ports import CheckpointVerifier, GrantVerifier, LogHead, Store
from toolguard.shown import Shown

__all__ = ["ActFault", "AnchorReport", "ContentFault", "LogReport", "StateFault", "VerifyReport", "verify"]

_NUMBER = "toolguard.audit.registry.number"
_PREV = "toolguard.audit.registry.prev"
_EPOCH = "toolguard.store.epoch"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport:
    """One log: how many records were checked, after which number (0: from its beginning), and every fault.

    ``pruned`` of its first records were taken out of the store by a signed record of pruning; with segments they are checked
    like all others.

    Codes: ``hash`` (a record was edited), ``chain`` (its predecessor is another), ``gap`` (numbers do not
    follow), ``opening`` (it does not begin with its opening record), ``end`` (it does not end where the
    registry says), ``unregistered`` (no such log was ever opened), ``registry`` (the log before it in the
    registry is another), ``missing`` (none of its records is there), ``checkpoint`` (it is other than a checkpoint in
    the journal says, or shorter), ``anchor`` (other or shorter than one kept outside says), ``signature`` (a checkpoint
    in it is not signed by a pinned key), ``split`` (two signed checkpoints say different things of one size), ``begin`` (its first
    records are gone, and no signed record of pruning says so), ``pruned`` (they were taken out, and no segments were looked
    at: what is left holds together), ``untold`` (and an anchor that knew them was not told, as it would have been).
    """

    log_id: str
    records: int
    faults: tuple[Fault, ...] = ()
    after: int = 0
    pruned: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport(Shown):
    """What `verify` found. ``running`` counts executions without an end, by call id (see `recover`).

    Attributes:
        registry: faults of the registry of logs as a whole: ``checkpoint``, ``anchor``, ``split``, and ``missing``
            where it once had more logs.
        checkpoints: how many signed checkpoints the journal holds; ``signed`` tells whether their signatures were
            checked against pinned keys.
        contents: records whose kept content is not as the journal tells; ``kept`` and ``redacted`` count those that are.
        anchors: each anchor that was consulted.
    """

    logs: tuple[LogReport, ...]
    states: tuple[StateFault, ...]
    approvals: int
    running: tuple[str, ...]
    acts: tuple[ActFault, ...] = ()
    contents: tuple[ContentFault, ...] = ()
    kept: int = 0
    redacted: int = 0
    acts_signed: bool = False
    registry: tuple[Fault, ...] = ()
    checkpoints: int = 0
    signed: bool = False
    anchors: tuple[AnchorReport, ...] = ()

    @property
    def records(self) -> int:
        return sum(log.records for log in self.logs)

    @property
    def unseen(self) -> int:
        """How many records were taken out of the store and not looked at, for want of segments."""
        return sum(fault.seq for fault in self.faults if fault.code == "pruned")

    @property
    def faults(self) -> tuple[Fault, ...]:
        return (*(fault for log in self.logs for fault in log.faults), *self.registry)

    @property
    def tampered(self) -> bool:
        """Something was changed."""
        return (
            bool(self.states)
            or bool(self.acts)
            or bool(self.contents)
            or any(fault.code not in _INCOMPLETE for fault in self.faults)
            or any(code not in _INCOMPLETE for anchor in self.anchors for code in anchor.codes)
        )

    @property
    def incomplete(self) -> bool:
        """Something is not there that once was; no record at all is no evidence of anything."""
        nothing = not self.records and not any(log.after for log in self.logs)
        return (
            nothing
            or any(fault.code in _INCOMPLETE for fault in self.faults)
            or any(code in _INCOMPLETE for anchor in self.anchors for code in anchor.codes)
        )

    @property
    def ok(self) -> bool:
        return not self.tampered and not self.incomplete

    @property
    def exit_code(self) -> int:
        """0 ok, 1 tampered, 2 incomplete."""
        return 1 if self.tampered else 2 if self.incomplete else 0


_INCOMPLETE = frozenset({"missing", "pruned", "untold", "registry", "empty", "cut", "absent"})


def verify(
    store: Store,
    *,
    verifier: CheckpointVerifier | None = None,
    service: GrantVerifier | None = None,
    anchors: Sequence[AnchorCopy] = (),
    stamps: Sequence[Checkpoint] = (),
    since: Sequence[Checkpoint] = (),
    progress: Callable[[int, int], None] | None = None,
    workers: Workers | None = None,
    segments: Path | None = None,
) -> VerifyReport:
    """Read every record of the store once and hold the logs against registry, checkpoints, anchors and approvals.

    The store may be in use meanwhile.

    Args:
        verifier: the pinned audit keys; without it checkpoints are compared, but not who signed them.
        service: the approval service's pinned keys; without them acts are held against the journal, but not who signed them.
        anchors: copies kept outside the store (`read_anchor`).
        stamps: checkpoints that people kept (`Checkpoint.parse_stamp`), taken as true.
        since: checkpoints up to which everything was verified before. What is older is only held against their roots;
            approvals are looked at where a newer record speaks of them.
        progress: told (records read, records there) now and then.
        workers: processes that share the reading; by default all is read in this one.
        segments: the folder with the segments of what was taken out of the store. They are read with it, as one; whether
            each file is what it should be, `hold_segments` says.

    Raises:
        StoreError: the store cannot be read.
    """
    hot = store.store if isinstance(store, Joined) else store
    store = joined(hot, segments, lenient=True) if segments is not None else store
    claims = Claims(store, verifier)
    begins = begins_in(store, verifier)
    for begin in begins.of.values():
        claims.add(begin.checkpoint(store.epoch), outside=False)
    for copy in anchors:
        claims.add_anchor(copy)
    if anchors:
        claims.miss_anchors()
    for stamp in (*stamps, *since):
        claims.add(stamp, outside=True)
    heads = {head.log_id: head for head in store.heads()}
    reading = _Reading(
        store,
        claims,
        _verified(store, since),
        sum(head.seq for head in heads.values()),
        progress,
        workers,
        hot=hot,
        pruned=begins.of,
        untold=untold(store.epoch, begins.of, begins.told, anchors, claims.opened),
    )
    read = {log_id: log for log_id in store.written() if (log := reading.log(log_id, heads.get(log_id))) is not None}
    registry = store.heads()
    reports = []
    before = GENESIS
    for number, head in enumerate(registry, start=1):
        reports.append(_registered(head, read.get(head.log_id), before, number, store.epoch))
        before = head.first
    known = {head.log_id for head in registry}
    for log_id, log in read.items():
        if log_id not in known:
            faults = (*log.faults, Fault(log_id=log_id, seq=0, code="unregistered"))
            reports.append(LogReport(log_id=log_id, records=log.records, faults=faults))
    reports += [
        LogReport(log_id=log_id, records=0, faults=(Fault(log_id=log_id, seq=0, code="missing"),))
        for log_id in claims.logs
        if log_id not in known and log_id not in read
    ]
    facts, whole = reading.facts, not since and not reading.unseen
    contents = hold_contents(store, facts, service, whole=whole)
    approvals = {approval.id: approval for tenant in sorted(facts.tenants) for approval in all_approvals(store, tenant)}
    return VerifyReport(
        logs=_with(reports, (*claims.faults, *begins.faults)),
        states=tuple(state_faults(store, facts, approvals, whole=whole, torn=reading.unseen)),
        approvals=len(approvals),
        running=tuple(facts.running),
        acts=() if since else tuple(act_faults(store, facts, whole=whole)),
        contents=contents.faults,
        kept=contents.kept,
        redacted=contents.redacted,
        acts_signed=service is not None,
        registry=_registry(registry, claims),
        checkpoints=claims.notes,
        signed=verifier is not None,
        anchors=tuple(claims.anchors),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Log:
    """One log as it was read."""

    first: Stored
    last: int
    reaches_head: bool
    records: int
    faults: tuple[Fault, ...]
    after: int
    pruned: int
    is_whole: bool
    """Its first record was read: nothing is missing before the others."""


def _verified(store: Store, since: Sequence[Checkpoint]) -> dict[str, int]:
    """Log id → how far it was verified before."""
    found: dict[str, int] = {}
    for checkpoint in since:
        epoch, _, log_id = checkpoint.origin.removeprefix("toolguard/").partition("/")
        if epoch == store.epoch and log_id != REGISTRY:
            found[log_id] = max(found.get(log_id, 0), checkpoint.size)
    return found


class _Reading:
    """One pass over the logs."""

    def __init__(
        self,
        store: Store,
        claims: Claims,
        begins: dict[str, int],
        total: int,
        progress: Callable[[int, int], None] | None,
        workers: Workers | None,
        *,
        hot: Store,
        pruned: Mapping[str, Begin],
        untold: AbstractSet[str],
    ) -> None:
        self._hot, self._pruned, self._untold = hot, pruned, untold
        self.unseen = False
        """Something was taken out of the store, and is not looked at."""
        self._store, self._claims, self._begins, self._workers = store, claims, begins, workers
        self._total, self._progress, self._done = total, progress, 0
        self.facts = Facts()

    def log(self, log_id: str, head: LogHead | None) -> _Log | None:
        """A log from its first record on, or from where it was verified before; None if it has no record."""
        rows = self._store.stored(log_id, BEFORE_ALL, 1)
        if not rows:
            return None
        start, faults = self._start(log_id, rows[0])
        since = self._begins.get(log_id, 0)
        tree, prev, begin = Frontier(), GENESIS, 0
        if start is not None:
            tree, prev, begin = start.tree, start.hash, start.last
            faults += self._left_behind(log_id, rows[0], start)
        check = TreeCheck(log_id, self._claims.of(log_id), tree)
        if since > begin:
            for hashes in hash_pages(self._store, log_id, begin, upto=since):
                check.page(hashes)
                prev = hashes[-1] if hashes else prev
                self._tell(len(hashes))
            begin = since
        reaches, last, count = False, begin, 0
        for part in read_parts(self._store, log_id, begin, prev, head, self._workers, hashed=check.needed):
            faults += part.faults
            reaches, last, count = reaches or part.reaches_head, part.last, count + part.count
            self.facts.merge(part.facts)
            if check.needed:
                check.page(part.hashes)
            self._tell(part.count)
        faults += check.end()
        pruned = self._pruned.get(log_id)
        return _Log(
            first=rows[0],
            last=last,
            reaches_head=reaches,
            records=count,
            faults=tuple(faults),
            after=since,
            pruned=pruned.last if pruned is not None else 0,
            is_whole=start is None,
        )

    def _start(self, log_id: str, first: Stored) -> tuple[Begin | None, list[Fault]]:
        """Where to begin to read a log whose first records are not at hand (None: they are), and whether they may be gone."""
        begin = self._pruned.get(log_id)
        hot = self._hot.stored(log_id, BEFORE_ALL, 1)
        gone = hot[0][1] - 1 if hot and isinstance(hot[0][1], int) else 0
        if not hot or gone > (begin.last if begin is not None else 0):  # a log's newest record is never taken out
            return None, [Fault(log_id=log_id, seq=gone + 1, code="begin")]
        if begin is None or not (isinstance(first[1], int) and first[1] > 1):
            return None, []
        self.unseen = True
        codes = ("pruned", "untold") if log_id in self._untold else ("pruned",)
        return begin, [Fault(log_id=log_id, seq=begin.last, code=code) for code in codes]

    def _left_behind(self, log_id: str, first: Stored, begin: Begin) -> list[Fault]:
        """Records a pruning that was interrupted has not taken out yet: each is held by the one after it."""
        if first[1] > begin.last:
            return []
        part = read_part(self._store, log_id, first[1] - 1, begin.last, None, first[2])
        self.facts.merge(part.facts)
        if part.last != begin.last or part.hashes[-1:] != [begin.hash]:
            part.faults.append(Fault(log_id=log_id, seq=part.last, code="chain"))
        return part.faults

    def _tell(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, max(self._done, self._total))


def _registered(head: LogHead, log: _Log | None, before: str, number: int, epoch: str) -> LogReport:
    def fault(seq: int, code: str) -> Fault:
        return Fault(log_id=head.log_id, seq=seq, code=code)

    if log is None:
        return LogReport(log_id=head.log_id, records=0, faults=(fault(0, "missing"),))
    faults, first = [*log.faults], stored_record(log.first)
    body = first.draft.body
    opening = first.draft.kind is Kind.LOG_OPENED and first.hash == head.first and first.draft.at == head.opened
    if not log.is_whole:
        pass  # its opening record was taken out; the registry's checkpoints hold its hash
    elif not opening or body.get(_EPOCH) != epoch:
        faults.append(fault(first.seq, "opening"))
    elif (head.number, body.get(_NUMBER), body.get(_PREV)) != (number, number, before):
        faults.append(fault(first.seq, "registry"))
    # a log in use grows while it is read, but never falls short of where it stood; and the registry, read after it, is never behind
    if not log.reaches_head or head.seq < log.last:
        faults.append(fault(log.last, "end"))
    return LogReport(log_id=head.log_id, records=log.records, faults=tuple(faults), after=log.after, pruned=log.pruned)


def _registry(registry: Sequence[LogHead], claims: Claims) -> tuple[Fault, ...]:
    """The registry of logs against its own checkpoints; one that had more logs than there are has lost some."""
    check = TreeCheck(REGISTRY, claims.of(""))
    check.page([head.first for head in registry])
    shorter = any(claim.size > len(registry) for claim in claims.of(""))
    missing = (Fault(log_id=REGISTRY, seq=len(registry), code="missing"),) if shorter else ()
    split = (fault for fault in claims.faults if fault.log_id == REGISTRY)
    return (*check.faults, *missing, *split)


def _with(reports: Sequence[LogReport], faults: Sequence[Fault]) -> tuple[LogReport, ...]:
    """The reports with what was found wrong with checkpoints added to the logs it concerns."""
    found = []
    for report in reports:
        mine = tuple(fault for fault in faults if fault.log_id == report.log_id)
        found.append(replace(report, faults=(*report.faults, *mine)))
    return tuple(found)
