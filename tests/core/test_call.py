"""Canonical form and digests: one exact call, written one way."""

import copy
import dataclasses
import datetime as dt
import hmac
import json
import uuid
from decimal import Decimal
from enum import Enum, StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolguard._core.call import (
    Caller,
    CallRef,
    Person,
    Tool,
    args_digest,
    call_digest,
    canonical,
    canonical_text,
    flat_text,
    freeze,
    keyed_digest,
)
from toolguard.errors import BadArgumentsError, IdentityError

KEY = b"k" * 32
TOOL = Tool.describe("export", source="app", schema={"type": "object"})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        # RFC 8785, section 3.2.2 and appendix B
        (
            [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
            "[333333333.3333333,1e+30,4.5,0.002,1e-27]",
        ),
        (
            [5e-324, -5e-324, 1.7976931348623157e308, 9007199254740992.0],
            "[5e-324,-5e-324,1.7976931348623157e+308,9007199254740992]",
        ),
        (
            [-0.0, 0.0, 1e21, 9.999999999999997e22, 0.000001, 9.5e-7],
            "[0,0,1e+21,9.999999999999997e+22,0.000001,9.5e-7]",
        ),
        ("\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/", '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'),
        # keys are sorted by UTF-16 code units: U+1F600 (D83D DE00) comes before U+FB33
        ({"\ufb33": 1, "\U0001f600": 2, "\u20ac": 3, "1": 4, "\r": 5}, '{"\\r":5,"1":4,"€":3,"😀":2,"\ufb33":1}'),
        ({"literals": [None, True, False]}, '{"literals":[null,true,false]}'),
        # beyond JSON: tagged, exactly
        (2**53, '{"$int":"9007199254740992"}'),
        (Decimal("1.10"), '{"$decimal":"1.10"}'),
        (dt.date(1980, 2, 3), '{"$date":"1980-02-03"}'),
        (b"\x00\xff", '{"$bytes":"AP8="}'),
        ({2, 1}, '{"$set":[1,2]}'),
        (uuid.UUID(int=1), '{"$uuid":"00000000-0000-0000-0000-000000000001"}'),
        ((1, 2), "[1,2]"),
    ],
)
def test_canonical_form(value, text):
    assert canonical(value) == text.encode()


def test_a_plain_argument_cannot_pass_for_a_tagged_one():
    assert canonical({"$decimal": "1.10"}) != canonical(Decimal("1.10"))
    assert canonical({"$$date": 1}) != canonical({"$date": 1})


class Colour(Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    when: dt.date


def test_enums_dataclasses_and_models_are_written_by_content():
    assert canonical(Colour.RED) == b'"red"'
    assert canonical(Point(x=1, when=dt.date(2020, 1, 1))) == b'{"when":{"$date":"2020-01-01"},"x":1}'


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        {1: "a"},
        {"a": object()},
        "\ud800",
        {"\ud800": 1},
        ["\udfff"],
        object(),
    ],
)
def test_what_cannot_be_written_exactly_is_refused(value):
    with pytest.raises(BadArgumentsError, match="did not run"):
        freeze(value)


def test_nesting_is_bounded():
    value: object = 1
    for _ in range(70):
        value = [value]
    with pytest.raises(BadArgumentsError, match="deep"):
        freeze(value)


