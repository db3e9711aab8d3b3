"""What stands in front of a store is a store."""

from __future__ import annotations

import pytest

from toolguard.ports import Store
from toolguard.remote.through import Through
from toolguard.stores.memory import MemoryStore
from toolguard.testing.store_contract import StoreContract


class TestThrough(StoreContract):
    @pytest.fixture
    def make(self):
        return lambda clock: Through(MemoryStore(clock))


def test_nothing_of_a_store_is_left_out() -> None:
    theirs = {name for name in vars(Store) if not name.startswith("_")}
    assert theirs <= set(vars(Through))
