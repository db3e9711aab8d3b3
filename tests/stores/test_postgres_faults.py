"""The database is gone, slow, locked or set back: nothing is half written, and nothing is said that is not so."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from postgres_proxy import Proxy
from postgres_server import Server, by_hand
from stores.helpers import output, python
from toolguard._core.approval import State, move
from toolguard._core.audit import Kind, verify_chain
from toolguard._core.call import CallRef
from toolguard._core.steps import Change, Claim, Standing
from toolguard._core.vault import Need
from toolguard.errors import BadArgumentsError, ConflictError, KeyUnavailableError, StoreError, ToolguardError
from toolguard.ports import SessionKey
from toolguard.stores import SystemClock, _pg_time, open_store
from toolguard.stores._pg_url import parse
from toolguard.stores.postgres import PostgresStore
from toolguard.testing.store_samples import ContractSealer, a_draft, a_request, all_of, approve, claimed, step


@pytest.fixture
def store(store_database: str) -> Iterator[PostgresStore]:
    store = PostgresStore(store_database)
    yield store
    store.close()


def a_claim(call: object, *, bad: bool = False) -> Change:
    claim = Claim(ref=CallRef(run="r", call_id=str(call)), call_digest="d", asked=False)
    second = a_draft(call=str(call), bad=float("nan")) if bad else a_draft(call=str(call))
    return Change(tenant="north", records=(a_draft(call=str(call)), second), claim=claim)


def is_claimed(store: PostgresStore, call: object) -> bool:
    row = store.ledger("north", CallRef(run="r", call_id=str(call)))
    return row is not None and row.standing is Standing.EXECUTING


def together(store: PostgresStore, changes: Sequence[Change]) -> list[Any]:
    """Commit ``changes`` in one batch. → records or errors, in order"""
    results: list[Any] = [None] * len(changes)

    def run(n: int) -> None:
        try:
            results[n] = store.commit(changes[n])
        except ToolguardError as error:
            results[n] = error

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(changes))]
    with store._commits.idle():
        for thread in threads:
            thread.start()
        while store._commits.waiting < len(changes):
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    return results


# --- the answer to a COMMIT does not come


def test_a_commit_whose_answer_is_lost_is_known_to_have_happened(postgres: Server, store_database: str) -> None:
    """Never a false error where the journal tells for certain: the log's head is this transaction's."""
    name = store_database.partition("@/")[2].partition("?")[0]
    with Proxy.before(postgres) as proxy:
        store = PostgresStore(proxy.url(name))
        store.commit(a_claim(0))
        proxy.cut, proxy.cuts = "after", 1
        records = store.commit(a_claim(1))
        assert proxy.cuts == 0
        assert is_claimed(store, 1)
        assert list(store.records())[-2:] == list(records)
        with pytest.raises(ConflictError):
            store.commit(a_claim(1))
        store.close()


def test_a_commit_that_never_arrived_is_carried_out_anew(postgres: Server, store_database: str) -> None:
    """The database says of the transaction that it was given up, so nothing was written: it is begun again, once."""
    name = store_database.partition("@/")[2].partition("?")[0]
    with Proxy.before(postgres) as proxy:
        store = PostgresStore(proxy.url(name))
        for first in (0, 10):  # with and without a log that was opened
            proxy.cut, proxy.cuts = "before", 1
            store.commit(a_claim(first))
            assert proxy.cuts == 0
            assert is_claimed(store, first)
        assert verify_chain(store.records()) == (5, ())
        store.close()


def test_what_cannot_be_known_is_said_to_be_unknown() -> None:
    """Never a false success: the database dies with the answer under way."""
    with Server.private() as server:
        name = server.new()
        with Proxy.before(server) as proxy:
            store = PostgresStore(proxy.url(name))
            store.commit(a_claim(0))
            proxy.cut, proxy.cuts = "after", 1
            watch = threading.Thread(target=_kill_after_cut, args=(proxy, server))
            watch.start()
            with pytest.raises(StoreError, match=r"unknown whether this was written.*read the store"):
                store.commit(a_claim(1))
            watch.join()
            with pytest.raises(StoreError, match=r"check that the database runs.*nothing was written"):
                store.commit(a_claim(2))
            server.start()
            assert is_claimed(store, 0)
            assert not is_claimed(store, 2)
            if is_claimed(store, 1):
                with pytest.raises(ConflictError):
                    store.commit(a_claim(1))
            else:
                store.commit(a_claim(1))
            assert verify_chain(store.records()) == (5, ())
            store.close()


def _kill_after_cut(proxy: Proxy, server: Server) -> None:
    until = time.monotonic() + 10
    while proxy.cuts and time.monotonic() < until:
        time.sleep(0)
    server.stop(signal.SIGKILL)


def test_work_without_records_that_was_lost_is_never_called_done(postgres: Server, store_database: str) -> None:
    name = store_database.partition("@/")[2].partition("?")[0]
    with Proxy.before(postgres) as proxy:
        store = PostgresStore(proxy.url(name))
        proxy.cut, proxy.cuts = "after", 1
        with pytest.raises(StoreError, match="unknown whether"):
            store.advance("sink", "log", 5)
        assert store.cursor("sink") == {"log": 5}
        store.close()


# --- the database goes and comes back


def test_the_database_is_gone_and_comes_back() -> None:
    with Server.private(durable=True) as server:
        store = PostgresStore(server.url(server.new()))
        for call in range(3):
            store.commit(a_claim(call))
        for how in (signal.SIGKILL, signal.SIGINT):
            before = all_of(store)
            server.stop(how)
            for _ in range(2):
                with pytest.raises(StoreError, match="check that the database runs"):
                    store.commit(a_claim("while-down"))
                with pytest.raises(StoreError, match="check that the database runs"):
                    store.heads()
            server.start()
            assert all_of(store) == before
            store.commit(a_claim(f"after-{how}"))
        assert not is_claimed(store, "while-down")
        assert verify_chain(store.records()) == (11, ())
        store.close()


def test_a_connection_that_was_ended_is_made_anew_without_a_word(store: PostgresStore, store_database: str) -> None:
    store.commit(a_claim(0))
    for call in (1, 2):
        by_hand(
            store_database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'toolguard' AND datname = current_database()",
        )
        if call == 1:
            store.commit(a_claim(1))
        else:
            assert len(store.heads()) == 1
    assert verify_chain(store.records())[1] == ()


def test_who_waits_wakes_by_itself_when_the_listener_was_cut_off(store: PostgresStore, store_database: str) -> None:
    request = a_request(created=store.now(), expires=store.now() + 600.0)
    store.commit(Change(tenant="north", create=request))
    told = threading.Event()
    stop = store.watch("north", request.id, told.set)
    time.sleep(0.5)
    by_hand(
        store_database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%version FROM approvals%' "
        "AND datname = current_database() AND pid <> pg_backend_pid()",
    )
    told.clear()
    waiting = store.get("north", request.id)
    assert waiting is not None
    store.commit(Change(tenant="north", update=step(waiting, move(waiting, State.WITHDRAWN, now=store.now()))))
    assert told.wait(30.0)
    stop()


# --- locks


def test_a_row_another_session_holds_is_given_up_after_a_bound_and_spoils_no_other(store_database: str) -> None:
    store = PostgresStore(store_database, lock_timeout=0.3)
    for call in range(3):
        store.commit(a_claim(call))
    held = threading.Event()
    free = threading.Event()
    thread = threading.Thread(target=_hold, args=(store_database, held, free))
    thread.start()
    held.wait()
    began = time.monotonic()
    settled = Change(tenant="north", records=(a_draft(call="0"),), claim=a_claim(0).claim)
    results = together(store, [settled, a_claim("free-1"), a_claim("free-2")])
    assert time.monotonic() - began < 10.0
    free.set()
    thread.join()
    assert isinstance(results[0], StoreError)
    assert "end that session" in str(results[0])
    assert "nothing was written" in str(results[0])
    assert not any(isinstance(r, Exception) for r in results[1:])
    assert verify_chain(store.records())[1] == ()
    store.close()


def _hold(url: str, held: threading.Event, free: threading.Event) -> None:
    """Lock the row of the first call from a session of one's own, until ``free``."""
    import asyncpg

    async def hold() -> None:
        db = await asyncpg.connect(**parse(url).arguments())
        async with db.transaction():
            await db.fetch("SELECT 1 FROM toolguard.ledger ORDER BY ref LIMIT 1 FOR UPDATE")
            held.set()
            await asyncio.to_thread(free.wait)
        await db.close()

    asyncio.run(hold())