def test_refusals_never_show_the_value():
    with pytest.raises(BadArgumentsError) as refused:
        freeze({"ssn": {"123-45-6789": type("Secret", (), {"__repr__": lambda self: "123-45-6789"})()}})
    assert "123" not in str(refused.value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_frozen_data_is_a_detached_copy_with_the_same_canonical_form(value):
    frozen = freeze(value)
    assert freeze(frozen.data).canonical == frozen.canonical
    before = frozen.canonical
    if isinstance(value, list):
        value.append("changed")
    elif isinstance(value, dict):
        value["changed"] = True
    assert freeze(frozen.data).canonical == before


@given(JSON)
def test_canonical_form_is_json_that_reads_back(value):
    json.loads(canonical(value))


@given(JSON, JSON)
def test_equal_digests_only_for_equal_canonical_forms(a, b):
    one = args_digest(KEY, tenant="t", tool=TOOL.identity, arguments=freeze(a))
    two = args_digest(KEY, tenant="t", tool=TOOL.identity, arguments=freeze(b))
    assert (one == two) == (freeze(a).canonical == freeze(b).canonical)


@pytest.mark.parametrize(
    "other",
    [
        {"tenant": "u"},
        {"tool": Tool.describe("export", source="elsewhere", schema={"type": "object"}).identity},
        {"tool": Tool.describe("export", source="app", schema={"type": "object"}, description="other").identity},
        {"target": "x"},
        {"arguments": freeze({"path": "/y"})},
    ],
)
def test_invariant_2_the_same_arguments_elsewhere_do_not_match(other):
    base = {"tenant": "t", "tool": TOOL.identity, "arguments": freeze({"path": "/x"}), "target": ""}
    assert args_digest(KEY, **base) != args_digest(KEY, **(base | other))


@pytest.mark.parametrize(
    "ref",
    [
        CallRef(run="r2", call_id="c"),
        CallRef(run="r", call_id="d"),
        CallRef(run="r", call_id="c", ordinal=1),
        CallRef(run="rc", call_id=""),
    ],
)
def test_invariant_2_another_run_call_or_position_is_another_call(ref):
    args = args_digest(KEY, tenant="t", tool=TOOL.identity, arguments=freeze({}))
    assert call_digest(KEY, args=args, ref=ref) != call_digest(KEY, args=args, ref=CallRef(run="r", call_id="c"))


def test_digests_are_keyed_and_versioned():
    one = args_digest(KEY, tenant="t", tool=TOOL.identity, arguments=freeze({}))
    two = args_digest(b"x" * 32, tenant="t", tool=TOOL.identity, arguments=freeze({}))
    assert one.startswith("v1:")
    assert one != two


@pytest.mark.parametrize("missing", ["subject", "tenant", "agent", "issuer"])
def test_identity_has_no_default(missing):
    who = {"subject": "ana", "agent": "a", "tenant": "t", "issuer": "local"} | {missing: ""}
    with pytest.raises(IdentityError):
        Caller.of(who["subject"], agent=who["agent"], tenant=who["tenant"], issuer=who["issuer"])


def test_a_person_is_not_a_string():
    with pytest.raises(IdentityError):
        Caller(person="ana", agent="a", tenant="t")  # type: ignore[arg-type]  # the mistake this is about
    assert Person(issuer="i", tenant="t", subject="s").ref == "i|t|s"


# --- the last look at what is really passed -------------------------------------------------------------


@given(JSON, JSON)
def test_arguments_hold_a_value_if_and_only_if_it_freezes_to_the_same_bytes(value, other):
    frozen = freeze(value)
    assert frozen.holds(value)
    assert frozen.holds(copy.deepcopy(value))
    assert frozen.holds(other) == (freeze(other).canonical == frozen.canonical)


class _Word(str):
    """A text of a class of its own."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("judged", "passed", "holds"),
    [
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": 1.0}, True),  # both are written 1
        ({"a": 0}, {"a": False}, False),
        ({"a": 0.0}, {"a": -0.0}, True),
        ({"a": "1"}, {"a": 1}, False),
        ({"a": None}, {"a": False}, False),
        ({"a": None}, {}, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": [1, 2]}, {"a": (1, 2)}, True),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": [1, 2]}, {"a": [1, 2, 3]}, False),
        ({"a": "x"}, {_Word("a"): _Word("x")}, True),
        ({"a": Decimal("1.0")}, {"a": "1.0"}, False),  # its view is the same text
        ({"a": "1.0"}, {"a": Decimal("1.0")}, False),
        ({"a": {1, 2}}, {"a": [1, 2]}, False),
        ({"a": dt.date(2026, 1, 2)}, {"a": "2026-01-02"}, False),
        ({"a": 2**60}, {"a": 2**60}, True),
        ({"a": 2**60}, {"a": str(2**60)}, False),
        ({"$a": "x"}, {"$$a": "x"}, False),
    ],
)
def test_only_what_is_written_the_same_is_what_was_judged(judged, passed, holds):
    assert freeze(judged).holds(passed) is holds


@pytest.mark.parametrize("passed", [{"a": object()}, {"a": float("nan")}, {1: 2}])
def test_what_cannot_be_written_is_refused_and_not_taken_for_what_was_judged(passed):
    with pytest.raises(BadArgumentsError):
        freeze({"a": 1}).holds(passed)


@pytest.mark.parametrize("key", [b"", b"k", b"k" * 64, b"k" * 65, b"k" * 200])
def test_a_keyed_digest_is_hmac_sha256_of_framed_parts(key):
    expected = hmac.digest(key, b"3:one,3:two,0:,", "sha256").hex()
    assert keyed_digest(key, "one", b"two", b"") == keyed_digest(key, "one", b"two", b"") == f"v1:{expected}"


@given(st.binary(max_size=200), st.text(max_size=20), st.lists(st.binary(max_size=80), max_size=5))
def test_a_keyed_digest_is_the_hmac_of_the_standard_library_for_any_key(key, purpose, parts):
    framed = b"".join(b"%d:%b," % (len(part), part) for part in (purpose.encode(), *parts))
    assert keyed_digest(key, purpose, *parts) == f"v1:{hmac.new(key, framed, 'sha256').hexdigest()}"


def test_records_are_written_the_same_with_and_without_their_layout():
    body = {"b": "x{}%s", "a": ["y", '"'], "n": 3, "t": True, "f": False, "z": None, "{k}": "ü"}
    assert flat_text(body) == canonical(body).decode()
    for odd in (
        {"a": 1.5, "b": ""},
        {"a": {}, "b": ""},
        {"$a": 1, "b": 2},
        {"ü": 1, "b": 2},
        {"a": 2**60, "b": 1},
        {"a": [1], "b": 1},
    ):
        assert flat_text(odd) == ""
        assert canonical_text(odd) == canonical(odd).decode()


class Shouted(StrEnum):
    A = "a"

    def __str__(self) -> str:
        return "A"


KEYS = st.sampled_from(["a", "b%s", "{c}", 'd"', "e"])
PLAIN = st.one_of(st.text(), st.integers(-99, 99), st.booleans(), st.none(), st.lists(st.text(), max_size=3))
OTHER = st.one_of(PLAIN, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.just(Shouted.A))


@given(st.lists(st.dictionaries(KEYS, PLAIN, min_size=2), min_size=2, max_size=4))
def test_the_text_of_a_body_is_its_canonical_text_whatever_stood_under_its_keys_before(bodies):
    for body in bodies:
        assert flat_text(body) == canonical(body).decode()


@given(st.lists(st.dictionaries(KEYS, OTHER, min_size=2), min_size=2, max_size=4))
def test_a_body_that_is_written_otherwise_has_no_text_or_the_right_one(bodies):
    for body in bodies:
        assert flat_text(body) in ("", canonical(body).decode())
