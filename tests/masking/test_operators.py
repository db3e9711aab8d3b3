"""Operators: what stands in an identifier's place, and what survives of it."""

import datetime
import re
import string

import pytest
from fastfpe import ff1
from hypothesis import given
from hypothesis import strategies as st

from toolguard._core.dates import read_date, year_of
from toolguard._core.operators import ONE_WAY, Operator, apply, one_way, redacted, undo
from toolguard._core.safe_harbor import RESTRICTED, zip3
from toolguard.keys import KeyRing, Purpose, SecretKey, operator_keys


@pytest.mark.parametrize(
    ("operator", "type", "text", "put"),
    [
        ("redact", "PERSON", "Ada Byron", "<PERSON>"),
        ("keep", "FACILITY", "St. Mary's", "St. Mary's"),
        ("year", "DATE", "1815-12-10", "1815"),
        ("year", "DATE", "10 December 1915", "1915"),
        ("year", "DATE", "December 1915", "1915"),
        ("year", "DATE", "last spring", "<DATE>"),
        ("year", "DATE_OF_BIRTH", "1937-01-02", "1937"),
        ("year", "DATE_OF_BIRTH", "1936-01-02", "1936 or before"),
        ("year", "DATE_OF_BIRTH", "1815-12-10", "1936 or before"),
        ("age_bin", "AGE", "47", "40-49"),
        ("age_bin", "AGE", "47-year-old", "40-49"),
        ("age_bin", "AGE", "89", "80-89"),
        ("age_bin", "AGE", "90", "90+"),
        ("age_bin", "AGE", "aged 103", "90+"),
        ("age_bin", "AGE", "18 months", "0-9"),
        ("age_bin", "AGE", "forty", "<AGE>"),
        ("zip3", "ZIP", "02139", "021"),
        ("zip3", "ZIP", "02139-4307", "021"),
        ("zip3", "ZIP", "03601", "000"),
        ("zip3", "ZIP", "SW1A 1AA", "<ZIP>"),
        ("zip3", "ZIP", "2139", "<ZIP>"),
        ("date_shift", "DATE", "in the spring", "<DATE>"),
        ("fpe", "MRN", "12345", "<MRN>"),
        ("fpe", "PERSON", "Ωμέγα", "<PERSON>"),
    ],
)
def test_what_stands_in_its_place(keys, operator, type, text, put):
    assert apply(Operator(operator), type, text, keys=keys) == put


@pytest.mark.parametrize("operator", sorted(set(Operator) - {Operator.KEEP}))
@pytest.mark.parametrize(
    "type", ["PERSON", "MRN", "PHONE", "SSN", "EMAIL", "FACILITY", "SECRET", "IP_ADDRESS", "BADGE"]
)
def test_nothing_but_keep_gives_the_text_itself(keys, operator, type):
    for text in ("Ada Byron", "AB-4711001", "617-555-1234", "219-09-9999", "ada@byron.example", "203.0.113.7"):
        assert apply(operator, type, text, keys=keys, subject="p1") != text


@pytest.mark.parametrize("operator", ["pseudonym", "fpe", "surrogate", "date_shift"])
def test_one_identifier_has_one_replacement_and_another_key_gives_another(keys, operator):
    text = "1990-05-17" if operator == "date_shift" else "47110012345"
    other = operator_keys(SecretKey.generate(Purpose.SEAL), "general", year=2026)
    made = {apply(Operator(operator), "MRN", text, keys=keys, subject="p") for _ in range(3)}
    assert len(made) == 1
    if operator != "date_shift":  # a shift by one of 730 numbers may well be the same
        assert made != {apply(Operator(operator), "MRN", text, keys=other, subject="p")}


def test_spellings_of_one_identifier_share_a_pseudonym_and_types_do_not(keys):
    made = {apply(Operator.PSEUDONYM, "PERSON", t, keys=keys) for t in ("Dr. Ada Byron", "ADA  BYRON", "Ada Byron")}
    assert len(made) == 1
    assert apply(Operator.PSEUDONYM, "FACILITY", "Ada Byron", keys=keys) not in made


def test_without_a_vault_a_token_is_a_pseudonym(keys):
    assert apply(Operator.TOKEN, "MRN", "4711", keys=keys) == apply(Operator.PSEUDONYM, "MRN", "4711", keys=keys)