def test_whoever_loses_in_a_batch_loses_alone(store: PostgresStore) -> None:
    store.commit(a_claim(0))
    changes = [a_claim(1), a_claim(0), a_claim(2, bad=True), a_claim(3), a_claim(3), a_claim(4)]
    odd = Change(tenant="north", records=(a_draft(call="nul"),), claim=a_claim("a\x00b").claim)
    results = together(store, [*changes, odd])
    kinds = [type(r) for r in results]
    assert kinds[1] is ConflictError
    assert kinds[2] is BadArgumentsError
    assert sorted(k.__name__ for k in kinds[3:5]) == ["ConflictError", "tuple"]
    assert (kinds[0], kinds[5], kinds[6]) == (tuple, tuple, StoreError)
    assert verify_chain(store.records()) == (1 + 2 * 4, ())


def test_a_batch_is_one_transaction(store: PostgresStore, store_database: str) -> None:
    store.commit(a_claim(0))

    def transactions() -> int:
        return len(by_hand(store_database, "SELECT DISTINCT xmin::text FROM toolguard.records"))

    before = transactions()
    results = together(store, [a_claim(n) for n in range(1, 21)])
    assert not any(isinstance(r, Exception) for r in results)
    assert transactions() == before + 1


def test_a_key_that_fails_in_the_middle_takes_no_number(store: PostgresStore) -> None:
    class Broken(ContractSealer):
        def seal(self, plain: bytes, *, context: str) -> bytes:
            if "PERSON_2" in context:
                raise KeyUnavailableError("the key is gone; mount it again")
            return super().seal(plain, context=context)

    key, broken = SessionKey(tenant="north", session="s"), Broken()
    needs = [Need(type="PERSON", text=t) for t in ("Ann Lee", "Bo Ek")]
    with pytest.raises(KeyUnavailableError):
        store.allocate(key, needs, broken)
    assert store.values(key, broken) == {}
    assert [str(t) for t in store.allocate(key, needs[1:], ContractSealer()).values()] == ["<PERSON_1>"]


