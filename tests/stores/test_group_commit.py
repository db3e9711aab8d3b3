"""Commits that wait for each other share a transaction, and still fail each by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from toolguard._core.audit import verify_chain
from toolguard._core.call import CallRef
from toolguard._core.steps import Change, Claim
from toolguard._core.vault import Need
from toolguard.errors import BadArgumentsError, ConflictError, KeyUnavailableError, StoreError, ToolguardError
from toolguard.ports import SessionKey
from toolguard.stores import _sqlite_apply
from toolguard.stores.sqlite import SqliteStore
from toolguard.testing.store_contract import ContractSealer, a_draft, all_of


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store.db")
    yield store
    store.close()


def together(store: SqliteStore, jobs: Sequence[Callable[[], object]]) -> list[object]:
    """Run ``jobs`` in one batch: they queue up while the lock is held. → values and errors, in order."""
    results: list[object] = [None] * len(jobs)

    def run(n: int) -> None:
        try:
            results[n] = jobs[n]()
        except ToolguardError as error:
            results[n] = error

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(jobs))]
    with store._commits.idle():
        for thread in threads:
            thread.start()
        while store._commits.waiting < len(jobs):
            pass
    for thread in threads:
        thread.join()
    return results


def a_claim(n: int, *, bad: bool = False) -> Change:
    claim = Claim(ref=CallRef(run="r", call_id=str(n)), call_digest="d", asked=False)
    second = a_draft(call=str(n), bad=float("nan")) if bad else a_draft(call=str(n))
    return Change(tenant="north", records=(a_draft(call=str(n)), second), claim=claim)


def test_a_batch_is_one_transaction(store: SqliteStore) -> None:
    store.commit(a_claim(0))
    seen: list[str] = []
    assert store._writer is not None
    store._writer.set_trace_callback(seen.append)
    results = together(store, [partial(store.commit, a_claim(n)) for n in range(1, 21)])
    assert not any(isinstance(r, Exception) for r in results)
    assert [s for s in seen if s.startswith(("BEGIN", "COMMIT"))] == ["BEGIN IMMEDIATE", "COMMIT"]
    assert verify_chain(store.records()) == (43, ())


def test_whoever_loses_in_a_batch_loses_alone(store: SqliteStore) -> None:
    store.commit(a_claim(0))
    changes = [a_claim(1), a_claim(0), a_claim(2, bad=True), a_claim(3), a_claim(3), a_claim(4)]
    results = together(store, [partial(store.commit, c) for c in changes])
    kinds = [type(r) for r in results]
    assert kinds[1] is ConflictError
    assert kinds[2] is BadArgumentsError
    assert sorted(k.__name__ for k in kinds[3:5]) == ["ConflictError", "tuple"]
    assert (kinds[0], kinds[5]) == (tuple, tuple)
    assert verify_chain(store.records()) == (1 + 2 * 4, ())
    assert {r.draft.call for r in store.records()} == {"", "0", "1", "3", "4"}


def test_a_batch_that_fails_as_a_whole_fails_for_each(store: SqliteStore) -> None:
    store.commit(a_claim(0))
    before = all_of(store)
    assert store._writer is not None
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count = {pages}")
    big = [a_draft(call=str(n), filling="x" * 30_000) for n in range(4)]
    jobs = [partial(store.commit, Change(tenant="north", records=(draft,))) for draft in big]
    results = together(store, jobs)
    assert [type(r) for r in results] == [StoreError] * 4
    assert len({id(r) for r in results}) == 4, "each thread raises an error of its own"
    assert all_of(store) == before
    store._writer.execute("PRAGMA max_page_count = 1000000")
    assert not isinstance(together(store, jobs)[0], Exception)


def test_a_key_that_fails_in_the_middle_takes_no_number(store: SqliteStore) -> None:
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


def test_an_interrupt_leaves_nothing_behind(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.commit(a_claim(0))
    before = all_of(store)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(_sqlite_apply, "check_claim", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.commit(a_claim(1))
    assert all_of(store) == before
    store.commit(a_claim(1))


def test_without_the_claims_check_the_race_is_lost(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: the tests that count winners fail as soon as the check is taken away."""
    monkeypatch.setattr(_sqlite_apply, "check_claim", lambda *_: None)
    results = together(store, [lambda: store.commit(a_claim(1)) for _ in range(4)])
    assert sum(not isinstance(r, ConflictError) for r in results) > 1
