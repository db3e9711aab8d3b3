"""Fields that cannot carry a token: what the model sees of them still has their type, and turns back where it may."""

import datetime
import re
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import Field

from toolguard import BoundTool
from toolguard._core.call import Tool
from toolguard._core.surrogate import Form, find, hints, spell
from toolguard._core.typed import FREE, NOTHING, Room, room_at
from toolguard._core.vault import Token, has_token, token_spans
from toolguard.errors import BadArgumentsError, DetectionError, ResultWithheldError

WORDS = {
    "Ada Byron": "PERSON",
    "1815-12-10": "DATE_OF_BIRTH",
    "1852-11-27": "DATE",
    "4711001": "MRN",
    "ada@byron.example": "EMAIL",
    "MA": "LOCATION",
}


@dataclass
class Patient:
    name: str
    born: datetime.date
    mrn: int
    seen: datetime.datetime | None = None
    mail: Annotated[str, Field(json_schema_extra={"format": "email"})] = ""


@pytest.fixture
def ward(session):
    """A session, a tool that is trusted and returns a patient, one that is not, and what they got."""
    got = []

    def find(born: datetime.date | None = None, mrn: int = 0) -> Patient:
        """Find."""
        got.append((born, mrn))
        return Patient(
            "Ada Byron", datetime.date(1815, 12, 10), 4711001, datetime.datetime(1852, 11, 27, 8), "ada@byron.example"
        )

    def send(born: datetime.date, note: str = "") -> str:
        """Send."""
        got.append((born, note))
        return f"sent {born}"

    def open_ward(more="", words=WORDS):
        return session(more, words=words), find, send, got

    return open_ward


SEEN = {
    "name": "<PERSON_1>",
    "born": "9000-01-02",
    "mrn": 900000000000001,
    "seen": "9000-01-03T00:00:00Z",
    "mail": "m1@masked.example",
}


def test_a_result_keeps_the_types_it_declares(ward):
    session, find, _, _ = ward()
    with session:
        seen = session.call(find, {})
        assert seen == SEEN
        Patient(**{**seen, "born": datetime.date.fromisoformat(seen["born"])})
        assert session.mask(seen) == seen, "masking it again changes nothing"
        assert session.call(find, {}) == seen, "one identifier has one surrogate in a session"


def test_what_the_model_saw_goes_back_to_a_trusted_tool_as_the_value(ward):
    session, find, _, got = ward()
    with session:
        seen = session.call(find, {})
        session.call(find, {"born": seen["born"], "mrn": seen["mrn"]})
    assert got[-1] == (datetime.date(1815, 12, 10), 4711001)


def test_an_untrusted_tool_gets_the_surrogate_and_reveals_nothing(ward):
    session, find, send, got = ward()
    with session:
        seen = session.call(find, {})
        session.call(send, {"born": seen["born"], "note": f"born {seen['born']}"})
        assert session.explain(send, {"born": seen["born"]}).effect.label == "allow"
    assert got[-1] == (datetime.date(9000, 1, 2), "born <DATE_OF_BIRTH_1>")


def test_a_token_in_a_date_field_of_an_untrusted_tool_becomes_a_surrogate(ward):
    session, find, send, got = ward()
    with session:
        session.mask("born 1815-12-10")
        session.call(send, {"born": "<DATE_OF_BIRTH_1>"})
        assert got[-1][0].year == 9000
        session.call(find, {"born": "<DATE_OF_BIRTH_1>"})
        assert got[-1][0] == datetime.date(1815, 12, 10)


def test_t8_a_date_the_model_wrote_itself_never_meets_a_protected_one(ward):
    """Neither the surrogate nor the token tells it that its guess was right."""
    session, find, send, got = ward()
    with session:
        seen = session.call(find, {})
        session.call(send, {"born": "1815-12-10"})
        assert got[-1][0].isoformat() not in ("1815-12-10", seen["born"])
        permit = session.authorise(session.guard.tool(send), {"born": "1815-12-10"}, ref=session.ref())
        assert permit.view == {"born": "<DATE_OF_BIRTH_M1>"}
    session.guard.close()


