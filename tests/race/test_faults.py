"""Real stores under real faults: kills at every boundary, full disks, files that go away, clocks that jump, two services."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from postgres_server import Server, by_hand
from race.plan import DESK, NURSES, TENANT, Desk, Plan, caller, human
from race.test_race import TESTS
from race.workers import tools
from toolguard import Suspended
from toolguard._core.approval import State
from toolguard.authority import Answer, Approval, Authority
from toolguard.errors import ApprovalError, ConflictError, NotAllowedError, ReplayError, ResultWithheldError, StoreError
from toolguard.guard import Guard
from toolguard.journal import verify
from toolguard.ports import Clock, Store
from toolguard.stores import open_store
from toolguard.testing import FakeClock


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store that is not there yet."""
    given: str = request.getfixturevalue("database") if request.param == "postgresql" else ""
    return given or f"sqlite:///{tmp_path / 'race.db'}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A PostgreSQL that waits for its disk, and that these tests may end."""
    with Server.private(durable=True) as server:
        yield server


class Ward:
    """One guard, one service, one tool with an effect; each on a store of its own, as in processes of their own."""

    def __init__(
        self,
        folder: Path,
        url: str,
        *,
        clocks: tuple[Clock | None, Clock | None] = (None, None),
        desk: Desk | None = None,
    ) -> None:
        self.desk = desk or Desk.make(Plan(folder=folder, store=url, seed=1, requests=0, dawdle=0, die=0))
        self.folder = folder
        self.stores = [open_store(url, clock=clock) for clock in clocks]
        self.guard: Guard = self.desk.guard(self.stores[0], clock=clocks[0])
        self.authority: Authority = self.desk.authority(self.stores[1])
        self._tools = tools(self.desk.plan, None, "ward")

    @property
    def store(self) -> Store:
        return self.stores[0]

    def call(self, call: str, kind: str = "plain") -> Any:
        with self.guard.session(caller=caller(NURSES[0]), run="ward", suspend="raise") as session:
            return session.call(self._tools[kind], {"n": int(call[1:])}, call_id=call)

    def ask(self, call: str, kind: str = "plain") -> Approval:
        with pytest.raises(Suspended) as waits:
            self.call(call, kind)
        return self.read(waits.value.approval_id)

    def read(self, approval_id: str) -> Approval:
        found = self.stores[1].get(TENANT, approval_id)
        assert found is not None
        return found

    def decide(self, approval: Approval, answer: Answer = Answer.APPROVE, by: str = "chen") -> Approval:
        return decide(self.authority, approval, answer, by)

    def effects(self) -> list[str]:
        file = self.folder / "effects"
        return [f"c{json.loads(line)['number']}" for line in file.read_text().splitlines()] if file.exists() else []

    def close(self) -> None:
        for store in self.stores:
            with suppress(StoreError):
                store.close()


def decide(authority: Authority, approval: Approval, answer: Answer = Answer.APPROVE, by: str = "chen") -> Approval:
    return authority.decide(
        human(by),
        approval.id,
        answer,
        seen_call_digest=approval.request.call_digest,
        seen_view_digest=approval.request.view_digest,
        reason="looked at it",
        version=approval.version,
    )


@pytest.fixture
def ward(tmp_path: Path, url: str) -> Iterator[Ward]:
    ward = Ward(tmp_path, url)
    yield ward
    ward.close()


# --- kill -9 at every boundary --------------------------------------------------------------------------


def test_a_kill_at_every_boundary_of_a_call_leaves_it_done_once_or_said_to_be_unknown(url: str, tmp_path: Path) -> None:
    """Invariant 6. Before the claim the story goes on after the kill; after it the call is never made again."""
    done = subprocess.run(
        [sys.executable, "-m", "race.boundaries", url, str(tmp_path)],
        cwd=TESTS,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *(p for p in sys.path if p)])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["faults"] == []
    assert told["boundaries"] >= 15
    states, ran = told["states"], Counter(told["ran"])
    assert set(states.values()) == {"executed", "indeterminate"}
    assert max(ran.values()) == 1
    assert {call for call, state in states.items() if state == "executed"} <= ran.keys()
    cut = {call for call, state in states.items() if state == "indeterminate"}
    assert cut & ran.keys(), "some were cut after the effect"
    assert cut - ran.keys(), "some were cut before it"


# --- full disks -----------------------------------------------------------------------------------------


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """No file that this process, or one it starts now, writes to can become larger than ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def full_disk(folder: Path, room: int) -> Iterator[None]:
    """No file can grow by more than ``room`` bytes beyond the store's largest."""
    with file_limit(max(p.stat().st_size for p in folder.glob("race.db*")) + room):
        yield


