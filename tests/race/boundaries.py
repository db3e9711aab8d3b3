"""One call after the other, each ended by SIGKILL at the next boundary; prints what was broken, and what was seen.

    python -m race.boundaries sqlite:///path/to/race.db FOLDER

The boundaries are those of `race.witness` and of the tools: before a commit, after it, after its answer was noted,
before the effect, after it. Each call's story is told again after the kill, by a new process, until it is over.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from race.checker import check
from race.harness import gather, settle
from race.plan import NURSES, TENANT, Desk, Plan, caller, human
from race.witness import Chance, Lines, Witnessed
from race.workers import tools
from toolguard import Suspended, ToolguardError
from toolguard.authority import Answer

__all__ = ["main"]


class _DiesAt(Chance):
    """Dies at one boundary, counted from 1; 0: at none."""

    def __init__(self, plan: Plan, who: str, at: int) -> None:
        super().__init__(plan, who)
        self._left = at

    def boundary(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), 9)


def _story(desk: Desk, number: int, at: int, life: int) -> None:
    """Ask, approve, run: whatever of it is not done yet."""
    plan, who = desk.plan, f"guard-0.{number}-{life}"
    chance = _DiesAt(plan, who, at)
    store: Any = Witnessed(desk.open(), Lines(plan.folder / "guard-0.acks"), chance, who)
    bound = tools(plan, chance, who)["plain"]
    guard, authority = desk.guard(store, lease=desk.plan.lease), desk.authority(store)
    with guard.session(caller=caller(NURSES[0]), run=plan.run, suspend="raise") as session:
        try:
            session.call(bound, {"n": number}, call_id=f"c{number}")
            return
        except Suspended as waits:
            approval = store.get(TENANT, waits.approval_id)
        except ToolguardError:
            return  # it is over
        request = approval.request
        authority.decide(
            human("chen"),
            approval.id,
            Answer.APPROVE,
            seen_call_digest=request.call_digest,
            seen_view_digest=request.view_digest,
            reason="looked at it",
            version=approval.version,
        )
        session.call(bound, {"n": number}, call_id=f"c{number}")


def _in_a_child(desk: Desk, number: int, at: int, life: int) -> bool:
    """Whether the child lived to the end."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            _story(desk, number, at, life)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise RuntimeError("a story failed by itself; its error is above")
    return os.WIFEXITED(status)


def main(url: str, folder: str) -> int:
    plan = Plan(folder=Path(folder), store=url, seed=1, requests=0, dawdle=0, die=0, lease=0.5)
    desk = Desk.make(plan)
    desk.open().close()
    number, cut = 0, 0
    while True:
        alive = _in_a_child(desk, number, number + 1, 0)
        _in_a_child(desk, number, 0, 1)
        number += 1
        if alive:
            break
        cut += 1
    store = desk.open()
    settle(store, plan)
    evidence = gather(desk, store)
    faults = [asdict(fault) for fault in check(evidence)]
    store.close()
    states = {a.request.ref.call_id: a.state.value for a in evidence.approvals.values()}
    ran = sorted(e.call for e in evidence.effects)
    print(json.dumps({"boundaries": cut, "states": states, "ran": ran, "faults": faults}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