def test_no_tool_is_given_a_made_up_number(session):
    def pay(amount: int) -> str:
        """Pay."""
        raise AssertionError

    with session(words={"4711001": "MRN"}) as open_session:
        open_session.mask("MRN 4711001")
        for written in ("<MRN_1>", 4711001):
            with pytest.raises(BadArgumentsError):
                open_session.call(pay, {"amount": written})


def test_a_person_sees_the_values(ward):
    session, find, _, _ = ward()
    with session:
        text = str(session.call(find, {}))
        shown = session.reveal(text, purpose="treatment").text
    assert "1815-12-10" in shown
    assert "4711001" in shown
    assert "9000" not in shown


def test_the_record_of_a_reveal_names_the_types_of_the_values(ward):
    session, find, _, _ = ward()
    with session:
        session.reveal(str(session.call(find, {})), purpose="treatment")
        records = session.guard.parts.store.records()
    told = [r.draft.body["toolguard.phi.released"] for r in records if r.draft.kind == "values.revealed"]
    assert told == [["DATE:1", "DATE_OF_BIRTH:1", "EMAIL:1", "MRN:1", "PERSON:1"]]


def test_surrogates_end_with_their_session(ward, ana):
    session, find, _, got = ward()
    with session:
        seen = session.call(find, {})
        session.forget()
        session.call(find, {"born": seen["born"]})
        assert got[-1][0] == datetime.date(9000, 1, 2)
    with session.guard.session(caller=ana) as other:
        other.call(find, {"born": seen["born"], "mrn": seen["mrn"]})
    assert got[-1] == (datetime.date(9000, 1, 2), 900000000000001)


@pytest.mark.parametrize("planted", ["9000-01-02", "900000000000001", "m1@masked.example", 900000000000001])
def test_t9_a_planted_surrogate_stands_for_itself(ward, planted):
    session, find, _, _ = ward()
    with session:
        session.call(find, {})
        trap = BoundTool(tool=Tool.describe("trap", source="t"), invoke=lambda passed: {"x": planted})
        tool = Tool.describe("send", source="t")
        seen = session.call(BoundTool(tool=tool, invoke=trap.invoke), {})
        assert str(planted) not in str(seen)
        shown = session.reveal(str(seen["x"]), purpose="treatment").text
    assert shown == str(planted)


def test_a_surrogate_inside_code_is_not_resolved(ward):
    session, find, _, got = ward()

    def letter(body: str, query: str = "") -> str:
        """Letter."""
        got.append((body, query))
        return "ok"

    with session:
        seen = session.call(find, {})
        session.call(letter, {"body": "x", "query": f"select '{seen['name']}'"})
    assert got[-1][1] == "select '<PERSON_1>'"


# --- refusing -------------------------------------------------------------------------------------------


def test_with_refuse_a_typed_result_is_withheld_and_a_typed_argument_refused(ward):
    session, find, send, got = ward("masking: {typed: refuse}")
    with session:
        with pytest.raises(ResultWithheldError):
            session.call(find, {})
        session.mask("born 1815-12-10")
        with pytest.raises(BadArgumentsError):
            session.call(send, {"born": "<DATE_OF_BIRTH_1>"})
        session.call(send, {"born": datetime.date(2000, 1, 1)})
        with pytest.raises(DetectionError, match=r"masking\.typed"):
            session.mask("1815-12-10", schema={"type": "string", "format": "date"})
        assert session.mask("born 1815-12-10", schema={"type": "string"}) == "born <DATE_OF_BIRTH_1>"
    assert got[-1] == (datetime.date(2000, 1, 1), "")


# --- one-way operators in typed fields ------------------------------------------------------------------