def test_an_error_holds_nothing_that_was_to_be_stored(store: PostgresStore) -> None:
    secret = "Zebedee Quill"
    request = a_request(agent_reason=f"{secret}\ud800", session=f"{secret}\x00")
    with pytest.raises(StoreError) as refused:
        store.commit(Change(tenant="north", create=request, records=(a_draft(note=secret),)))
    error: BaseException | None = refused.value
    while error is not None:
        assert secret not in str(error)
        error = error.__cause__ or error.__context__


# --- time


def test_time_is_the_databases(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SystemClock, "now", lambda _: 1.0)
    assert abs(store.now() - time.time()) < 5.0


def test_a_machines_clock_gives_way_to_the_databases(store_database: str) -> None:
    store = open_store(store_database, clock=SystemClock())
    assert isinstance(store, PostgresStore)
    assert store._clock is None
    store.close()


@pytest.mark.parametrize("off", [3600.0, -3600.0])
def test_a_guard_whose_clock_is_off_is_refused(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch, off: float
) -> None:
    store.commit(a_claim(0))
    real = time.time
    monkeypatch.setattr(_pg_time.time, "time", lambda: real() + off)
    with pytest.raises(StoreError, match=r"3600 s apart.*nothing was written"):
        store.commit(a_claim(1))
    monkeypatch.undo()
    assert not is_claimed(store, 1)
    store.commit(a_claim(1))


def test_a_database_whose_clock_was_set_back_revives_nothing(store: PostgresStore, store_database: str) -> None:
    """What is on disk of the time counts, also for a process that has just begun."""
    request = a_request(created=store.now(), expires=store.now() + 600.0)
    store.commit(Change(tenant="north", create=request))
    waiting = store.get("north", request.id)
    assert waiting is not None
    approved = approve(waiting, store.now())
    store.commit(Change(tenant="north", update=step(waiting, approved)))
    by_hand(store_database, "UPDATE toolguard.meta SET num = num + 7200 WHERE key = 'time'")
    fresh = PostgresStore(store_database)
    for each in (store, fresh):
        with pytest.raises(ConflictError):
            each.commit(claimed(approved, now=approved.changed))
    assert fresh.now() > approved.changed + 7000
    fresh.close()


@pytest.mark.parametrize("value", ["'NaN'", "'Infinity'", "NULL"])
def test_a_spoilt_clock_in_the_database_stops_the_store(store: PostgresStore, store_database: str, value: str) -> None:
    store.commit(a_claim(0))
    by_hand(store_database, f"UPDATE toolguard.meta SET num = {value} WHERE key = 'time'")
    with pytest.raises(StoreError, match="lost its time"):
        store.commit(a_claim(1))
    by_hand(store_database, "UPDATE toolguard.meta SET num = 0 WHERE key = 'time'")


