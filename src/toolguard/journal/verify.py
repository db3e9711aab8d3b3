"""Does the journal hold together, and does it say the same as the tables beside it?

Found here: a record that was edited, removed, inserted, moved or put elsewhere; a log that was cut short or
is gone; an approval whose state no record supports; an act of the approval service that was taken out, put in or
changed, and uses of one that were taken back. Not found without an anchor outside the store: a cut at
the end of the newest log, or the removal of the newest logs, by someone who edits the registry to match.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby

from toolguard._core.approval import Approval
from toolguard._core.audit import GENESIS, AuditRecord, Fault, Kind, verify_chain
from toolguard._core.register import ALL
from toolguard.journal._facts import APPROVAL_ID, Facts, Story, TellsOfAct
from toolguard.ports import LogHead, Store

__all__ = ["ActFault", "LogReport", "StateFault", "VerifyReport", "verify"]

_ALL = -(2**62)
_PAGE = 500
_NUMBER = "toolguard.audit.registry.number"
_PREV = "toolguard.audit.registry.prev"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport:
    """One log: how many records were read, and every fault.

    Codes: ``hash`` (a record was edited), ``chain`` (its predecessor is another), ``gap`` (numbers do not
    follow), ``opening`` (it does not begin with its opening record), ``end`` (it does not end where the
    registry says), ``unregistered`` (no such log was ever opened), ``registry`` (the log before it in the
    registry is another), ``missing`` (none of its records is there).
    """

    log_id: str
    records: int
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFault:
    """An approval whose state and records cannot both be true.

    Codes: ``unrecorded`` (no record led to this state), ``reset`` (records say it went further), ``gone``
    (it was requested, but is no longer there).
    """

    approval: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActFault:
    """An act of the approval service (freeze, veto, standing approval, …) on which register and journal disagree.

    Codes: ``gone`` (recorded, but not in the register), ``changed``, ``unrecorded`` (in the register only),
    ``uses`` (it let more calls run than the store counts).
    """

    act: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What `verify` found. ``running`` counts executions without an end, by call id (see `recover`)."""

    logs: tuple[LogReport, ...]
    states: tuple[StateFault, ...]
    approvals: int
    running: tuple[str, ...]
    acts: tuple[ActFault, ...] = ()

    @property
    def records(self) -> int:
        return sum(log.records for log in self.logs)

    @property
    def faults(self) -> tuple[Fault, ...]:
        return tuple(fault for log in self.logs for fault in log.faults)

    @property
    def tampered(self) -> bool:
        """Something was changed."""
        return bool(self.states) or bool(self.acts) or any(fault.code not in _INCOMPLETE for fault in self.faults)

    @property
    def incomplete(self) -> bool:
        """Something is not there that once was; no record at all is no evidence of anything."""
        return not self.records or any(fault.code in _INCOMPLETE for fault in self.faults)

    @property
    def ok(self) -> bool:
        return not self.tampered and not self.incomplete

    @property
    def exit_code(self) -> int:
        """0 ok, 1 tampered, 2 incomplete."""
        return 1 if self.tampered else 2 if self.incomplete else 0


_INCOMPLETE = frozenset({"missing", "registry"})


