"""The processes that race: guards that ask and claim, deciders, a sweeper. Any of them may be killed at any moment."""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from race.mutants import around
from race.plan import DESK, KINDS, Desk, Plan, caller, human
from race.witness import Chance, Lines, Witnessed, read_lines
from toolguard.authority import Answer, Approval, State
from toolguard.bound import BoundTool, from_function
from toolguard.errors import ApprovalError, ConflictError, StoreError, Suspended, ToolguardError
from toolguard.guard import Guard, Session

__all__ = ["Board", "Slot", "slots", "tools", "work"]

WINDOW = 20
"""How many requests a lane has under way."""
AHEAD = 64
"""How many requests a lane may be ahead of the slowest one, so that lanes meet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place for a worker; who sits there changes with every kill."""

    role: str
    index: int

    @property
    def name(self) -> str:
        return f"{self.role}-{self.index}"


def slots(plan: Plan) -> tuple[Slot, ...]:
    roles = ("guard",) * plan.guards + ("decider",) * plan.deciders + ("sweeper",)
    return tuple(Slot(role=role, index=roles[:n].count(role)) for n, role in enumerate(roles))


class Board:
    """Memory that all workers share and no kill takes away: how far each lane is, and whether to stop."""

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes
        self._parent = os.getpid()
        self._memory = mmap.mmap(-1, 16 * lanes + 8)

    def _get(self, place: int) -> int:
        return int(struct.unpack_from("q", self._memory, 8 * place)[0])

    def _set(self, place: int, value: int) -> None:
        struct.pack_into("q", self._memory, 8 * place, value)

    def reached(self, lane: int, number: int) -> None:
        """The first request this lane has not ended."""
        self._set(lane, number)

    def front(self) -> int:
        return min(self._get(lane) for lane in range(self._lanes))

    def ended(self, lane: int, count: int) -> None:
        self._set(self._lanes + lane, count)

    @property
    def ends(self) -> int:
        return sum(self._get(self._lanes + lane) for lane in range(self._lanes))

    def stop(self) -> None:
        self._set(2 * self._lanes, 1)

    @property
    def stopped(self) -> bool:
        """Asked to, or left alone by whoever started the race."""
        return self._get(2 * self._lanes) == 1 or os.getppid() != self._parent


def work(desk: Desk, board: Board, slot: Slot, life: int) -> None:
    """Be the worker at ``slot`` until there is nothing to do."""
    plan = desk.plan
    who = f"{slot.name}.{life}"
    chance = Chance(plan, who)
    lines = Lines(plan.folder / f"{slot.name}.acks")
    store: Any = Witnessed(around(plan.mutant, desk.open(), chance), lines, chance, who)
    {"guard": _guard, "decider": _decider, "sweeper": _sweeper}[slot.role](desk, board, slot, store, chance)


# --- guards ---------------------------------------------------------------------------------------------


def tools(plan: Plan, chance: Chance | None, who: str) -> dict[str, BoundTool]:
    """The tools. Each has one effect: a durable line in a file that is not the store's."""
    effects = Lines(plan.folder / "effects")

    def effect(n: int) -> str:
        """Have an effect."""
        if chance is not None:
            chance.boundary()
            chance.pause()
        effects.write(number=n, who=who, ns=time.monotonic_ns())
        effects.sync()
        if chance is not None:
            chance.boundary()
            if chance.passes(plan.die):
                time.sleep(plan.lease * 1.2)  # slower than anybody believes
        return "done"

    def named(kind: str) -> Callable[..., str]:
        def tool(n: int) -> str:
            return effect(n)

        tool.__name__ = tool.__qualname__ = kind
        return tool

    return {kind: from_function(named(kind)) for kind in KINDS}


