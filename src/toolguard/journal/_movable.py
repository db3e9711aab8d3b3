"""Which records nothing has to do with any more, so that a second copy of them is enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from toolguard._core.audit import GENESIS, Kind
from toolguard._core.call import quoted
from toolguard._core.pruning import Begin
from toolguard._core.register import Hold, Register, act_of
from toolguard._core.stored import ChainCheck, Stored, stored_record
from toolguard.errors import InvalidatedError, TamperedError
from toolguard.journal._facts import APPROVAL_ID, TENANT, TellsOfAct
from toolguard.journal._pages import BEFORE_ALL, pages
from toolguard.ports import GrantVerifier, Prunable, Store

__all__ = ["Found", "Movable", "Stays", "Unfinished", "movable"]

_ENDS = frozenset({Kind.CALL_RETURNED.value, Kind.CALL_FAILED.value, Kind.CALL_INDETERMINATE.value})
_ACT = Kind.ACT_RECORDED.value
_EXECUTING = Kind.CALL_EXECUTING.value
_APPROVAL_TEXT = f'"{APPROVAL_ID}":'


@dataclass(frozen=True, slots=True, kw_only=True)
class Stays:
    """What keeps a record in the store; see `toolguard.journal.Pruned`."""

    code: str
    what: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A call that has not ended, though records of it are old enough to leave the store. ``at`` is the earliest's time (UTC
    seconds), ``state`` its approval's, or ``executing``; ``approval`` is ``""`` where nobody was asked.
    """

    call: str
    at: float
    state: str
    approval: str = ""


