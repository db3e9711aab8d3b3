"""What a model is told to write where an answer has a date or a number, and no room for a token."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest

from toolguard import Caller, Guard, Session
from toolguard._core.flow.typed import MOST_SURROGATES
from toolguard.policyfile import load_policy

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: ward, version: 1}
approvals: {default: {approvers: ["group:privacy-office"]}}
tools: {toolguard.reveal: {risk: low}}
"""
TEXT = "SSN 219-09-9999, MRN 48213377, seen on 2024-03-05 and on March 7, 2024, mail maria@hospital.org"
FIELDS: dict[str, dict[str, Any]] = {
    "date": {"type": "string", "format": "date"},
    "date-time": {"type": "string", "format": "date-time"},
    "integer": {"type": "integer"},
    "digits": {"type": "string", "pattern": "^[0-9]{15}$"},
    "email": {"type": "string", "format": "email"},
}


@functools.cache
def guard(policy: str) -> Guard:
    return Guard(load_policy(policy))


def session(policy: str = POLICY) -> Session:
    return guard(policy).session(caller=Caller.of("ana", agent="desk", tenant="general"))


def told(schema: Any, text: str = TEXT, policy: str = POLICY) -> list[tuple[str, str]]:
    with session(policy) as at:
        return [(each.token, each.field) for each in at.surrogates(at.mask(text), schema)]


@pytest.mark.parametrize(
    ("field", "tokens"),
    [
        ("date", ["<DATE_1>", "<DATE_2>"]),
        ("date-time", ["<DATE_1>", "<DATE_2>"]),
        ("integer", ["<MRN_1>"]),
        ("digits", ["<MRN_1>"]),
        ("email", ["<EMAIL_1>"]),
    ],
)
def test_a_token_has_one_for_each_field_that_its_value_fits(field: str, tokens: list[str]) -> None:
    assert told(FIELDS[field]) == [(token, field) for token in tokens]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "array", "items": FIELDS["date"]}}},
        {"$defs": {"A": {"properties": {"b": FIELDS["date"]}}}, "properties": {"a": {"$ref": "#/$defs/A"}}},
        {"anyOf": [FIELDS["date"], {"type": "null"}]},
        [{"type": "object"}, {"properties": {"format": FIELDS["date"], "type": {"type": "string"}}}],
    ],
)
def test_such_a_field_may_stand_anywhere_in_a_schema(schema: Any) -> None:
    assert told(schema) == [("<DATE_1>", "date"), ("<DATE_2>", "date")]


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "string"},
        {"type": "integer", "maximum": 150},
        {"type": "string", "enum": ["a", "b"]},
        {"properties": {"a": {"type": "boolean"}}},
    ],
)
def test_none_where_a_token_fits_or_no_surrogate_does(schema: Any) -> None:
    assert told(schema) == []


def test_none_where_the_policy_refuses_surrogates() -> None:
    assert told(FIELDS["date"], policy=POLICY + "masking: {typed: refuse}\n") == []


def test_none_for_what_this_session_never_issued() -> None:
    with session() as at:
        assert at.surrogates("<DATE_1> <MRN_7> 9000-01-02", list(FIELDS.values())) == ()


def test_each_turns_back_and_is_the_same_every_time() -> None:
    with session() as at:
        masked = at.mask(TEXT)
        first = at.surrogates(masked, list(FIELDS.values()))
        assert asyncio.run(at.asurrogates(masked, list(FIELDS.values()))) == first
        for each in first:
            token = at.reveal(each.token, purpose="treatment").text
            assert at.reveal(str(each.value), purpose="treatment").text == token
        assert at.mask([each.value for each in first], origin="model") == [each.value for each in first]


def test_of_a_long_conversation_the_last_are_told() -> None:
    dates = [f"20{year:02}-01-{day:02}" for year in range(1, 7) for day in range(1, 29)]
    with session() as at:
        masked = at.mask(dates)
        given = at.surrogates(masked, FIELDS["date"])
    assert len(dates) > MOST_SURROGATES
    assert [each.token for each in given] == masked[-MOST_SURROGATES:]
