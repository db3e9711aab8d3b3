"""The parts that the contracts of a store share: their fixtures, and what each test begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from toolguard._core.approval import Approval
from toolguard._core.steps import Change
from toolguard.ports import Store
from toolguard.testing.store_samples import (
    ContractClock,
    ContractSealer,
    a_draft,
    a_request,
    approve,
    step,
)

__all__ = ["StoreBase"]


class StoreBase:
    """See `toolguard.testing.store_contract`. ``durable``: what was committed is still there in the next store that is made."""

    durable = False

    @pytest.fixture
    def make(self) -> Callable[[ContractClock], Store]:
        raise NotImplementedError("give a fixture 'make' that returns a function from a clock to a store")

    @pytest.fixture
    def clock(self) -> ContractClock:
        return ContractClock()

    @pytest.fixture
    def store(self, make: Callable[[ContractClock], Store], clock: ContractClock) -> Iterator[Store]:
        store = make(clock)
        yield store
        store.close()

    @pytest.fixture
    def sealer(self) -> ContractSealer:
        return ContractSealer()

    def asked(self, store: Store, name: str = "a", **changes: Any) -> Approval:
        """A request that waits."""
        request = a_request(name, **changes)
        store.commit(Change(tenant=request.tenant, records=(a_draft(call=request.call),), create=request))
        found = store.get(request.tenant, request.id)
        assert found is not None
        return found

    def approved(self, store: Store, name: str = "a", **changes: Any) -> Approval:
        before = self.asked(store, name, **changes)
        after = approve(before, store.now())
        store.commit(Change(tenant=before.request.tenant, update=step(before, after, before.request.expires)))
        return after