def _guard(desk: Desk, board: Board, slot: Slot, store: Any, chance: Chance) -> None:
    plan, faults = desk.plan, list[BaseException]()
    guard = desk.guard(store, lease=desk.plan.lease)
    bound = tools(plan, chance, store.who)

    def lane(number: int) -> None:
        try:
            sessions = Sessions(plan, guard)
            _lane(plan, board, number, chance, lambda n: _call(plan, n, bound, sessions))
        except BaseException as fault:
            faults.append(fault)

    first = slot.index * plan.threads
    threads = [threading.Thread(target=lane, args=(n,)) for n in range(first, first + plan.threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


def _lane(plan: Plan, board: Board, lane: int, chance: Chance, call: Callable[[int], str]) -> None:
    """Make every call of this lane until it is over, some at a time, in no order."""
    path = plan.folder / f"lane-{lane}.ends"
    ended = {line["number"] for line in read_lines(path)}
    count, ends = len(ended), Lines(path)
    waiting = deque(n for n in range(plan.requests) if lane in plan.lanes_of(n) and n not in ended)
    under_way: list[int] = []
    board.ended(lane, count)
    while waiting or under_way:
        board.reached(lane, min([*under_way, *([waiting[0]] if waiting else [])]))
        while waiting and len(under_way) < WINDOW and waiting[0] <= board.front() + AHEAD:
            under_way.append(waiting.popleft())
        chance.random.shuffle(under_way)
        over = 0
        for n in tuple(under_way):
            if code := call(n):
                under_way.remove(n)
                ends.write(number=n, code=code)
                over += 1
        count += over
        board.ended(lane, count)
        if not over:
            time.sleep(0.01)
        if board.stopped:
            return
    board.reached(lane, plan.requests)


class Sessions:
    """The session of each call: of the nurse who asks, and blocking for a moment where the kind says so."""

    def __init__(self, plan: Plan, guard: Guard) -> None:
        self._plan = plan
        self._guard = guard
        self._made: dict[tuple[str, int, bool], Session] = {}

    def of(self, number: int) -> Session:
        key = (self._plan.nurse(number), number // 2000, self._plan.kind(number) == "hasty")
        if key not in self._made:  # a run may only ask so often
            name, part, hasty = key
            self._made[key] = self._guard.session(
                caller=caller(name),
                run=f"{self._plan.run}-{name}-{part}",
                suspend="block" if hasty else "raise",
                wait=0.15,
            )
        return self._made[key]


def _call(plan: Plan, number: int, bound: dict[str, BoundTool], sessions: Sessions) -> str:
    """How the call ended, as a code; ``""`` while it waits, or could not be made just now."""
    kind = plan.kind(number)
    try:
        session = sessions.of(number)
        session.call(bound[kind], {"n": number}, call_id=f"c{number}")
    except Suspended:
        return ""
    except ToolguardError as refused:
        return "" if isinstance(refused, StoreError) and not isinstance(refused, ConflictError) else refused.code
    return "ran"


# --- deciders and the sweeper ---------------------------------------------------------------------------


def _decider(desk: Desk, board: Board, slot: Slot, store: Any, chance: Chance) -> None:
    authority, notes = desk.authority(store), Lines(desk.plan.folder / f"{slot.name}.notes")
    while not board.stopped:
        try:
            open_ = list(authority.list(human("chen"), states=(State.PENDING, State.APPROVED), limit=64).approvals)
        except StoreError:  # the database is away
            time.sleep(0.05)
            continue
        chance.random.shuffle(open_)
        told = Counter[str]()
        for approval in open_:
            told[_answer(desk.plan, authority, approval, chance)] += 1
        notes.write(**told)
        time.sleep(0.005 if open_ else 0.02)


def _answer(plan: Plan, authority: Any, approval: Approval, chance: Chance) -> str:
    """One thing somebody does about ``approval``, at random; how it went."""
    pending, draw = approval.state is State.PENDING, chance.random.random()
    number = int(approval.request.ref.call_id[1:])
    nurse = plan.nurse(number)
    if plan.left_alone(number):
        return "left"
    who = human(chance.random.choice(DESK))
    approve, deny, withdraw = (0.55, 0.62, 0.66) if pending else (0.01, 0.06, 0.08)
    try:
        if draw < approve:
            _decide(authority, who, approval, Answer.APPROVE)
            return "approve"
        if draw < deny:
            _decide(authority, who, approval, Answer.DENY)
            return "deny"
        if draw < withdraw:
            authority.withdraw(human(nurse), approval.id)
            return "withdraw"
        if draw < withdraw + 0.01:
            _decide(authority, human(chance.random.choice((nurse, "noor"))), approval, Answer.APPROVE)
            return "self_approval_taken"
        if draw < withdraw + 0.02:
            authority.sweep()
    except ApprovalError as refused:
        return refused.code
    except StoreError as fault:
        return type(fault).__name__
    return "left"


def _decide(authority: Any, who: Any, approval: Approval, answer: Answer) -> None:
    authority.decide(
        who,
        approval.id,
        answer,
        seen_call_digest=approval.request.call_digest,
        seen_view_digest=approval.request.view_digest,
        reason="looked at it",
        version=approval.version if answer is Answer.APPROVE else None,
    )


def _sweeper(desk: Desk, board: Board, slot: Slot, store: Any, chance: Chance) -> None:
    authority = desk.authority(store)
    while not board.stopped:
        try:
            authority.sweep()
        except StoreError:
            os.sched_yield()
        time.sleep(0.05)