PAGE = 4120
"""A page of SQLite's log."""


def _everything(folder: Path) -> tuple[Any, tuple[str, ...]]:
    """What a reader sees who has nothing to do with those who write: rows, and hashes of records."""
    store = open_store(f"sqlite:///{folder / 'race.db'}", read_only=True)
    try:
        approvals = tuple((a.id, a.state, a.version, len(a.verdicts)) for a in store.list(TENANT))
        return (approvals, store.outbox()), tuple(r.hash for r in store.records())
    finally:
        store.close()


def _refused(folder: Path, room: int, act: Callable[[], object]) -> str | None:
    """What the store says when the disk is full in the midst of ``act``; None if there was room."""
    try:
        with full_disk(folder, room), suppress(Suspended):
            act()
    except ConflictError:
        raise
    except StoreError as full:
        return str(full)
    return None


BOUNDARIES: dict[str, Callable[[Ward, Approval], object]] = {
    "ask": lambda ward, asked: ward.call("c2"),
    "approve": lambda ward, asked: ward.decide(asked),
    "deny": lambda ward, asked: ward.decide(asked, Answer.DENY),
    "withdraw": lambda ward, asked: ward.authority.withdraw(human(NURSES[0]), asked.id),
}


@pytest.mark.parametrize("act", BOUNDARIES.values(), ids=BOUNDARIES)
def test_a_disk_that_is_full_leaves_nothing_half_written(
    tmp_path: Path, act: Callable[[Ward, Approval], object]
) -> None:
    """The disk runs full after every page of the transaction in turn; then there is room, and the act is done."""
    ward = Ward(tmp_path, f"sqlite:///{tmp_path / 'race.db'}")
    asked, refused, room = ward.ask("c1"), 0, 0
    rows, records = _everything(tmp_path)
    while (full := _refused(tmp_path, room, lambda: act(ward, asked))) is not None:
        assert "nothing was written" in full
        now, written = _everything(tmp_path)
        assert (now, written[: len(records)]) == (rows, records)
        assert act is BOUNDARIES["ask"] or written == records  # a refusal to ask is shorter, and may find room
        refused, room, records = refused + 1, room + PAGE, written
    assert refused >= 3, "the disk must have been full for some pages"
    assert _everything(tmp_path)[0] != rows
    assert verify(ward.store).ok
    assert ward.effects() == []
    ward.close()


def test_a_disk_that_is_full_at_the_claim_runs_nothing_and_after_it_is_never_run_again(tmp_path: Path) -> None:
    """Invariants 6 and 10. The effect's own file is small, so only the store finds the disk full."""
    ward = Ward(tmp_path, f"sqlite:///{tmp_path / 'race.db'}")
    outcomes, room, number = Counter[str](), 0, 0
    while outcomes["ran"] == 0:
        number += 1
        call = f"c{number}"
        asked = ward.decide(ward.ask(call))
        before = _everything(tmp_path)
        try:
            with full_disk(tmp_path, room):
                ward.call(call)
            outcomes["ran"] += 1
        except ResultWithheldError:  # claimed and run; its end found no room
            outcomes["unrecorded end"] += 1
            assert ward.effects().count(call) == 1
            assert ward.read(asked.id).state is State.EXECUTING
            with pytest.raises(ReplayError):
                ward.call(call)
        except StoreError:
            outcomes["not claimed"] += 1
            assert _everything(tmp_path) == before
            assert call not in ward.effects()
            ward.call(call)
        assert ward.effects().count(call) == 1
        room += 2 * PAGE
    assert outcomes["not claimed"] >= 3
    assert outcomes["unrecorded end"] >= 1
    assert verify(ward.store).ok
    ward.close()


# --- the file goes away ---------------------------------------------------------------------------------


def test_a_store_whose_folder_is_gone_opens_nothing_and_goes_on_when_it_is_back(tmp_path: Path) -> None:
    """A guard or service that starts meanwhile fails; what was approved runs once the folder is back, and once only."""
    folder = tmp_path / "data"
    folder.mkdir()
    url = f"sqlite:///{folder / 'race.db'}"
    ward = Ward(folder, url)
    asked = ward.decide(ward.ask("c1"))
    ward.close()
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="cannot be made"):
        open_store(url)
    (tmp_path / "elsewhere").rename(folder)
    back = Ward(folder, url, desk=ward.desk)
    assert back.read(asked.id).state is State.APPROVED
    assert back.call("c1") == "done"
    with pytest.raises(ReplayError):
        back.call("c1")
    assert back.effects() == ["c1"]
    assert verify(back.store).ok
    back.close()


