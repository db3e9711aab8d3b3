"""Runs a race: starts the workers, kills them, starts them again, and gathers what there is to judge by.

It forks, so it lives in a process of its own that has one thread (`python -m race`).
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from postgres_server import Server
from race.checker import Commit, Effect, Evidence, Fault, check
from race.mutants import apply
from race.plan import TENANT, Desk, Plan
from race.witness import Chance, Lines, Witnessed, read_lines
from race.workers import Board, Sessions, Slot, slots, tools, work
from toolguard._core.approval import Approval, Grant, State
from toolguard._core.audit import Kind
from toolguard.errors import InvalidatedError, StoreError, ToolguardError
from toolguard.journal import recover, verify
from toolguard.ports import Store

__all__ = ["Result", "gather", "race", "settle"]

_AWAY = 75
"""A worker's exit code where the database was away: a guard or service is not made without it."""
_REFUSALS = ("stale", "decided", "expired", "self_approval", "not_an_approver")


@dataclass(slots=True)
class Result:
    """What a race came to. ``faults`` is what it is all about; the rest says how hard it was."""

    seed: int
    store: str
    requests: int
    seconds: float = 0.0
    complete: bool = True
    counts: dict[str, int] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()


def race(plan: Plan, tell: Callable[[str], None], server: Server | None = None) -> Result:
    """Run it and judge it. A ``server`` of its own may be crashed, too."""
    desk, board = Desk.make(plan), Board(plan.lanes)
    desk.open().close()  # the schema is there before anyone races
    apply(plan.mutant, plan.store)
    crew, started = _Crew(desk, board, server), time.monotonic()
    complete = crew.run(started + plan.bound, tell)
    seconds = time.monotonic() - started
    tell("the race is over; checking")
    store = desk.open()
    try:
        settle(store, plan)
        faults = [Fault(code="again", about=n, why="it ran after the race") for n in _again(desk, store)]
        evidence = gather(desk, store)
    finally:
        store.close()
    found = (*check(evidence), *faults, *crew.crashes())
    counts = {"requests": board.ends // 2, **crew.counts, **_tally(plan, evidence)}
    return Result(
        seed=plan.seed,
        store=plan.store.partition(":")[0],
        requests=plan.requests,
        seconds=seconds,
        complete=complete,
        counts=counts,
        faults=found,
    )


class _Crew:
    """The workers and who kills them."""

    def __init__(self, desk: Desk, board: Board, server: Server | None) -> None:
        self._desk = desk
        self._server = server
        self._board = board
        self._slots = slots(desk.plan)
        self._lives = Counter[Slot]()
        self._at: dict[int, Slot] = {}
        self._chance = random.Random(f"{desk.plan.seed}/kills")
        self._sent: set[int] = set()
        self.counts = {
            "processes": len(self._slots),
            "kills": 0,
            "own deaths": 0,
            "database crashes": 0,
            "failed starts": 0,
        }
        self._crashed: list[str] = []

    def run(self, until: float, tell: Callable[[str], None]) -> bool:
        """Until every lane is through; False if time ran out before."""
        plan, board = self._desk.plan, self._board
        for slot in self._slots:
            self._start(slot)
        kill, crash = self._next(0, plan.kill_every), self._next(0, plan.crash_every if self._server else 0)
        say, began = 0.0, time.monotonic()
        through = 2 * plan.requests
        while board.ends < through and time.monotonic() < until and len(self._crashed) < 5:
            time.sleep(0.02)
            self._reap(restart=True)
            ended, now = board.ends // 2, time.monotonic()
            if ended >= kill:
                self._kill()
                kill = self._next(ended, plan.kill_every)
            if ended >= crash:
                self._crash()
                crash = self._next(ended, plan.crash_every)
            if now >= say:
                say = now + 2.0
                deaths = self.counts["kills"] + self.counts["own deaths"]
                tell(f"{ended} of {plan.requests} requests, {deaths} kills, {now - began:.0f} s")
        complete = board.ends >= through
        board.stop()
        patience = time.monotonic() + 10
        while self._at and time.monotonic() < patience:
            time.sleep(0.02)
            self._reap(restart=False)
        for pid in tuple(self._at):
            os.kill(pid, signal.SIGKILL)
            self._sent.add(pid)
        while self._at:
            time.sleep(0.01)
            self._reap(restart=False)
        return complete

    def crashes(self) -> tuple[Fault, ...]:
        return tuple(Fault(code="crash", about=who, why="a worker failed; see its .err file") for who in self._crashed)

    def _next(self, ended: int, every: float) -> float:
        """After how many requests it happens again: about ``every`` from now, in the midst of whatever goes on then."""
        return ended + self._chance.uniform(0, 2 * every) if every else float("inf")

    def _crash(self) -> None:
        """The database server ends at once, without closing anything, and comes back."""
        assert self._server is not None
        self.counts["database crashes"] += 1
        self._server.stop(signal.SIGQUIT)
        time.sleep(self._chance.random() * 0.5)
        self._server.start()

    def _start(self, slot: Slot) -> None:
        life = self._lives[slot]
        self._lives[slot] += 1
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            self._at[pid] = slot
            return
        code = 1
        try:
            work(self._desk, self._board, slot, life)
            code = 0
        except StoreError:
            code = _AWAY
        except BaseException:
            with (self._desk.plan.folder / f"{slot.name}.err").open("a") as file:
                traceback.print_exc(file=file)
        finally:
            os._exit(code)

    def _kill(self) -> None:
        if self._at:
            pid = self._chance.choice(sorted(self._at))
            self._sent.add(pid)
            self.counts["kills"] += 1
            os.kill(pid, signal.SIGKILL)

    def _reap(self, *, restart: bool) -> None:
        for pid, slot in tuple(self._at.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            del self._at[pid]
            killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            if killed and pid not in self._sent:
                self.counts["own deaths"] += 1
            away = os.WIFEXITED(status) and os.WEXITSTATUS(status) == _AWAY
            self.counts["failed starts"] += away
            if not killed and not away and status:
                self._crashed.append(f"{slot.name}.{self._lives[slot] - 1}")
            if restart and status:
                self._start(slot)


def settle(store: Store, plan: Plan) -> None:
    """Nobody works any more: what was cut is shown as such once its lease has run out."""
    calm = replace(plan, die=0.0, dawdle=0.0)
    lines = Lines(plan.folder / f"{slots(plan)[-1].name}.acks")
    seen: Any = Witnessed(store, lines, Chance(calm, "afterwards"), "afterwards")
    until = time.monotonic() + 4 * plan.lease + 5
    while store.list(TENANT, states=(State.EXECUTING,), limit=1) and time.monotonic() < until:
        recover(seen, stale_after=0.0)
        time.sleep(0.2)
    recover(seen, stale_after=0.0)


def _again(desk: Desk, store: Store) -> Iterator[str]:
    """Make calls once more, those that were cut first: none may run that ran or was refused."""
    plan = desk.plan
    before = Counter(line["number"] for line in read_lines(plan.folder / "effects"))
    cut = [a.request.ref.call_id for a in store.list(TENANT, states=(State.INDETERMINATE,), limit=200)]
    cut += [
        str(r.draft.body["gen_ai.tool.call.id"]) for r in store.records() if r.draft.kind is Kind.CALL_INDETERMINATE
    ]
    some = random.Random(plan.seed).sample(range(plan.requests), min(200, plan.requests))
    numbers = {int(call[1:]) for call in cut} | set(some)
    bound = tools(plan, None, "afterwards")
    guard = desk.guard(store)
    sessions = Sessions(plan, guard)
    for number in sorted(numbers):
        session = sessions.of(number)
        ref = session.ref(f"c{number}")
        approval = store.find(TENANT, ref)
        if store.ledger(TENANT, ref) is None or (
            approval is not None and approval.state in (State.PENDING, State.APPROVED)
        ):
            continue  # not over: time ran out before
        try:
            session.call(bound[plan.kind(number)], {"n": number}, call_id=f"c{number}")
        except ToolguardError:
            continue  # any refusal will do; what counts is the effect
    after = Counter(line["number"] for line in read_lines(plan.folder / "effects"))
    return (f"c{n}" for n in after if after[n] > before[n])


def gather(desk: Desk, store: Store) -> Evidence:
    """Everything there is to judge by."""
    folder = desk.plan.folder
    report = verify(store)
    approvals = {a.id: a for a in _approvals(store)}
    return Evidence(
        approvals=approvals,
        records=tuple(store.records()),
        commits=tuple(c for slot in slots(desk.plan) for c in _commits(folder / f"{slot.name}.acks")),
        effects=tuple(
            Effect(call=f"c{line['number']}", who=line["who"], at=line["ns"]) for line in read_lines(folder / "effects")
        ),
        journal=tuple(
            [f"{f.log_id}/{f.seq}: {f.code}" for f in report.faults]
            + [f"{s.approval}: {s.code}" for s in report.states]
        ),
        forged=frozenset(a.id for a in approvals.values() if a.grant is not None and not _signed(desk, a.grant)),
    )


def _approvals(store: Store) -> Iterator[Approval]:
    before = None
    while page := store.list(TENANT, limit=500, before=before):
        yield from page
        before = page[-1].id


def _signed(desk: Desk, grant: Grant) -> bool:
    try:
        desk.verifier.verify(grant)
    except InvalidatedError:
        return False
    return True


def _commits(path: Path) -> Iterator[Commit]:
    tried: dict[tuple[str, int], dict[str, Any]] = {}
    answers: dict[tuple[str, int], dict[str, Any]] = {}
    for line in read_lines(path):
        (tried if line["what"] == "try" else answers)[line["who"], line["n"]] = line
    for (who, number), line in tried.items():
        answer = answers.get((who, number), {})
        yield Commit(
            who=who,
            number=number,
            answer=answer.get("what", ""),
            done=answer.get("ns", 0),
            create=line.get("create", ""),
            update=tuple(line["update"]) if "update" in line else None,
            verdicts=tuple((person, word, at) for person, word, at in line.get("verdicts", ())),
            claim=line.get("claim", ""),
            records=tuple((log, seq, hash_) for log, seq, hash_ in answer.get("records", ())),
        )


def _tally(plan: Plan, evidence: Evidence) -> dict[str, int]:
    """How hard it was."""
    answers = Counter(c.answer for c in evidence.commits)
    states = Counter(a.state for a in evidence.approvals.values())
    vetoes = [
        c
        for c in evidence.commits
        if c.answer == "done" and c.update and (c.update[2], c.update[4]) == (State.APPROVED, State.DENIED)
    ]
    told = Counter[str]()
    for slot in slots(plan):
        for line in read_lines(plan.folder / f"{slot.name}.notes"):
            told.update(line)
    return {
        "executions": len(evidence.effects),
        "denied": states[State.DENIED],
        "vetoes of a yes": len(vetoes),
        "expired": states[State.EXPIRED],
        "withdrawn": states[State.WITHDRAWN],
        "indeterminate": states[State.INDETERMINATE],
        "still open": states[State.PENDING] + states[State.APPROVED],
        "commits": answers["done"],
        "conflicts": answers["lost"],
        "unanswered commits": answers[""],
        "failed commits": answers["failed"],
        "verdicts refused": sum(told[code] for code in _REFUSALS),
        "records": len(evidence.records),
        "logs": len({r.log_id for r in evidence.records}),
    }