DATE, WHEN = {"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}


@pytest.mark.parametrize(
    ("operators", "schema", "value", "put"),
    [
        ("{DATE_OF_BIRTH: redact}", DATE, "1815-12-10", "9000-01-01"),
        ("{DATE: year}", DATE, "1852-11-27", "1852-01-01"),
        ("{DATE: year}", WHEN, "1852-11-27T08:00:00Z", "1852-01-01T00:00:00Z"),
        ("{DATE_OF_BIRTH: year}", DATE, "1815-12-10", "1936-01-01"),
        ("{MRN: redact}", {"type": "integer"}, 4711001, 900000000000000),
        ("{AGE: age_bin}", {"type": "integer", "maximum": 150}, 47, 40),
        ("{AGE: age_bin}", {"type": "integer"}, 93, 90),
        ("{LOCATION: redact}", {"enum": ["MA", "NY", None]}, "MA", None),
        ("{LOCATION: redact}", {"enum": ["MA", "NY"]}, "MA", "<LOCATION>"),
        ("{}", {"anyOf": [{"enum": ["MA"]}, {"type": "null"}]}, "MA", None),
    ],
)
def test_what_has_no_way_back_keeps_the_type_too(session, operators, schema, value, put):
    words = {**WORDS, "47": "AGE", "93": "AGE"}
    words = {w: t for w, t in words.items() if w in str(value)}
    with session(f"masking: {{operators: {operators}}}", words=words) as open_session:
        masked = open_session.mask({"x": value}, schema={"type": "object", "properties": {"x": schema}})
        assert masked == {"x": put}


# --- room in a schema -----------------------------------------------------------------------------------

T = "<PERSON_1>"


@pytest.mark.parametrize(
    ("schema", "room"),
    [
        ({}, FREE),
        (True, FREE),
        ({"type": "string"}, FREE),
        ({"type": "string", "format": "date"}, Room(form=Form.DATE)),
        ({"type": "string", "format": "date-time"}, Room(form=Form.DATE, time=True)),
        ({"type": "string", "format": "uuid"}, Room(form=Form.UUID)),
        ({"type": "string", "format": "time"}, NOTHING),
        ({"type": "string", "format": "password"}, FREE),
        ({"type": "string", "maxLength": 9}, NOTHING),
        ({"type": "string", "maxLength": 10}, FREE),
        ({"type": "string", "minLength": 11}, Room(form=Form.INTEGER, digits=True)),
        ({"type": "string", "pattern": "^[0-9]+$"}, Room(form=Form.INTEGER, digits=True)),
        ({"type": "string", "pattern": "^[0-9]{9}$"}, NOTHING),
        ({"type": "string", "pattern": "PERSON"}, FREE),
        ({"type": "string", "pattern": "("}, NOTHING),
        ({"type": "string", "format": "email", "maxLength": 5}, NOTHING),
        ({"type": "integer"}, Room(form=Form.INTEGER)),
        ({"type": "number", "minimum": 0}, Room(form=Form.INTEGER)),
        ({"type": "integer", "maximum": 150}, NOTHING),
        ({"type": "integer", "exclusiveMaximum": 900000000000001}, NOTHING),
        ({"type": "integer", "multipleOf": 7}, NOTHING),
        ({"type": "boolean"}, NOTHING),
        ({"enum": ["a"]}, NOTHING),
        ({"enum": [T]}, FREE),
        ({"const": "a"}, NOTHING),
        ({"type": ["string", "null"]}, Room(token=True, null=True)),
        ({"type": ["integer", "null"]}, Room(form=Form.INTEGER, null=True)),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, FREE),
        ({"anyOf": [{"type": "integer"}, {"enum": ["a"]}]}, Room(form=Form.INTEGER)),
        ({"oneOf": [{"type": "null"}, {"$ref": "#/$defs/d"}]}, Room(form=Form.DATE, null=True)),
        ({"allOf": [{"type": "string"}, {"format": "date"}]}, Room(form=Form.DATE)),
        ({"allOf": [{"type": "integer"}, {"format": "date"}]}, NOTHING),
        ({"$ref": "#/$defs/d"}, Room(form=Form.DATE)),
        ({"$ref": "#/$defs/loop"}, FREE),
        ({"$ref": "#/nowhere"}, FREE),
    ],
)
def test_what_a_field_has_room_for(schema, room):
    root = {
        "type": "object",
        "properties": {"x": schema, "list": {"prefixItems": [True], "items": schema}},
        "additionalProperties": schema,
        "$defs": {"d": {"type": "string", "format": "date"}, "loop": {"$ref": "#/$defs/loop"}},
    }
    for path in (("x",), ("other",), ("list", 1)):
        found = room_at(root, path, T)
        assert (found.token, found.form, found.time, found.digits) == (room.token, room.form, room.time, room.digits)
        assert found.token or found.null == room.null


