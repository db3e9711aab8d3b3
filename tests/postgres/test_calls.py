"""Guarded calls from end to end, each process with a login of its own and no right it does not need."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from postgres.conftest import Place
from toolguard import BoundTool, Caller, DeniedError, Guard, Suspended, Tool
from toolguard.journal import close_overdue, verify
from toolguard.stores import _pg_listen, open_store
from toolguard.testing.desk import Desk

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: tests, version: 1, owner: privacy@general.example}
approvals:
  default: {approvers: ["group:privacy-office"], quorum: 1, expires: 1h}
tools:
  lookup: {risk: low}
  export: {risk: high, decisive: [path]}
"""
ANA = Caller.of("ana", agent="discharge-agent", tenant="general")


class Parts:
    """The service with its login, guards with theirs."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place = place
        self.desk = Desk(folder, store=place.url("service"))
        self.policy = folder / "policy.yaml"
        self.policy.write_text(POLICY, "utf-8")
        self.guards: list[Guard] = []
        self.ran: list[Any] = []

    def guard(self, **parts: Any) -> Guard:
        store = open_store(self.place.url("general_guard"))
        self.guards.append(self.desk.guard(self.policy, store=store, **parts))
        return self.guards[-1]

    def tool(self, name: str) -> BoundTool:
        return BoundTool(tool=Tool.describe(name, source="app"), invoke=lambda passed: self.ran.append(passed) or "ok")

    def waiting(self) -> str:
        """The id of the approval that waits, once it does."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            for approval in self.desk.store.list("general", limit=1):
                if approval.state == "pending":
                    return approval.id
            time.sleep(0.01)
        raise AssertionError("nothing waits")


@pytest.fixture
def parts(place: Place, tmp_path: Path) -> Iterator[Parts]:
    made = Parts(place, tmp_path)
    yield made
    for guard in made.guards:
        guard.close()
    made.desk.store.close()


def test_a_call_is_asked_decided_and_run_once_by_three_processes(parts: Parts) -> None:
    one, two = parts.guard(), parts.guard()
    with one.session(caller=ANA, run="r") as session, pytest.raises(Suspended) as waiting:
        session.call(parts.tool("export"), {"path": "a.csv"}, call_id="c1")
    parts.desk.approve(waiting.value.approval_id)
    with two.session(caller=ANA, run="r") as session:
        assert session.call(parts.tool("export"), {"path": "a.csv"}, call_id="c1") == "ok"
        session.call(parts.tool("lookup"), {"n": 1})
    assert parts.ran == [{"path": "a.csv"}, {"n": 1}]
    auditor = open_store(parts.place.url("auditor"), read_only=True)
    report = verify(auditor)
    assert (report.tampered, report.approvals >= 1) == (False, True)
    auditor.close()


def test_a_blocked_call_wakes_when_someone_decides(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pg_listen, "_LOOK", 600.0)  # it is told, or it sleeps on: a call by itself looks after 30 s
    guard = parts.guard(suspend="block", wait=60.0)

    def call() -> None:
        with guard.session(caller=ANA, run="blocked") as session:
            session.call(parts.tool("export"), {"path": "b.csv"})

    thread = threading.Thread(target=call)
    thread.start()
    approval = parts.waiting()
    time.sleep(0.5)
    parts.desk.approve(approval)
    thread.join(20)
    assert parts.ran == [{"path": "b.csv"}], "it waits for the next look instead of being told"


async def test_many_calls_that_wait_on_one_loop_are_all_woken(parts: Parts) -> None:
    guard = parts.guard(suspend="block", wait=60.0)

    async def call(n: int) -> None:
        with guard.session(caller=ANA, run=f"many-{n}") as session:
            await session.acall(parts.tool("export"), {"path": f"{n}.csv"})

    calls = [asyncio.ensure_future(call(n)) for n in range(40)]
    decided: set[str] = set()
    until = time.monotonic() + 60
    while len(decided) < 40 and time.monotonic() < until:
        for approval in await asyncio.to_thread(parts.desk.store.list, "general", limit=100):
            if approval.state == "pending" and approval.id not in decided:
                await asyncio.to_thread(parts.desk.approve, approval.id)
                decided.add(approval.id)
        await asyncio.sleep(0.02)
    await asyncio.wait_for(asyncio.gather(*calls), 30)
    assert sorted(p["path"] for p in parts.ran) == sorted(f"{n}.csv" for n in range(40))


def test_a_no_reaches_the_waiting_call_and_the_sweeper_closes_what_is_late(parts: Parts) -> None:
    guard = parts.guard(suspend="block", wait=60.0)
    refused: list[Exception] = []

    def call() -> None:
        with guard.session(caller=ANA, run="denied") as session:
            try:
                session.call(parts.tool("export"), {"path": "c.csv"})
            except DeniedError as error:
                refused.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    parts.desk.deny(parts.waiting())
    thread.join(20)
    assert len(refused) == 1
    assert parts.ran == []
    close_overdue(parts.desk.store)
