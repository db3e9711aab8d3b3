"""Whatever is tried, in whatever order: the store in PostgreSQL takes the same changes as the one in memory."""

from __future__ import annotations

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from postgres_server import empty
from stores.test_stores_agree import BothStores
from toolguard.ports import Store
from toolguard.stores.postgres import PostgresStore


def test_both_stores_end_in_the_same_state(store_database: str) -> None:
    class Both(BothStores):
        def make(self) -> Store:
            empty(store_database)
            return PostgresStore(store_database, self.clock)

    run_state_machine_as_test(Both, settings=settings(max_examples=8, stateful_step_count=20))
