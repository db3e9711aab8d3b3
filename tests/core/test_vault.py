"""Tokens: what reads as one, and where one may turn back into a value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolguard._core.vault import (
    Namespace,
    Token,
    canonical_form,
    has_token,
    release,
    token_spans,
    tokens_in,
    unmask_text,
)

ADA = Token(type="PERSON", index=1)
VALUES = {ADA: "Ada Byron", Token(type="MRN", index=12): "00123", Token(type="PERSON", index=1, variant=1): "ADA BYRON"}
TOKENS = st.builds(
    Token,
    type=st.sampled_from(["PERSON", "DATE_OF_BIRTH", "MRN", "IP_ADDRESS"]),
    index=st.integers(1, 99999),
    namespace=st.sampled_from(list(Namespace)),
    variant=st.integers(0, 60),
)


@given(TOKENS)
def test_a_token_reads_back_as_itself(token):
    assert [s.token for s in token_spans(f"see {token}, then")] == [token]
    assert has_token(str(token).encode())


@pytest.mark.parametrize(
    "mangled",
    [
        "<PERSON_1>",
        "[PERSON_1]",
        "PERSON_1",
        "&lt;PERSON_1&gt;",
        "<person_1>",
        "[Person_1]",
        "**<PERSON_1>**",
        "(PERSON_1)",
        "PERSON_1's",
    ],
)
def test_models_mangle_tokens_and_they_are_still_read(mangled):
    assert [s.token for s in token_spans(mangled)] == [ADA]


@pytest.mark.parametrize(
    "text", ["step_1", "utf_8", "x_PERSON_1", "PERSON_1_2", "a<b_2", "PERSON_", "<_1>", "PERSON_1234567", ""]
)
def test_other_text_is_no_token(text):
    assert token_spans(text) == []


def test_unmasking_puts_back_exactly_the_spelling_that_was_masked():
    text, unknown = unmask_text("<PERSON_1> alias PERSON_1b, not <PERSON_9>", VALUES)
    assert text == "Ada Byron alias ADA BYRON, not <PERSON_9>"
    assert unknown == (Token(type="PERSON", index=9),)


def trusted(*types, prose=()):
    def allowed(path, token, whole):
        return token.type in types and (whole or path[0] in prose)

    return allowed


def test_t9_a_token_is_released_only_as_the_whole_value_or_in_declared_prose():
    data = {
        "name": " <PERSON_1> ",
        "sql": "substr('<PERSON_1>',1,1)",
        "note": "Saw <PERSON_1> today",
        "mrn": ["<MRN_12>"],
    }
    got, released = release(data, VALUES, trusted("PERSON", "MRN", prose=("note",)))
    assert got == {
        "name": "Ada Byron",
        "sql": "substr('<PERSON_1>',1,1)",
        "note": "Saw Ada Byron today",
        "mrn": ["00123"],
    }
    assert {p for p, _ in released} == {("name",), ("note",), ("mrn", 0)}


def test_an_untrusted_type_stays_a_token():
    assert release({"x": "<MRN_12>"}, VALUES, trusted("PERSON")) == ({"x": "<MRN_12>"}, ())


def test_an_unknown_token_stays_as_it_is_also_in_keys():
    data = {"<PERSON_1>": "<PERSON_77>"}
    assert release(data, VALUES, trusted("PERSON"))[0] == data
    assert tokens_in(data) == {ADA, Token(type="PERSON", index=77)}


def test_t8_the_models_own_values_have_their_own_namespace():
    assert str(Token(type="DATE", index=1, namespace=Namespace.MODEL)) == "<DATE_M1>"
    assert token_spans("<DATE_M1>")[0].token != token_spans("<DATE_1>")[0].token


@pytest.mark.parametrize(
    ("type", "one", "two", "same"),
    [
        ("PERSON", "John  Smith", "JOHN SMITH", True),
        ("PERSON", "O'Brien", "O’Brien", True),
        ("PERSON", "John Smith", "Jon Smith", False),
        ("PERSON", "Dr. John Smith", "John Smith", True),
        ("PERSON", "Prof. Dr. Smith", "Smith", True),
        ("PERSON", "Dr.", "Mr.", False),
        ("SSN", "123-45-6789", "123 45 6789", True),
        ("SSN", "123‑45‑6789", "１２３-45-6789", True),
        ("DATE", "2020-01-02", "2020/01/02", False),
    ],
)
def test_spellings_of_one_identifier_share_a_canonical_form(type, one, two, same):
    assert (canonical_form(type, one) == canonical_form(type, two)) is same
