"""What every store promises of contents kept beside records: with their record or not at all, and only for their tenant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from toolguard._core.audit import COMMITMENT, CONTENT_ID, Draft, Kept, Kind
from toolguard._core.call import Json
from toolguard._core.register import Act, ActKind
from toolguard._core.steps import Change
from toolguard.errors import StoreError
from toolguard.ports import Store
from toolguard.testing.store_base import StoreBase
from toolguard.testing.store_samples import a_draft, an_act

__all__ = ["ContentContract"]


def _keeping(id_: str, *, tenant: str = "north") -> Draft:
    body = {"toolguard.tenant": tenant, CONTENT_ID: id_, COMMITMENT: "v1:00"}
    kept = Kept(tenant=tenant, id=id_, key=b"key of " + id_.encode(), body=b"body of " + id_.encode())
    return replace(a_draft(Kind.CALL_DECIDED, call="c-" + id_), body=body, kept=kept)


def _redaction(store: Store, *ids: str, tenant: str = "north") -> Act:
    """The act that deletes them, after the one that proposed it."""
    names: list[Json] = list(ids)
    body: dict[str, Json] = {"scope": "call", "target": "c", "contents": names, "reason": "r"}
    proposed = an_act(ActKind.REDACTION_PROPOSED, tenant=tenant, body=body)
    store.commit(Change(tenant=tenant, act=proposed))
    done: dict[str, Json] = {"proposal": proposed.id, "contents": names, "reason": "r"}
    return an_act(ActKind.REDACTED, n=2, prev=proposed.hash, tenant=tenant, body=done)


class ContentContract(StoreBase):
    """Part of `toolguard.testing.store_contract.StoreContract`."""

    def test_content_is_kept_with_its_record_and_never_in_it(self, store: Store) -> None:
        (record,) = store.commit(Change(tenant="north", records=(_keeping("a1"),)))
        found = store.contents("north", ["a1", "unknown"])
        assert found == {"a1": Kept(tenant="north", id="a1", key=b"key of a1", body=b"body of a1")}
        assert record.draft.kept is None
        (again,) = store.records(call="c-a1")
        assert again.hash == record.hash
        assert again.draft.kept is None
        assert again.draft.body[CONTENT_ID] == "a1"

    def test_a_tenant_sees_its_own_contents_alone(self, store: Store) -> None:
        store.commit(Change(tenant="north", records=(_keeping("a1"),)))
        store.commit(Change(tenant="south", records=(_keeping("a1", tenant="south"), _keeping("b1", tenant="south"))))
        assert set(store.contents("north", ["a1", "b1"])) == {"a1"}
        assert store.contents("south", ["a1"])["a1"].tenant == "south"
        assert list(store.content_ids("north")) == ["a1"]
        assert list(store.content_ids("south")) == ["a1", "b1"]
        assert store.contents("elsewhere", ["a1"]) == {}

    def test_their_names_come_in_order_page_by_page(self, store: Store) -> None:
        store.commit(Change(tenant="north", records=tuple(_keeping(name) for name in ("c", "a", "d", "b"))))
        assert list(store.content_ids("north", limit=3)) == ["a", "b", "c"]
        assert list(store.content_ids("north", after="c")) == ["d"]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"toolguard.tenant": "north", CONTENT_ID: "other", COMMITMENT: "v1:00"},
            {"toolguard.tenant": "north", CONTENT_ID: "a1"},
            {"toolguard.tenant": "south", CONTENT_ID: "a1", COMMITMENT: "v1:00"},
        ],
    )
    def test_content_that_its_record_does_not_name_is_not_kept(self, store: Store, wrong: dict[str, str]) -> None:
        with pytest.raises(StoreError, match="nothing was written"):
            store.commit(Change(tenant="north", records=(replace(_keeping("a1"), body=wrong),)))
        assert store.contents("north", ["a1"]) == {}
        assert not list(store.records(call="c-a1"))

    def test_nobody_keeps_content_for_another_tenant(self, store: Store) -> None:
        with pytest.raises(StoreError, match="nothing was written"):
            store.commit(Change(tenant="north", records=(_keeping("a1", tenant="south"),)))

    def test_content_that_was_not_sealed_is_refused(self, store: Store) -> None:
        with pytest.raises(StoreError, match="not sealed"):
            store.commit(Change(tenant="north", records=(replace(a_draft(), keep="in clear"),)))

    def test_a_redaction_deletes_what_it_names_and_nothing_else(self, store: Store) -> None:
        store.commit(Change(tenant="north", records=(_keeping("a1"), _keeping("a2"))))
        store.commit(Change(tenant="south", records=(_keeping("a1", tenant="south"),)))
        act = _redaction(store, "a1")
        store.commit(Change(tenant="north", act=act, shred=("a1",), records=(a_draft(),)))
        assert list(store.content_ids("north")) == ["a2"]
        assert list(store.content_ids("south")) == ["a1"]
        assert len(list(store.records(call="c-a1"))) == 2

    def test_nothing_is_deleted_but_by_an_act_that_names_exactly_that(self, store: Store) -> None:
        store.commit(Change(tenant="north", records=(_keeping("a1"), _keeping("a2"))))
        act = _redaction(store, "a1")
        freeze = an_act(n=2, prev=act.prev)
        for given, shred in ((None, ("a1",)), (act, ("a1", "a2")), (freeze, ("a1",))):
            with pytest.raises(StoreError, match="nothing was written"):
                store.commit(Change(tenant="north", records=(a_draft(),), act=given, shred=shred))
        assert list(store.content_ids("north")) == ["a1", "a2"]