def test_a_database_that_goes_away_stops_everything_and_comes_back_with_all_that_was_said(
    server: Server, tmp_path: Path
) -> None:
    """It crashes (SIGQUIT) between the verdict and the claim, and again once the call has run."""
    ward = Ward(tmp_path, server.url(server.new()))
    asked = ward.decide(ward.ask("c1"))
    server.stop(signal.SIGQUIT)
    acts: tuple[Callable[[], object], ...] = (
        lambda: ward.call("c1"),
        lambda: ward.call("c2", "free"),
        lambda: ward.decide(asked, Answer.DENY),
        lambda: ward.authority.withdraw(human(NURSES[0]), asked.id),
        lambda: ward.authority.sweep(),
    )
    for act in acts:
        with pytest.raises(StoreError) as away:
            act()
        assert not isinstance(away.value, ConflictError)
    assert ward.effects() == []
    server.start()
    assert ward.read(asked.id).state is State.APPROVED
    assert ward.call("c1") == "done"
    server.stop(signal.SIGQUIT)
    server.start()
    assert ward.read(asked.id).state is State.EXECUTED
    with pytest.raises(ReplayError):
        ward.call("c1")
    assert ward.effects() == ["c1"]
    assert verify(ward.store).ok
    ward.close()


_SEGMENT = 16 * 1024 * 1024
"""A file of PostgreSQL's own log has this size from the start, so no lower limit lets the server begin."""


def _pad(url: str) -> None:
    """The table of records fills a file of that size, and none of it can be used again."""
    by_hand(
        url,
        "ALTER TABLE toolguard.records SET (autovacuum_enabled = false); "
        "INSERT INTO toolguard.records "
        "(log_id, seq, prev, hash, kind, at, started, call, trace, span, parent, link, body, tenant) "
        "SELECT 'pad', n, '', '', '', 0, 0, '', '', '', '', '', repeat(md5(n::text), 60), '' "
        "FROM generate_series(1, 8000) n; "
        "ALTER TABLE toolguard.records DISABLE TRIGGER USER; DELETE FROM toolguard.records WHERE log_id = 'pad'; "
        "ALTER TABLE toolguard.records ENABLE TRIGGER USER;",
    )


def test_a_full_disk_under_a_database_leaves_nothing_half_written(server: Server, tmp_path: Path) -> None:
    """The table of records cannot grow any more: calls are refused, until there is room again."""
    ward = Ward(tmp_path, url := server.url(server.new()))
    _pad(url)
    asked = ward.decide(ward.ask("c0"))
    spare = [f"s{n}" for n in range(40)]
    for name in spare:
        ward.decide(ward.ask(name))
    server.stop()
    with file_limit(_SEGMENT):
        server.start()
    number, refused = 0, 0
    while refused < 3:
        number += 1
        assert number < 500, "the disk was never full"
        outcome = _outcome(ward, f"c{number}")
        refused += outcome != "ran"
        assert ward.effects().count(f"c{number}") == (outcome != "not claimed")
    while refused < 6:  # an approved call writes less: fill what is left for such, too
        assert spare, "there was always room for an approved call"
        try:
            ward.call(spare.pop())
        except (StoreError, ResultWithheldError):
            refused += 1
    with pytest.raises(StoreError):
        ward.call("c0")
    with pytest.raises(StoreError):
        ward.decide(asked, Answer.DENY)
    assert ward.read(asked.id) == asked
    server.stop()
    server.start()
    assert ward.call("c0") == "done"
    assert ward.read(asked.id).state is State.EXECUTED
    assert max(Counter(ward.effects()).values()) == 1
    assert verify(ward.store).ok
    ward.close()


def _outcome(ward: Ward, call: str) -> str:
    try:
        ward.call(call, "free")
    except ResultWithheldError:
        return "unrecorded end"
    except StoreError:
        return "not claimed"
    return "ran"


# --- clocks ---------------------------------------------------------------------------------------------

