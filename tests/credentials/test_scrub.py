"""Taking credentials out of values: exactly them, in every shape looked for, and nothing else."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolguard._core.scrub import REMOVED, scrub, scrub_text

SECRET = "s3cr3t/Token+Value=="
PEM = "-----BEGIN KEY-----\nMC4CAQAwBQYDK2VwBCIEIHKJ8s\nQWERTZUIOPASDFGHJKLYXCVBNM12\n-----END KEY-----\n"


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        ("nothing here", "nothing here"),
        (f"a {SECRET} b {SECRET}", f"a {REMOVED} b {REMOVED}"),
        ([{"k": [SECRET, 1, None, True]}], [{"k": [REMOVED, 1, None, True]}]),
        ({f"x-{SECRET}": 1}, {f"x-{REMOVED}": 1}),
        ("50% off, %zz", "50% off, %zz"),
    ],
)
def test_what_is_taken_out_and_what_stays(value, clean):
    assert scrub(value, [SECRET]) == clean


def test_a_number_that_is_the_secret():
    assert scrub({"pin": 1234567890, "n": 7}, ["1234567890"]) == {"pin": REMOVED, "n": 7}


def test_a_line_of_a_secret_of_several_lines_is_one_too():
    assert scrub_text("QWERTZUIOPASDFGHJKLYXCVBNM12", [PEM]) == REMOVED
    assert scrub_text(PEM.replace("\n", "\\n"), [PEM]).count("QWERTZ") == 0


def test_without_secrets_the_value_is_the_same_object():
    value = {"a": [1]}
    assert scrub(value, []) is value


SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=8, max_size=40).filter(
    lambda s: len(s.split()) == 1 and s == s.strip()
)


@given(secret=SECRETS, before=st.binary(max_size=7), after=st.binary(max_size=7))
def test_in_base64_it_is_found_wherever_it_begins(secret, before, after):
    text = base64.b64encode(before + secret.encode() + after).decode()
    clean = scrub_text(text, [secret])
    left = len(clean.replace(REMOVED, ""))  # at most a character at each end, which holds bits of its neighbours too
    assert left <= len(text) - (len(secret.encode()) * 8 // 6 - 1)


@given(secret=SECRETS, around=st.tuples(st.text(max_size=9), st.text(max_size=9)))
def test_the_secret_itself_is_never_left(secret, around):
    assert secret not in scrub_text(around[0] + secret + around[1], [secret]).replace(REMOVED, "")


@given(text=st.text(max_size=60))
def test_text_without_the_secret_stays_as_it_is(text):
    assert scrub_text(text, [SECRET]) == text
