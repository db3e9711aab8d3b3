"""What every store promises of records: one chain for each log, read from a number on, and how far each sink came."""

from __future__ import annotations

from dataclasses import replace

from toolguard._core.audit import Kind, verify_chain
from toolguard._core.steps import Change
from toolguard._core.stored import ChainCheck, stored_record
from toolguard.ports import Store
from toolguard.testing.store_base import StoreBase
from toolguard.testing.store_samples import (
    START,
    a_draft,
    in_threads,
)

__all__ = ["RecordContract"]


class RecordContract(StoreBase):
    """Part of `toolguard.testing.store_contract.StoreContract`."""

    def test_a_log_opens_with_its_first_record_and_holds_together(self, store: Store) -> None:
        """I3: numbers follow each other, each record carries its predecessor."""
        assert (store.logs(), store.heads(), list(store.records())) == ((), (), [])
        drafts = [a_draft(call=f"c{i}", at=START + i) for i in range(5)]
        returned = [r for d in drafts for r in store.commit(Change(tenant="north", records=(d,)))]
        assert [r.draft for r in returned] == drafts
        records = list(store.records())
        assert records[0].draft.kind is Kind.LOG_OPENED
        assert records[1:] == returned
        assert verify_chain(records) == (6, ())
        (head,) = store.heads()
        assert (head.log_id, head.first, head.seq, head.hash) == (
            records[0].log_id,
            records[0].hash,
            6,
            records[-1].hash,
        )
        assert store.logs() == (head.log_id,)

    def test_records_are_read_from_a_number_on_by_log_and_by_call(self, store: Store) -> None:
        for i in range(6):
            store.commit(Change(tenant="north", records=(a_draft(call=f"c{i % 2}", at=START + i),)))
        (log,) = store.logs()
        assert [r.seq for r in store.records(log_id=log, after=4)] == [5, 6, 7]
        assert [r.seq for r in store.records(after=2, limit=2)] == [3, 4]
        assert [r.seq for r in store.records(call="c1")] == [3, 5, 7]
        assert list(store.records(log_id="no-such-log")) == []
        assert list(store.records(call="no-such-call")) == []

    def test_records_are_there_as_they_stand_as_hashes_and_by_kind_where_they_belong_to_no_call(
        self, store: Store
    ) -> None:
        note = replace(a_draft(Kind.AUDIT_CHECKPOINT, call=""), body={"s": 2.5})
        for n in range(3):
            store.commit(Change(tenant="", records=(replace(note, body={"n": n, "s": 2.5}), a_draft(call=f"call-{n}"))))
        records = list(store.records())
        (log_id,) = store.written()
        rows = store.stored(log_id)
        assert [stored_record(tuple(row)) for row in rows] == records
        check = ChainCheck(log_id)
        check.page(rows)
        assert (check.faults, check.count, check.last) == ([], 7, 7)
        assert [row[1] for row in store.stored(log_id, 3, 2)] == [4, 5]
        assert [tuple(pair) for pair in store.hashes(log_id)] == [(r.seq, r.hash) for r in records]
        assert [tuple(pair) for pair in store.hashes(log_id, 5, 1)] == [(6, records[5].hash)]
        assert [r.draft.body["n"] for r in store.operations(Kind.AUDIT_CHECKPOINT)] == [0, 1, 2]
        assert list(store.operations(Kind.CALL_DECIDED)) == []
        assert [(head.number, head.log_id) for head in store.heads()] == [(1, log_id)]

    def test_a_sink_remembers_how_far_it_came_and_never_goes_back(self, store: Store) -> None:
        assert store.cursor("jaeger") == {}
        store.advance("jaeger", "log1", 5)
        store.advance("jaeger", "log1", 3)
        store.advance("jaeger", "log2", 1)
        store.advance("other", "log1", 9)
        assert store.cursor("jaeger") == {"log1": 5, "log2": 1}

    def test_threads_append_to_one_log_without_gap_or_fork(self, store: Store) -> None:
        def work(n: int) -> None:
            for i in range(15):
                store.commit(Change(tenant="north", records=(a_draft(call=f"{n}-{i}"), a_draft(call=f"{n}-{i}"))))

        in_threads(work, range(8))
        assert verify_chain(store.records()) == (241, ())
        calls = [r.draft.call for r in store.records()][1:]
        assert calls[::2] == calls[1::2], "two records of one change were torn apart"
