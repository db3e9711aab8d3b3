"""What every store promises of tokens: one for each identifier of a session, and its value for that session alone."""

from __future__ import annotations

from toolguard._core.vault import Namespace, Need, Token
from toolguard.ports import SessionKey, Store
from toolguard.testing.store_base import StoreBase
from toolguard.testing.store_samples import (
    ContractSealer,
    in_threads,
)

__all__ = ["TokenContract"]


class TokenContract(StoreBase):
    """Part of `toolguard.testing.store_contract.StoreContract`."""

    def test_one_identifier_has_one_token_and_its_spellings_are_variants(
        self, store: Store, sealer: ContractSealer
    ) -> None:
        key = SessionKey(tenant="north", session="s")
        texts = ["John Smith", "JOHN  SMITH", "Ann Lee", "john smith", "John Smith"]
        needs = [Need(type="PERSON", text=t) for t in texts]
        tokens = store.allocate(key, needs, sealer)
        assert [str(tokens[n]) for n in needs] == [
            "<PERSON_1>",
            "<PERSON_1b>",
            "<PERSON_2>",
            "<PERSON_1c>",
            "<PERSON_1>",
        ]
        assert store.values(key, sealer) == {tokens[n]: n.text for n in needs}
        assert store.allocate(key, needs, sealer) == tokens

    def test_types_namespaces_and_sessions_count_apart(self, store: Store, sealer: ContractSealer) -> None:
        """T8: what the model wrote never meets what a protected source gave."""
        key = SessionKey(tenant="north", session="s")
        needs = [
            Need(type="PERSON", text="Ann Lee"),
            Need(type="PERSON", text="Ann Lee", namespace=Namespace.MODEL),
            Need(type="FACILITY", text="Ann Lee"),
        ]
        tokens = store.allocate(key, needs, sealer)
        assert [str(tokens[n]) for n in needs] == ["<PERSON_1>", "<PERSON_M1>", "<FACILITY_1>"]
        other = SessionKey(tenant="north", session="t")
        assert store.values(other, sealer) == {}
        theirs = store.allocate(other, [Need(type="PERSON", text="Bo Ek")], sealer)
        assert [str(t) for t in theirs.values()] == ["<PERSON_1>"]

    def test_texts_come_back_to_the_last_character(self, store: Store, sealer: ContractSealer) -> None:
        key = SessionKey(tenant="north", session="s")
        texts = ["  Zoë\u0301 \u202eО’Нил\t", "<PERSON_9>", "\U0001f600", "x" * 10_000, "a\x00b", ""]
        tokens = store.allocate(key, [Need(type="LITERAL", text=t) for t in texts], sealer)
        assert {n.text for n in tokens} == set(texts)
        assert all(store.values(key, sealer, [t]) == {t: n.text} for n, t in tokens.items())

    def test_tokens_nobody_issued_have_no_value(self, store: Store, sealer: ContractSealer) -> None:
        key = SessionKey(tenant="north", session="s")
        store.allocate(key, [Need(type="PERSON", text="Ann Lee")], sealer)
        strangers = [
            Token(type="PERSON", index=2),
            Token(type="PERSON", index=1, variant=1),
            Token(type="PERSON", index=1, namespace=Namespace.MODEL),
            Token(type="MRN", index=1),
        ]
        assert store.values(key, sealer, strangers) == {}

    def test_a_purged_session_is_forgotten_and_its_numbers_are_not_given_again(
        self, store: Store, sealer: ContractSealer
    ) -> None:
        key = SessionKey(tenant="north", session="s")
        old = store.allocate(key, [Need(type="PERSON", text=t) for t in ("Ann Lee", "ANN LEE", "Bo Ek")], sealer)
        assert store.purge(key) == 3
        assert store.values(key, sealer, old.values()) == {}
        assert store.purge(key) == 0
        new = store.allocate(key, [Need(type="PERSON", text="Cy Orr")], sealer)
        assert [str(t) for t in new.values()] == ["<PERSON_3>"]

    def test_an_identifier_with_more_spellings_than_letters_goes_on_under_a_new_number(
        self, store: Store, sealer: ContractSealer
    ) -> None:
        key = SessionKey(tenant="north", session="s")
        texts = [f"Ann{' ' * n}Lee" for n in range(1, 679)]
        tokens = store.allocate(key, [Need(type="PERSON", text=t) for t in texts], sealer)
        assert str(tokens[Need(type="PERSON", text=texts[675])]) == "<PERSON_1zz>"
        assert str(tokens[Need(type="PERSON", text=texts[676])]) == "<PERSON_2>"
        assert len(set(tokens.values())) == len(texts)

    def test_threads_that_ask_for_the_same_identifiers_get_the_same_tokens(
        self, store: Store, sealer: ContractSealer
    ) -> None:
        key = SessionKey(tenant="north", session="s")
        needs = [Need(type="PERSON", text=f"{first} Lee") for first in ("Ann", "ANN", "Bo", "Cy", "Di", "DI")]
        seen: list[dict[Need, Token]] = []
        in_threads(lambda n: seen.append(dict(store.allocate(key, needs[n % 3 :] + needs[: n % 3], sealer))), range(12))
        assert all(tokens == seen[0] for tokens in seen)
        assert len(store.values(key, sealer)) == 6