def test_durability_cannot_be_switched_off_for_the_role(store_database: str) -> None:
    """I4: a commit is on disk when it returns."""
    by_hand(store_database, "ALTER ROLE postgres SET synchronous_commit = off")
    try:
        store = PostgresStore(store_database)
        assert store._read(lambda db: db.fetchval("SHOW synchronous_commit")) == "on"
        store.close()
    finally:
        by_hand(store_database, "ALTER ROLE postgres RESET synchronous_commit")


def test_a_store_opened_for_looking_changes_nothing(store: PostgresStore, store_database: str) -> None:
    store.commit(a_claim(0))
    before = all_of(store)
    looking = PostgresStore(store_database, read_only=True)
    with pytest.raises(StoreError, match="reading only"):
        looking.commit(a_claim(1))
    with pytest.raises(StoreError, match="reading only"):
        looking.advance("sink", "log", 1)
    assert all_of(looking) == before
    looking.close()
    with pytest.raises(StoreError, match="closed"):
        looking.heads()
    looking.close()


# --- processes

_FORKS = """
import json, os, sys
from stores.helpers import draft
from toolguard._core.steps import Change
from toolguard.stores.postgres import PostgresStore
store = PostgresStore(sys.argv[1])
say = lambda who: store.commit(Change(tenant="north", records=(draft(who),)))
say("parent")
store.heads()
store.watch("north", "x", lambda: None)
child = os.fork()
if child == 0:
    say("child"), say("child")
    os._exit(len(store.heads()) != 2)
say("parent")
code = os.waitpid(child, 0)[1]
say("parent")
store.close()
print(json.dumps(code))
"""


def test_after_a_fork_each_process_has_a_log_of_its_own(store_database: str, store: PostgresStore) -> None:
    assert output(python(_FORKS, store_database)) == [0]
    by_log = [[r.draft.call for r in store.records(log_id=log)] for log in store.logs()]
    assert by_log == [["", *["parent"] * 3], ["", *["child"] * 2]]
    assert all(verify_chain(store.records(log_id=log))[1] == () for log in store.logs())


_RACES = """
import json, pathlib, sys, threading, time
from toolguard._core.audit import Kind
from toolguard._core.call import CallRef
from toolguard._core.steps import Change, Claim
from toolguard.errors import ConflictError
from toolguard.stores.postgres import PostgresStore
from stores.helpers import draft
store = PostgresStore(sys.argv[1])
here, out = pathlib.Path(sys.argv[2]), threading.Lock()
(here / f"{store.epoch}-{store._journal.log_id}").touch()
while len(list(here.iterdir())) < 3:
    time.sleep(0.005)
def work(n):
    for i in range(120):
        call = str((i * 7 + n * 31 + int(sys.argv[3]) * 40) % 120)
        claim = Claim(ref=CallRef(run="r", call_id=call), call_digest="d", asked=False)
        try:
            done = store.commit(Change(tenant="north", records=(draft(call), draft(call, Kind.CALL_EXECUTING)), claim=claim))
        except ConflictError:
            continue
        with out:
            print(json.dumps([call, done[0].log_id]), flush=True)
workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
[w.start() for w in workers]; [w.join() for w in workers]
store.close()
"""


def test_processes_and_threads_that_race_for_the_same_calls_run_each_once(
    store_database: str, store: PostgresStore, tmp_path: Path
) -> None:
    """Invariant 5, I3: 3 processes × 4 threads, each in its own order; one winner per call, no gap or fork in any log."""
    racers = [python(_RACES, store_database, tmp_path, n) for n in range(3)]
    won = [line for racer in racers for line in output(racer)]
    assert sorted(call for call, _ in won) == sorted(str(i) for i in range(120))
    executing = [r.draft.call for r in store.records() if r.draft.kind is Kind.CALL_EXECUTING]
    assert sorted(executing) == sorted(call for call, _ in won)
    assert all(verify_chain(store.records(log_id=log))[1] == () for log in store.logs())
    assert len(store.logs()) == 3
    opened = [
        next(iter(store.records(log_id=log))).draft.body["toolguard.audit.registry.number"] for log in store.logs()
    ]
    assert opened == [1, 2, 3]