@pytest.mark.parametrize("operator", sorted(ONE_WAY))
def test_operators_without_a_way_back_need_no_key(keys, operator):
    for type, text in (("DATE", "1990-05-17"), ("AGE", "47"), ("ZIP", "02139"), ("PERSON", "Ada")):
        assert one_way(operator, type, text, year=2026) == apply(operator, type, text, keys=keys)


# --- format-preserving encryption -----------------------------------------------------------------------

K = "2B7E151628AED2A6ABF7158809CF4F3C"
K192, K256 = K + "EF4359D8D580AA4F", K + "EF4359D8D580AA4F7F036D6F04FC6A94"
DIGITS, ALNUM = string.digits, string.digits + string.ascii_lowercase
T1, T2 = "39383736353433323130", "3737373770717273373737"


@pytest.mark.parametrize(
    ("key", "tweak", "alphabet", "plain", "cipher"),
    [
        (K, "", DIGITS, "0123456789", "2433477484"),
        (K, T1, DIGITS, "0123456789", "6124200773"),
        (K, T2, ALNUM, "0123456789abcdefghi", "a9tv40mll9kdu509eum"),
        (K192, "", DIGITS, "0123456789", "2830668132"),
        (K192, T1, DIGITS, "0123456789", "2496655549"),
        (K192, T2, ALNUM, "0123456789abcdefghi", "xbj3kv35jrawxv32ysr"),
        (K256, "", DIGITS, "0123456789", "6657667009"),
        (K256, T1, DIGITS, "0123456789", "1001623463"),
        (K256, T2, ALNUM, "0123456789abcdefghi", "xs8a0azh2avyalyzuwd"),
    ],
)
def test_ff1_gives_the_samples_nist_published(key, tweak, alphabet, plain, cipher):
    """NIST's FF1samples.pdf, samples 1 to 9."""
    assert ff1.encrypt(key, tweak, alphabet, plain) == cipher
    assert ff1.decrypt(key, tweak, alphabet, cipher) == plain


CODES = st.text(st.sampled_from(string.ascii_letters + string.digits + "-/ ."), min_size=6, max_size=20)


@given(CODES)
def test_encryption_keeps_the_form_and_is_undone(keys, text):
    put = apply(Operator.FPE, "ID", text, keys=keys)
    if put == redacted("ID"):
        members = 1
        for char in text:
            members *= 10 if char in DIGITS else 26 if char in string.ascii_letters else 1
        assert members < 1_000_000
        return
    assert [_kind(c) for c in put] == [_kind(c) for c in text]
    assert undo("ID", put, keys=keys) == text


def _kind(char):
    return next((kind for kind in (DIGITS, string.ascii_uppercase, string.ascii_lowercase) if char in kind), char)


def test_encryption_is_a_permutation_of_the_form(keys):
    made = [apply(Operator.FPE, "MRN", f"A{n:06}", keys=keys) for n in range(3000)]
    assert len(set(made)) == 3000
    assert all(len(m) == 7 and m[0] in string.ascii_uppercase and m[1:].isdigit() for m in made)


def test_a_type_is_part_of_the_tweak(keys):
    assert apply(Operator.FPE, "MRN", "4711001", keys=keys) != apply(Operator.FPE, "ACCOUNT", "4711001", keys=keys)


# --- dates ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "date", "after_40_days"),
    [
        ("2020-03-04", (2020, 3, 4), "2020-04-13"),
        ("2020-03-04T10:00:00Z", (2020, 3, 4), "2020-04-13T10:00:00Z"),
        ("20200304", (2020, 3, 4), "20200413"),
        ("20200304101500", (2020, 3, 4), "20200413101500"),
        ("3/4/2020", (2020, 3, 4), "4/13/2020"),
        ("13/4/2020", (2020, 4, 13), "23/5/2020"),
        ("03/04/20", (2020, 3, 4), "04/13/20"),
        ("03/04/31", (1931, 3, 4), "04/13/31"),
        ("3.4.2020", (2020, 4, 3), "13.5.2020"),
        ("4 March 2020", (2020, 3, 4), "13 April 2020"),
        ("March 4th, 2020", (2020, 3, 4), "April 13, 2020"),
        ("4-Mar-2020", (2020, 3, 4), "13-Apr-2020"),
        ("MAR 4, 2020", (2020, 3, 4), "APR 13, 2020"),
        ("the 4th of march 2020 at 10", (2020, 3, 4), "the 13 of april 2020 at 10"),
    ],
)
def test_dates_are_read_and_written_as_they_were(text, date, after_40_days):
    written = read_date(text)
    assert written.date == datetime.date(*date)
    assert written.moved(40) == after_40_days