def verify(store: Store) -> VerifyReport:
    """Read every record of the store once and hold the logs against the registry and the approvals.

    The store may be in use meanwhile.

    Raises:
        StoreError: the store cannot be read.
    """
    facts = Facts()
    seen_ends = {head.log_id: head for head in store.heads()}
    read = {
        log_id: _read(facts.watch(records), seen_ends.get(log_id))
        for log_id, records in groupby(store.records(after=_ALL), key=lambda record: record.log_id)
    }
    registry = store.heads()
    reports = []
    before = GENESIS
    for number, head in enumerate(registry, start=1):
        reports.append(_registered(head, read.get(head.log_id), before, number))
        before = head.first
    known = {head.log_id for head in registry}
    for log_id, log in read.items():
        if log_id not in known:
            faults = (*log.faults, Fault(log_id=log_id, seq=0, code="unregistered"))
            reports.append(LogReport(log_id=log_id, records=log.records, faults=faults))
    approvals = {approval.id: approval for tenant in sorted(facts.tenants) for approval in _approvals(store, tenant)}
    return VerifyReport(
        logs=tuple(reports),
        states=tuple(_states(store, facts, approvals)),
        approvals=len(approvals),
        running=tuple(facts.running),
        acts=tuple(_acts(store, facts)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Log:
    """One log as it was read."""

    first: AuditRecord
    last: int
    reaches_head: bool
    records: int
    faults: tuple[Fault, ...]


def _read(records: Iterator[AuditRecord], head: LogHead | None) -> _Log:
    first: AuditRecord | None = None
    last, reaches = 0, head is None

    def watched() -> Iterator[AuditRecord]:
        nonlocal first, last, reaches
        for record in records:
            first = first or record
            last = record.seq
            reaches = reaches or (head is not None and (record.seq, record.hash) == (head.seq, head.hash))
            yield record

    count, faults = verify_chain(watched())
    assert first is not None  # noqa: S101 - narrows the type: groups are never empty
    return _Log(first=first, last=last, reaches_head=reaches, records=count, faults=faults)


def _registered(head: LogHead, log: _Log | None, before: str, number: int) -> LogReport:
    def fault(seq: int, code: str) -> Fault:
        return Fault(log_id=head.log_id, seq=seq, code=code)

    if log is None:
        return LogReport(log_id=head.log_id, records=0, faults=(fault(0, "missing"),))
    faults, first = [*log.faults], log.first
    if first.draft.kind is not Kind.LOG_OPENED or first.hash != head.first:
        faults.append(fault(first.seq, "opening"))
    elif (first.draft.body.get(_NUMBER), first.draft.body.get(_PREV)) != (number, before):
        faults.append(fault(first.seq, "registry"))
    if not log.reaches_head:  # a log in use grows while it is read, but never falls short of where it stood
        faults.append(fault(log.last, "end"))
    return LogReport(log_id=head.log_id, records=log.records, faults=tuple(faults))


def _approvals(store: Store, tenant: str) -> Iterator[Approval]:
    before = None
    while page := store.list(tenant, limit=_PAGE, before=before):
        yield from page
        before = page[-1].id


def _states(store: Store, facts: Facts, approvals: dict[str, Approval]) -> Iterator[StateFault]:
    for approval_id, story in facts.stories.items():
        approval = approvals.get(approval_id)
        if approval is None:
            if story.requested and store.get(story.tenant, approval_id) is None:
                yield StateFault(approval=approval_id, code="gone")
        elif story.contradicts(approval) and (code := _confirmed(store, approval)):
            yield StateFault(approval=approval_id, code=code)
    for approval_id in approvals.keys() - facts.stories.keys():
        if code := _confirmed(store, approvals[approval_id]):
            yield StateFault(approval=approval_id, code=code)


def _acts(store: Store, facts: Facts) -> Iterator[ActFault]:
    """The register read after the journal: it holds all the journal tells of, and more only while it grows."""
    told = {(act.tenant, act.n): act for act in facts.acts.values()}
    strangers: set[tuple[str, int, str]] = set()
    for tenant in sorted({ALL, *facts.tenants, *(tenant for tenant, _ in told)}):
        n = 0
        while page := store.acts(tenant, n):
            for n, grant in enumerate(page, start=n + 1):  # noqa: B020 - goes on where the page before ended
                found = sha256(grant.payload).hexdigest()
                known = told.pop((tenant, n), None)
                if known is None:
                    strangers.add((tenant, n, found))
                elif known.hash != found:
                    yield ActFault(act=known.id, code="changed")
    for missing in told.values():
        yield ActFault(act=missing.id, code="gone")
    if strangers:  # made while the journal was read, or slipped in
        acts = (TellsOfAct.of(record) for record in store.records())
        strangers -= {(act.tenant, act.n, act.hash) for act in acts if act is not None}
        yield from (ActFault(act=f"{tenant}/{n}", code="unrecorded") for tenant, n, _ in sorted(strangers))
    for (tenant, act_id), count in facts.uses.items():
        if store.uses(tenant, act_id) < count:
            yield ActFault(act=act_id, code="uses")


def _confirmed(store: Store, approval: Approval) -> str:
    """The contradiction, read again at one moment: an approval may have moved on while the journal was read."""
    for _ in range(5):
        request = approval.request
        story = Story()
        for record in store.records(call=request.call):
            if record.draft.body.get(APPROVAL_ID) == approval.id:
                story.add(record)
        current = store.get(request.tenant, approval.id)
        if current is None:
            return "gone"
        if current.version == approval.version:
            return story.contradicts(approval)
        approval = current
    return ""
