"""What every store promises, as tests. For a store of your own:

    class TestMyStore(StoreContract):
        @pytest.fixture
        def make(self, tmp_path):
            return lambda clock: MyStore(tmp_path / "store", clock)

``make(clock)`` gives a store; called twice in one test it gives the same data again if the store is durable
(then set ``durable = True``). Tests are named after what they promise; each theme has a file of its own.
"""

from __future__ import annotations

from toolguard.testing.claim_contract import ClaimContract
from toolguard.testing.content_contract import ContentContract
from toolguard.testing.history_contract import HistoryContract
from toolguard.testing.outbox_contract import OutboxContract
from toolguard.testing.record_contract import RecordContract
from toolguard.testing.register_contract import RegisterContract
from toolguard.testing.request_contract import RequestContract
from toolguard.testing.store_samples import (
    START,
    ContractClock,
    ContractSealer,
    a_draft,
    a_request,
    a_verdict,
    all_of,
    claimed,
)
from toolguard.testing.token_contract import TokenContract

__all__ = [
    "START",
    "ContractClock",
    "ContractSealer",
    "StoreContract",
    "a_draft",
    "a_request",
    "a_verdict",
    "all_of",
    "claimed",
]


class StoreContract(
    RequestContract,
    ClaimContract,
    RegisterContract,
    RecordContract,
    ContentContract,
    TokenContract,
    HistoryContract,
    OutboxContract,
):
    """See the module."""