@pytest.mark.parametrize("text", ["2020", "03/2020", "13/13/2020", "2020-02-30", "spring", "1234567890", ""])
def test_what_is_no_whole_date_is_not_read_as_one(text):
    assert read_date(text) is None


@pytest.mark.parametrize(("text", "year"), [("in 1999", 1999), ("1999 or 2000", None), ("room 4711", None), ("", None)])
def test_a_year_is_taken_only_where_there_is_one(text, year):
    assert year_of(text) == year


@given(st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1)), st.integers(0, 9999), st.text(max_size=9))
def test_shifting_keeps_the_days_between_two_dates_of_one_subject(keys, first, days, subject):
    second = first + datetime.timedelta(days=days)
    one, two = (
        datetime.date.fromisoformat(apply(Operator.DATE_SHIFT, "DATE", str(d), keys=keys, subject=subject))
        for d in (first, second)
    )
    assert two - one == second - first
    assert 1 <= abs((one - first).days) <= 365


def test_subjects_move_by_different_numbers(keys):
    moved = {apply(Operator.DATE_SHIFT, "DATE", "2000-01-01", keys=keys, subject=f"p{n}") for n in range(100)}
    assert len(moved) > 80


# --- ZIP codes ------------------------------------------------------------------------------------------


def test_the_nineteen_areas_of_few_people_become_000():
    listed = ["036", "059", "063", "102", "203", "205", "369", "556", "692", "790"]
    listed += ["821", "823", "830", "831", "878", "879", "884", "890", "893"]
    assert sorted(RESTRICTED) == listed
    assert all(zip3(area + "01") == "000" for area in listed)
    kept = [f"{n:03}" for n in range(1000) if f"{n:03}" not in listed]
    assert all(zip3(area + "99") == area for area in kept)


# --- keys -----------------------------------------------------------------------------------------------


def test_tenants_and_uses_have_keys_of_their_own_and_a_new_key_changes_nothing():
    old, new = SecretKey.generate(Purpose.SEAL), SecretKey.generate(Purpose.SEAL)
    one = operator_keys(KeyRing([old]).oldest, "a", year=2026)
    rotated = operator_keys(KeyRing([old, new]).oldest, "a", year=2026)
    other = operator_keys(KeyRing([old]).oldest, "b", year=2026)
    assert one.digest("p", "x") == rotated.digest("p", "x") != other.digest("p", "x")
    assert one.digest("p", "x") != one.digest("q", "x")
    assert one.encrypt("123456", "t") == rotated.encrypt("123456", "t") != other.encrypt("123456", "t")
    assert one.decrypt(one.encrypt("123456", "t"), "t") == "123456"
    assert b"k" not in repr(one).encode().replace(b"keys", b"").replace(b"Keys", b"")


@pytest.mark.parametrize(
    ("type", "text", "shape"),
    [
        ("PHONE", "(617) 555-1234", r"\(\d{3}\) 555-01\d\d"),
        ("SSN", "219-09-9999", r"9\d\d-\d\d-\d{4}"),
        ("EMAIL", "ada@byron.org", r"[a-z.0-9]+@mail\.example"),
        ("URL", "https://a.org/x", r"https://www\.example\.org/\d+"),
        ("IP_ADDRESS", "10.0.0.7", r"203\.0\.113\.\d+"),
        ("IP_ADDRESS", "fe80::1", r"2001:db8::[0-9a-f]+"),
        ("PERSON", "BYRON, ADA", r"[A-Z]+, [A-Z]+"),
        ("PERSON", "ada byron", r"[a-z]+ [a-z]+"),
        ("PERSON", "Byron", r"[A-Z][a-z]+"),
        ("ZIP", "02139", r"000\d\d"),
        ("DATE", "2020-03-04", r"20(19|20|21)-\d\d-\d\d"),
        ("AGE", "47", r"40-49"),
        ("MRN", "AB-4711001", r"[A-Z]{2}-\d{7}"),
        ("SECRET", "x", r"<SECRET>"),
    ],
)
def test_surrogates_look_like_what_they_stand_for_and_belong_to_nobody(keys, type, text, shape):
    made = apply(Operator.SURROGATE, type, text, keys=keys, subject="p")
    assert re.fullmatch(shape, made), made