@dataclass(slots=True, kw_only=True)
class Movable:
    """Records ``first`` to ``last`` of a log may go. ``why`` is what keeps the next; ``newest`` their latest time. Were it not for
    legal holds and calls that have not ended, they would go up to ``reach``.
    """

    log_id: str
    first: int
    last: int
    reach: int = 0
    why: Stays | None = None
    newest: float = 0.0
    calls: list[str] = field(default_factory=list, repr=False)
    """Of each record from ``first`` on, as far as it was thought to be movable."""
    times: list[float] = field(default_factory=list, repr=False)

    def stop(self, last: int, why: Stays) -> None:
        if last < self.last:
            self.last, self.why = last, why


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What may go, log by log, and how long each tenant's register was when its holds were looked for. ``unfinished`` are calls
    that keep records, oldest first; ``left_out`` how far the sinks have come that are not waited for.
    """

    logs: tuple[Movable, ...]
    acts: dict[str, int]
    unfinished: tuple[Unfinished, ...] = ()
    left_out: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def without(self, log: Movable) -> tuple[str, ...]:
        """The sinks that have not got all of what goes of a log, and were not waited for."""
        return tuple(sorted(name for name, at in self.left_out.items() if at.get(log.log_id, 0) < log.last))


def movable(
    store: Store,
    segments: Mapping[str, Sequence[str]],
    begins: Mapping[str, Begin],
    *,
    before: float,
    service: GrantVerifier | None,
    without: frozenset[str],
) -> Found:
    """Read what the store holds, once. ``segments`` are the leaf hashes that verified segments hold of each log.

    Raises:
        TamperedError: a log, a register or a segment is other than it should be.
    """
    looking = _Looking(store, before)
    delivered = store.delivered() if isinstance(store, Prunable) else {}
    sinks = {name: at for name, at in delivered.items() if name not in without}
    for head in store.heads():
        begin = begins.get(head.log_id)
        log = Movable(log_id=head.log_id, first=begin.last + 1 if begin else 1, last=head.seq, why=None)
        log.stop(head.seq - 1, Stays(code="newest"))
        log.stop(len(segments.get(head.log_id, ())), Stays(code="not_archived"))
        for name, at in sinks.items():
            log.stop(at.get(head.log_id, 0), Stays(code="sink", what=name))
        looking.log(log, begin, segments.get(head.log_id, ()))
    looking.keep_younger()
    acts = looking.hold(service)
    unfinished = looking.keep_whole()
    left_out = {name: delivered[name] for name in without if name in delivered}
    return Found(logs=tuple(looking.logs), acts=acts, unfinished=unfinished, left_out=left_out)


class _Looking:
    def __init__(self, store: Store, before: float) -> None:
        self._store, self._before = store, before
        self.logs: list[Movable] = []
        self._tenants: set[str] = set()
        """Those of what may go."""
        self._tenant = f'"{TENANT}":""'
        """The text that shows the next rows to be of a tenant that was seen."""
        self._acts: dict[str, int] = {}
        """How long each tenant's register is at least, by the journal's word."""
        self._kept: dict[str, Stays] = {}
        """Calls that stay, and why."""
        self._running: set[str] = set()
        self._ended: set[str] = set()
        self._approvals: dict[tuple[str, str], str] = {}
        self._where: dict[str, list[tuple[Movable, int]]] = {}
        """Call → the first of its records in each log."""
        self._ends: dict[int, int] = {}

    def log(self, log: Movable, begin: Begin | None, leaves: Sequence[str]) -> None:
        """Read one log: it has to hold together, and to be what its segments say."""
        first = self._store.stored(log.log_id, BEFORE_ALL, 1)
        start = first[0][1] - 1 if first and isinstance(first[0][1], int) else 0
        if start < 0 or start > (begin.last if begin is not None else 0):
            raise TamperedError(f"log {log.log_id!r} does not begin where it should; run 'toolguard audit verify'")
        chain = ChainCheck(log.log_id, after=start, prev=first[0][2] if start and first else GENESIS)
        for page in pages(self._store, log.log_id, start):
            chain.page(page)
            if chain.faults:
                raise TamperedError(f"log {log.log_id!r} does not hold together; run 'toolguard audit verify'")
            self._page(log, page, leaves)
        self.logs.append(log)

    def _page(self, log: Movable, page: Sequence[Stored], leaves: Sequence[str]) -> None:
        for row in page:
            seq, at, call = row[1], row[5], row[7]
            if seq <= len(leaves) and leaves[seq - 1] != row[3]:
                raise TamperedError(
                    f"record {seq} of log {log.log_id!r} is another one in its segment; run 'toolguard audit verify --segments'"
                )
            if seq < log.first:
                continue  # an earlier pruning was interrupted here
            if at >= self._before:
                log.stop(seq - 2, Stays(code="newer"))  # the one before stays: it shows where what is newer begins
            if row[4] == _ACT and (told := TellsOfAct.of(stored_record(row))) is not None:
                self._acts[told.tenant] = max(told.n, self._acts.get(told.tenant, 0))
            if call:
                self._learn(row)
            if seq <= log.last:
                if self._tenant not in row[12]:
                    self._see(row)
                log.calls.append(call)
                log.times.append(at)
            elif call:
                self._kept.setdefault(call, Stays(code="open", what=call))

    def _see(self, row: Stored) -> None:
        tenant = stored_record(row).draft.body.get(TENANT)
        if isinstance(tenant, str) and tenant:
            self._tenants.add(tenant)
            self._tenant = f'"{TENANT}":{quoted(tenant)}'

    def _learn(self, row: Stored) -> None:
        kind, call, body = row[4], row[7], row[12]
        if kind == _EXECUTING:
            self._running.add(call)
        elif kind in _ENDS:
            self._ended.add(call)
        if _APPROVAL_TEXT in body:
            said = stored_record(row).draft.body
            self._approvals[str(said.get(TENANT, "")), str(said.get(APPROVAL_ID))] = call

    # --- what stays

    def hold(self, service: GrantVerifier | None) -> dict[str, int]:
        """Let what is under legal hold stay; how long each register was."""
        acts: dict[str, int] = {}
        holds: dict[str, list[Hold]] = {}
        for tenant in sorted(self._tenants):
            register = _register(self._store, tenant, service)
            acts[tenant] = register.n
            if register.n < self._acts.get(tenant, 0):
                raise _untold(tenant)
            if register.legal_holds:
                holds[tenant] = list(register.legal_holds.values())
        for log in self.logs if holds else ():
            for record in map(stored_record, self._rows(log)):
                body = record.draft.body
                names = {
                    "record": f"{record.log_id}:{record.seq}",
                    "call": record.draft.call,
                    "session": body.get("toolguard.session.id"),
                    "actor": body.get("toolguard.actor.id"),
                }
                for hold in holds.get(str(body.get(TENANT, "")), ()):
                    if hold.scope == "tenant" or names.get(hold.scope) == hold.target:
                        why = Stays(code="hold", what=hold.id)
                        log.stop(record.seq - 1, why)
                        if record.draft.call:
                            self._kept[record.draft.call] = why
        return acts

    def _rows(self, log: Movable) -> Iterator[Stored]:
        for page in pages(self._store, log.log_id, log.first - 1) if log.last >= log.first else ():
            for row in page:
                if row[1] > log.last:
                    return
                yield row

    def keep_younger(self) -> None:
        """A call that has newer records, which stay anyway, stays whole: in every log."""
        for log in self.logs:
            for seq, call in enumerate(log.calls, start=log.first):
                if call and (call not in self._where or self._where[call][-1][0] is not log):
                    self._where.setdefault(call, []).append((log, seq))
            self._ends[id(log)] = log.first + len(log.calls) - 1
        self._spread([*self._kept])
        for log in self.logs:
            log.reach = log.last

    def keep_whole(self) -> tuple[Unfinished, ...]:
        """A call that has not ended stays, and one of which anything stays, stays whole: in every log."""
        found = dict.fromkeys(self._running - self._ended, ("executing", ""))
        for (tenant, approval_id), call in self._approvals.items():
            approval = self._store.get(tenant, approval_id)
            if approval is None or approval.state.is_open:
                found[call] = ("" if approval is None else approval.state.value, approval_id)
        for call in found:
            self._kept.setdefault(call, Stays(code="open", what=call))
        self._spread([*self._kept])
        for log in self.logs:
            log.newest = max(log.times[: max(0, log.last - log.first + 1)], default=0.0)
        old = {
            call: min(times)
            for call in found
            if (times := [log.times[seq - log.first] for log, seq in self._where.get(call, ()) if seq <= log.reach])
        }
        return tuple(
            Unfinished(call=call, at=at, state=found[call][0], approval=found[call][1])
            for call, at in sorted(old.items(), key=lambda item: (item[1], item[0]))
        )

    def _spread(self, waiting: list[str]) -> None:
        """Let these calls stay whole, and whichever that cuts in two."""
        for log in self.logs:  # something else may have cut a log since
            waiting += self._cut(log, self._ends)
        while waiting:
            call = waiting.pop()
            for log, seq in self._where.get(call, ()):
                if seq <= log.last:
                    log.stop(seq - 1, self._kept.get(call, Stays(code="open", what=call)))
                    waiting += self._cut(log, self._ends)

    def _cut(self, log: Movable, ends: dict[int, int]) -> list[str]:
        """The calls of records that were thought to go and stay now."""
        end, ends[id(log)] = ends[id(log)], min(ends[id(log)], log.last)
        found = [call for call in log.calls[max(0, log.last - log.first + 1) : end - log.first + 1] if call]
        for call in found:
            self._kept.setdefault(call, log.why or Stays(code="open", what=call))
        return found


def _register(store: Store, tenant: str, service: GrantVerifier | None) -> Register:
    register = Register(tenant=tenant)
    try:
        while page := store.acts(tenant, register.n):
            for grant in page:
                if service is not None:
                    service.verify(grant)
                register = register.add(act_of(grant))
    except (TamperedError, InvalidatedError):
        raise _untold(tenant) from None
    return register


def _untold(tenant: str) -> TamperedError:
    return TamperedError(
        f"the register of tenant {tenant!r} does not hold together, so nobody can say what is under legal hold; "
        "run 'toolguard audit verify'"
    )