HOUR = 3600.0


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
@pytest.mark.parametrize("whose", ["guard", "service", "both"])
def test_invariant_8_a_clock_that_jumps_revives_no_yes_that_has_run_out(
    url: str, tmp_path: Path, whose: str, jump: float
) -> None:
    """A yes is good for 15 minutes. It ran out; then the clock of the guard, the service or both is set back or on."""
    guard, service = FakeClock(), FakeClock()
    ward = Ward(tmp_path, url, clocks=(guard, service))
    asked = ward.decide(ward.ask("c1"))
    for clock in (guard, service):
        clock.advance(901.0)
        ward.stores[0].now()
    with pytest.raises(ApprovalError) as late:
        ward.decide(ward.read(asked.id), Answer.DENY, "diaz")
    assert late.value.code == "expired"
    for clock, name in ((guard, "guard"), (service, "service")):
        if whose in (name, "both"):
            clock.advance(jump)
    with pytest.raises((NotAllowedError, StoreError)):
        ward.call("c1")
    ward.authority.sweep()
    with pytest.raises(ApprovalError):
        ward.decide(ward.read(asked.id), Answer.APPROVE, "diaz")
    assert ward.effects() == []
    assert verify(ward.store).ok
    ward.close()


@pytest.mark.parametrize("jump", [-HOUR / 2, HOUR / 2])
def test_a_clock_that_jumps_while_a_call_waits_ends_it_or_lets_it_run_once(
    url: str, tmp_path: Path, jump: float
) -> None:
    """Half an hour either way is within the time the question stands (1 h), and beyond that of a yes (15 min)."""
    guard, service = FakeClock(), FakeClock()
    ward = Ward(tmp_path, url, clocks=(guard, service))
    asked = ward.ask("c1")
    service.advance(jump)
    yes = ward.decide(asked)
    assert yes.verdicts[0].at >= asked.request.created, "time never goes back in a store"
    with suppress(NotAllowedError):
        ward.call("c1")
    with pytest.raises(NotAllowedError):
        ward.call("c1")
    assert len(ward.effects()) <= 1
    assert verify(ward.store).ok
    ward.close()


# --- two services ---------------------------------------------------------------------------------------


def test_two_services_that_decide_the_same_requests_come_to_one_outcome(url: str, tmp_path: Path) -> None:
    """Two authorities on stores of their own, four people who click at once, yes or no: each verdict is there once."""
    ward = Ward(tmp_path, url)
    second = open_store(url)
    services = (ward.authority, ward.desk.authority(second))
    told: dict[str, list[tuple[str, str]]] = {}
    for n in range(24):
        asked = ward.ask(f"c{n}", "pair")
        taken, gate = told.setdefault(asked.id, []), threading.Barrier(len(DESK))

        def click(
            who: str, place: int, asked: Approval = asked, taken: Any = taken, gate: Any = gate, n: int = n
        ) -> None:
            answer = Answer.DENY if n % 3 == 0 and n % 4 == place else Answer.APPROVE
            gate.wait()
            for _ in range(4):  # people look again and click again
                with suppress(ApprovalError):
                    now = services[place % 2].get(human(who), asked.id)
                    decide(services[place % 2], now, answer, who)
                    taken.append((who, answer.value))
                    return

        people = [threading.Thread(target=click, args=(who, place)) for place, who in enumerate(DESK)]
        for thread in people:
            thread.start()
        for thread in people:
            thread.join()
    for about, taken in told.items():
        approval = ward.read(about)
        assert sorted((v.person, v.answer.value) for v in approval.verdicts) == sorted(taken)
        assert len({v.person for v in approval.verdicts}) == len(approval.verdicts)
        denied = "deny" in dict(taken).values()
        assert approval.state is (State.DENIED if denied else State.APPROVED)
    assert {ward.read(about).state for about in told} == {State.DENIED, State.APPROVED}
    assert verify(ward.store).ok
    second.close()
    ward.close()


def test_two_services_that_sweep_at_once_end_each_request_once(url: str, tmp_path: Path) -> None:
    clock = FakeClock()
    ward = Ward(tmp_path, url, clocks=(clock, clock))
    second = open_store(url, clock=clock)
    services = (ward.authority, ward.desk.authority(second))
    asked = [ward.ask(f"c{n}") for n in range(30)]
    clock.advance(HOUR + 1)
    swept = list[int]()
    sweepers = [threading.Thread(target=lambda s=service: swept.append(s.sweep())) for service in services]
    for sweeper in sweepers:
        sweeper.start()
    for sweeper in sweepers:
        sweeper.join()
    assert sum(swept) == len(asked)
    assert {ward.read(a.id).state for a in asked} == {State.EXPIRED}
    ends = Counter(
        r.draft.body["toolguard.approval.id"] for r in ward.store.records() if r.draft.kind.value == "approval.resolved"
    )
    assert ends == {a.id: 1 for a in asked}
    assert verify(ward.store).ok
    second.close()
    ward.close()