SCHEMAS = st.recursive(
    st.sampled_from(
        [
            {"type": "string"},
            {"type": "string", "format": "date"},
            {"type": "string", "format": "date-time"},
            {"type": "string", "format": "email"},
            {"type": "string", "format": "uuid"},
            {"type": "string", "format": "ipv4"},
            {"type": "string", "format": "ipv6"},
            {"type": "string", "format": "uri"},
            {"type": "string", "format": "hostname"},
            {"type": "integer"},
            {"type": "number", "minimum": 5},
            {"type": "string", "pattern": "^[0-9]+$"},
            {"type": "string", "maxLength": 40, "minLength": 2},
            {"type": ["string", "null"], "format": "date"},
        ]
    ),
    lambda inner: st.one_of(
        st.builds(lambda a, b: {"anyOf": [a, b]}, inner, inner), st.builds(lambda a: {"allOf": [a]}, inner)
    ),
    max_leaves=4,
)


@given(SCHEMAS, st.integers(0, 328_000))
def test_what_is_put_into_a_field_is_valid_there(schema, number):
    room = room_at(schema, (), T)
    put = T if room.token else room.spelled(number)
    assert put is not None
    errors = list(Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(put))
    assert not errors


# --- surrogates as text ---------------------------------------------------------------------------------


@given(st.sampled_from(list(Form)), st.integers(0, 999_999), st.booleans(), st.sampled_from(["", " ", "(", '"', "é"]))
def test_a_surrogate_is_read_back_as_itself(form, number, time, around):
    made = spell(form, number, time=time)
    if made is None:
        assert form is Form.DATE
        assert number >= 328_718
        return
    text = f"{around}{made}{around}"
    found = list(find(text))
    assert [(f.form, f.number) for f in found] == [(form, number)]
    assert hints(text)
    assert has_token(text.encode())
    assert [s.token for s in token_spans(text)] == [Token(type=form.value, index=number)]


@pytest.mark.parametrize(
    "text",
    [
        "2020-01-02",
        "9999-12-31",
        "9900-01-01",
        "9000-13-01",
        "19000-01-02",
        "9000-01-022",
        "90000000000000",
        "9000000000000010",
        "1.900000000000001",
        "m1@masked.example.org",
        "xm1@masked.example",
        "https://masked.example/x",
        "240.0.0",
        "240.0.0.256",
        "1240.0.0.1",
        "2001:db8::1",
        "70676400-7467-8000-8000-00000000000",
        "h1.masked.examples",
    ],
)
def test_real_values_are_no_surrogates(text):
    assert token_spans(text) == []


@given(st.dates(max_value=datetime.date(8999, 12, 31)), st.integers(max_value=899_999_999_999_999))
def test_no_date_or_number_of_this_age_is_one(date, number):
    assert token_spans(f"{date} {date}T00:00:00Z {number}") == []


def test_a_form_that_is_used_up_gives_no_more():
    assert spell(Form.DATE, 328_717) == "9899-12-31"
    assert spell(Form.DATE, 328_718) is None
    assert spell(Form.UUID, 1_000_000) is None
    assert re.fullmatch(r"[0-9a-f-]{36}", str(spell(Form.UUID, 999_999)))


def test_an_enum_that_is_a_tools_own_word_is_left_to_the_tool(session):
    """What cannot be a token, and has no surrogate, is refused rather than broken."""

    def move(state: Literal["MA", "NY"]) -> str:
        """Move."""
        return state

    with session(words={"MA": "LOCATION"}) as open_session, pytest.raises(BadArgumentsError):
        open_session.call(move, {"state": "MA"})
