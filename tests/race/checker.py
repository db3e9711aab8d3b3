"""The checker: what the store, the workers' own notes and the effects say together. Pure; it knows nothing of how
the race was run, and believes no part: everything is held against something else.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from toolguard._core.approval import TRANSITIONS, Answer, Approval, State, resolution_payload
from toolguard._core.audit import AuditRecord, Kind
from toolguard._core.verdicts import tally
from toolguard.journal import in_time

__all__ = ["Commit", "Effect", "Evidence", "Fault", "check"]

_ID = "toolguard.approval.id"
_OUTCOME = "toolguard.decision.outcome"
_CALL = "gen_ai.tool.call.id"
_RUN = frozenset({State.EXECUTING, State.EXECUTED, State.INDETERMINATE})
_YES = frozenset({State.APPROVED, *_RUN})
_ENDS = frozenset({Kind.CALL_RETURNED, Kind.CALL_FAILED, Kind.CALL_INDETERMINATE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit as its worker saw it. ``answer`` is ``done``, ``lost``, ``failed``, or ``""``: the worker died."""

    who: str
    number: int
    answer: str
    done: int = 0
    create: str = ""
    update: tuple[str, int, str, int, str] | None = None
    verdicts: tuple[tuple[str, str, float], ...] = ()
    claim: str = ""
    records: tuple[tuple[str, int, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One time a tool did something. ``call`` is the call's id, ``at`` nanoseconds of the monotonic clock."""

    call: str
    who: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything there is to judge by, read after the race. ``journal`` is what `verify` complained of."""

    approvals: Mapping[str, Approval]
    records: tuple[AuditRecord, ...]
    commits: tuple[Commit, ...]
    effects: tuple[Effect, ...]
    journal: tuple[str, ...] = ()
    forged: frozenset[str] = field(default=frozenset())
    """Approvals whose signature no pinned key made."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Fault:
    code: str
    about: str
    why: str


def check(evidence: Evidence) -> tuple[Fault, ...]:
    """Every way in which the evidence shows that a promise was broken."""
    found = [*_executions(evidence), *_vetoes(evidence), *_acknowledged(evidence), *_steps(evidence)]
    found += [*_replayed(evidence), *_states(evidence)]
    found += [Fault(code="journal", about=what, why="the journal does not hold together") for what in evidence.journal]
    return tuple(sorted(set(found)))


def _done(evidence: Evidence) -> Iterator[Commit]:
    return (c for c in evidence.commits if c.answer == "done")


def _executions(evidence: Evidence) -> Iterator[Fault]:
    """At most one effect and one claim a call; no effect without a claim that was durable before it; cuts are shown."""
    counts = Counter(e.call for e in evidence.effects)
    for call, n in counts.items():
        if n > 1:
            yield Fault(code="double execution", about=call, why=f"its tool ran {n} times")
    began: dict[str, list[AuditRecord]] = defaultdict(list)
    ended: dict[str, set[Kind]] = defaultdict(set)
    for record in evidence.records:
        call = str(record.draft.body.get(_CALL, ""))
        if record.draft.kind is Kind.CALL_EXECUTING:
            began[call].append(record)
        elif record.draft.kind in _ENDS:
            ended[call].add(record.draft.kind)
    for call, starts in began.items():
        if len(starts) > 1:
            yield Fault(code="double claim", about=call, why=f"{len(starts)} records say that it began")
        if not ended[call]:
            yield Fault(code="left open", about=call, why="it began, and nothing says how it ended")
    claims = {(c.who, c.claim): c.done for c in _done(evidence) if c.claim}
    for effect in evidence.effects:
        if effect.call not in began:
            yield Fault(code="unrecorded execution", about=effect.call, why="no record says that it began")
        acknowledged = claims.get((effect.who, effect.call))
        if acknowledged is None or acknowledged > effect.at:
            yield Fault(code="effect before claim", about=effect.call, why="its claim was not durable when it ran")
    for call in ended:
        if Kind.CALL_RETURNED in ended[call] and not counts[call]:
            yield Fault(code="lost effect", about=call, why="it returned, and had no effect")


def _vetoes(evidence: Evidence) -> Iterator[Fault]:
    """Who was told that their no was taken: it stands in the rows, and the call never ran."""
    ran = {e.call for e in evidence.effects}
    for commit in _done(evidence):
        if commit.update is None or commit.update[4] != State.DENIED:
            continue
        approval = evidence.approvals.get(commit.update[0])
        person = commit.verdicts[-1][0] if commit.verdicts else ""
        if approval is None or not any(v.person == person and v.answer is Answer.DENY for v in approval.verdicts):
            yield Fault(code="lost veto", about=commit.update[0], why="the no that was acknowledged is in no row")
        elif approval.request.ref.call_id in ran:
            yield Fault(code="lost veto", about=commit.update[0], why="the call ran although a no was acknowledged")


def _acknowledged(evidence: Evidence) -> Iterator[Fault]:
    """Whatever a commit returned for is in the store."""
    hashes = {(r.log_id, r.seq): r.hash for r in evidence.records}
    for commit in _done(evidence):
        missing = [place for place in commit.records if hashes.get(place[:2]) != place[2]]
        if missing:
            yield Fault(code="lost write", about=f"{commit.who}/{commit.number}", why="a record is gone or another")
        if commit.create and commit.create not in evidence.approvals:
            yield Fault(code="lost write", about=commit.create, why="the request is gone")
        if commit.update is None:
            continue
        approval = evidence.approvals.get(commit.update[0])
        if approval is None or approval.version < commit.update[3]:
            yield Fault(code="lost write", about=commit.update[0], why=f"version {commit.update[3]} is gone")
        elif commit.verdicts != _rows(approval)[: len(commit.verdicts)]:
            yield Fault(code="lost write", about=commit.update[0], why="a verdict is gone or another")


def _rows(approval: Approval) -> tuple[tuple[str, str, float], ...]:
    return tuple((v.person, v.answer.value, v.at) for v in approval.verdicts)


def _steps(evidence: Evidence) -> Iterator[Fault]:
    """Compare-and-set, as the workers saw it: one step from every version, each where the last one ended."""
    tried: dict[str, dict[int, list[Commit]]] = defaultdict(lambda: defaultdict(list))
    for commit in evidence.commits:
        if commit.update is not None and commit.answer != "lost":
            tried[commit.update[0]][commit.update[1]].append(commit)
    for approval in evidence.approvals.values():
        yield from _chain(approval, tried[approval.id])


def _chain(approval: Approval, tried: Mapping[int, list[Commit]]) -> Iterator[Fault]:
    state: str | None = State.PENDING.value
    for version in range(1, approval.version):
        steps = tried.get(version, [])
        sure = [c.update for c in steps if c.answer == "done" and c.update is not None]
        if len(sure) > 1:
            yield Fault(
                code="lost update", about=approval.id, why=f"two changes of version {version} were acknowledged"
            )
        if not steps:
            yield Fault(code="unknown writer", about=approval.id, why=f"nobody changed version {version}")
        for _, _, before, _, after in sure:
            same = before == after and State(before).is_open
            if not same and (State(before), State(after)) not in TRANSITIONS:
                yield Fault(code="illegal transition", about=approval.id, why=f"{before} to {after}")
            if state is not None and before != state:
                yield Fault(code="illegal transition", about=approval.id, why=f"{state} was taken for {before}")
        state = sure[0][4] if sure else None  # who died before the answer cannot say
    if state is not None and state != approval.state.value:
        yield Fault(code="lost write", about=approval.id, why=f"it was left {state} and is {approval.state.value}")


def _replayed(evidence: Evidence) -> Iterator[Fault]:
    """The journal, played again: legal steps only, from the request to where the row stands; one record a verdict."""
    stories: dict[str, list[AuditRecord]] = defaultdict(list)
    for record in evidence.records:
        if isinstance(about := record.draft.body.get(_ID), str):
            stories[about].append(record)
    for about, story in stories.items():
        approval = evidence.approvals.get(about)
        if approval is None:
            yield Fault(code="lost write", about=about, why="the journal tells of an approval that is gone")
            continue
        state: State | None = None
        for record in _as_it_was(story):
            to = _led_to(record)
            if to is None:
                continue
            if (state is None) != (to is State.PENDING) or (state is not None and (state, to) not in TRANSITIONS):
                yield Fault(code="illegal transition", about=about, why=f"the journal tells of {state} to {to.value}")
            state = to
        if state is not approval.state:
            yield Fault(
                code="state", about=about, why=f"the journal ends at {state}, the row at {approval.state.value}"
            )
        given = Counter(
            (str(r.draft.body["toolguard.approver.id"]), r.draft.at)
            for r in story
            if r.draft.kind is Kind.APPROVAL_VERDICT
        )
        if given != Counter((v.person, v.at) for v in approval.verdicts):
            yield Fault(code="verdicts", about=about, why="verdict rows and verdict records are not the same")


def _as_it_was(story: Iterable[AuditRecord]) -> list[AuditRecord]:
    """By time. A tool that outran its lease ended at a time before it was given up, but that was written after."""
    ordered = in_time(story)
    late = [r for r in ordered if r.draft.kind in (Kind.CALL_RETURNED, Kind.CALL_FAILED)]
    return [r for r in ordered if r not in late] + late


def _led_to(record: AuditRecord) -> State | None:
    """The state a record says was reached; None where it changed none."""
    kind = record.draft.kind
    if kind is Kind.APPROVAL_REQUESTED:
        return State.PENDING
    if kind is Kind.APPROVAL_RESOLVED:
        return State(str(record.draft.body.get(_OUTCOME)))
    if kind is Kind.CALL_EXECUTING:
        return State.EXECUTING
    if kind is Kind.CALL_INDETERMINATE:
        return State.INDETERMINATE
    return State.EXECUTED if kind in _ENDS else None


def _states(evidence: Evidence) -> Iterator[Fault]:
    """Rows against themselves and against the effects: the verdicts give the state, the signature covers them."""
    ran = {e.call for e in evidence.effects}
    returned = {
        str(r.draft.body.get(_CALL)) for r in evidence.records if r.draft.kind in (Kind.CALL_RETURNED, Kind.CALL_FAILED)
    }
    began = {str(r.draft.body.get(_ID)): r.draft.at for r in evidence.records if r.draft.kind is Kind.CALL_EXECUTING}
    for approval in evidence.approvals.values():
        state, call, about = approval.state, approval.request.ref.call_id, approval.id
        counted = tally(approval)
        said = State.APPROVED if state in _YES else state if state in (State.PENDING, State.DENIED) else None
        if said is not None and counted is not said:
            yield Fault(code="tally", about=about, why=f"it is {state.value}, its verdicts give {counted.value}")
        if said is None and counted is State.DENIED:
            yield Fault(code="tally", about=about, why=f"it is {state.value} although somebody said no")
        yes = replace(approval, state=State.APPROVED)
        signed = approval.grant is not None and approval.grant.payload == resolution_payload(yes)
        if state in _YES and (not signed or about in evidence.forged):
            yield Fault(code="unsigned", about=about, why="no signature covers these verdicts")
        if call in ran and state not in (State.EXECUTED, State.INDETERMINATE):
            yield Fault(code="state", about=about, why=f"the call ran, and the row says {state.value}")
        if call in ran and call not in returned and state is not State.INDETERMINATE:
            yield Fault(code="left open", about=about, why=f"it was cut, and the row says {state.value}")
        if about in began and approval.grant_expires is not None and began[about] >= approval.grant_expires:
            yield Fault(code="late", about=about, why="it was claimed after its time")
        if any(v.answer is Answer.APPROVE and v.at >= approval.request.expires for v in approval.verdicts):
            yield Fault(code="late", about=about, why="it was approved after its time")
