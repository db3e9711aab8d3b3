"""Every store keeps the contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from toolguard.ports import Clock, Store
from toolguard.stores.memory import MemoryStore
from toolguard.stores.postgres import PostgresStore
from toolguard.stores.sqlite import SqliteStore
from toolguard.testing.prune_contract import PruneContract
from toolguard.testing.store_contract import StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def make(self) -> Callable[[Clock], Store]:
        return MemoryStore


class TestSqliteStore(StoreContract):
    durable = True

    @pytest.fixture
    def make(self, tmp_path: Path) -> Callable[[Clock], Store]:
        return lambda clock: SqliteStore(tmp_path / "store.db", clock)


class TestPostgresStore(StoreContract):
    durable = True

    @pytest.fixture
    def make(self, store_database: str) -> Callable[[Clock], Store]:
        return lambda clock: PostgresStore(store_database, clock)


class TestPruningMemory(PruneContract):
    @pytest.fixture
    def make(self) -> Callable[[Clock], Store]:
        return MemoryStore


class TestPruningSqlite(PruneContract):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Callable[[Clock], Store]:
        return lambda clock: SqliteStore(tmp_path / "store.db", clock)


class TestPostgresPruning(PruneContract):
    @pytest.fixture
    def make(self, store_database: str) -> Callable[[Clock], Store]:
        return lambda clock: PostgresStore(store_database, clock)
