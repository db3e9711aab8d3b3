"""A no that is asked again until somebody says yes: as another call, another spelling, one of many, or too late."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attacks.test_gates_standing import HEAD, Gate
from toolguard._core.approval import Answer
from toolguard.errors import DeniedError
from toolguard.testing.fakes import FakeClock

POLICY = (
    HEAD
    + """\
defaults: {per_run: 90, per_person: 100}
approvals:
  default: {approvers: ["group:privacy-office"], expires: 48h, denial_memory: 15m}
  long: {approvers: ["group:privacy-office"], expires: 48h, denial_memory: 72h}
tools:
  send: {risk: high, decisive: [to, cc]}
  post: {risk: high}
  wire: {risk: high, decisive: [to, amount]}
rules:
  - {id: long, because: Money., match: {tool: wire}, effect: require_approval, approval: long}
"""
)
TO = {"to": "Evil@x.example", "cc": None, "text": "hello"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def gate(tmp_path: Path, clock: FakeClock) -> Iterator[Gate]:
    gate = Gate(tmp_path, POLICY, store="memory:", clock=clock)
    yield gate
    gate.desk.store.close()


def is_refused(gate: Gate, arguments: dict[str, Any], tool: str = "send", call_id: str = "again", **more: Any) -> bool:
    """Whether it is not even asked."""
    try:
        gate.session(**more).call(gate.tool(tool), arguments, call_id=call_id)
    except DeniedError as refused:
        assert gate.ran == []
        return refused.code == "denied_before"
    except Exception:
        assert gate.ran == []
    return False


SPELLINGS: dict[str, dict[str, Any]] = {
    "the very same": TO,
    "another text": {**TO, "text": "something else"},
    "one argument more": {**TO, "priority": 1},
    "in another order": dict(reversed(TO.items())),
    "in small letters": {**TO, "to": "evil@x.example"},
    "in capitals": {**TO, "to": "EVIL@X.EXAMPLE"},
    "with a blank before": {**TO, "to": " Evil@x.example"},
    "with a line break after": {**TO, "to": "Evil@x.example\n"},
    "with a no-break space": {**TO, "to": "\u00a0Evil@x.example"},
    "in full width": {**TO, "to": "Ｅvil@x.example"},
    "with a zero width space": {**TO, "to": "Evil\u200b@x.example"},
    "with a soft hyphen": {**TO, "to": "Ev\u00adil@x.example"},
    "with a word joiner": {**TO, "to": "Evil@x\u2060.example"},
    "with a direction mark": {**TO, "to": "\u202aEvil@x.example\u202c"},
    "with a tag character": {**TO, "to": "Evil@x.example\U000e0041"},
    "with a variation selector": {**TO, "to": "Evil\ufe0f@x.example"},
}


@pytest.mark.parametrize("arguments", SPELLINGS.values(), ids=SPELLINGS)
def test_t22_another_spelling_of_what_was_denied_is_not_asked_again(gate: Gate, arguments: dict[str, Any]) -> None:
    gate.say(Answer.DENY, gate.ask("first", TO))
    assert is_refused(gate, arguments)
    assert not is_refused(gate, {**TO, "to": "someone@y.example"}, call_id="another")


LISTS: dict[str, Any] = {
    "the very same": ["Evil@x.example", "b@x.example"],
    "in another order": ["b@x.example", "Evil@x.example"],
    "in another case": ["EVIL@x.example", "b@x.example"],
    "with a blank": ["Evil@x.example ", "b@x.example"],
    "one twice": ["Evil@x.example", "b@x.example", "b@x.example"],
}


@pytest.mark.parametrize("to", LISTS.values(), ids=LISTS)
def test_t22_a_list_of_targets_is_the_same_in_any_order_and_spelling(gate: Gate, to: Any) -> None:
    gate.say(Answer.DENY, gate.ask("first", {**TO, "to": LISTS["the very same"]}))
    assert is_refused(gate, {**TO, "to": to})


NUMBERS: dict[str, Any] = {"a float": 100.0, "as text": "100", "as text with a point": "100.0", "exponent": "1e2"}


@pytest.mark.parametrize("amount", NUMBERS.values(), ids=NUMBERS)
def test_t22_a_number_written_another_way_is_the_same_target(gate: Gate, amount: Any) -> None:
    gate.say(Answer.DENY, gate.ask("first", {"to": "a", "amount": 100}, gate.tool("wire")))
    assert is_refused(gate, {"to": "a", "amount": amount}, "wire")


@pytest.mark.parametrize("arguments", [{"text": "Hello  There"}, {"text": "hello there "}, {"text": "HELLO THERE"}])
def test_t22_where_no_target_is_named_the_whole_call_is_the_target(gate: Gate, arguments: dict[str, Any]) -> None:
    gate.say(Answer.DENY, gate.ask("first", {"text": "hello there"}, gate.tool("post")))
    assert is_refused(gate, arguments, "post")


def test_t22_a_no_is_not_lost_in_a_flood(gate: Gate) -> None:
    gate.say(Answer.DENY, gate.ask("first", TO))
    for n in range(60):
        gate.ask(f"flood-{n}", {**TO, "to": f"person-{n}@y.example"})
    assert is_refused(gate, TO)


def test_a_no_to_what_had_waited_long_counts_from_the_no(gate: Gate, clock: FakeClock) -> None:
    first = gate.ask("first", TO)
    clock.advance(30 * 3600.0)
    gate.say(Answer.DENY, first)
    clock.advance(60.0)
    assert is_refused(gate, TO)


def test_a_no_holds_as_long_as_the_policy_says_and_no_longer(gate: Gate, clock: FakeClock) -> None:
    wire = {"to": "a", "amount": 100}
    gate.say(Answer.DENY, gate.ask("first", wire, gate.tool("wire")))
    clock.advance(71 * 3600.0)
    assert is_refused(gate, wire, "wire")
    clock.advance(3601.0)
    assert not is_refused(gate, wire, "wire", call_id="later")


def test_a_no_holds_for_every_agent_and_run_of_the_person(gate: Gate) -> None:
    gate.say(Answer.DENY, gate.ask("first", TO))
    assert is_refused(gate, TO, run="another")
    assert is_refused(gate, TO, run="another", caller=replace(gate.ana, agent="other-agent"))
    badge = replace(gate.ana, person=replace(gate.ana.person, issuer="badge", subject="7781"))
    assert is_refused(gate, TO, caller=badge)


def test_t22_asking_again_and_again_comes_to_an_end(gate: Gate) -> None:
    """Caps hold for the run, and over all runs for the person."""
    for n in range(90):
        gate.ask(f"c{n}", {**TO, "to": f"person-{n}@y.example"})
    with pytest.raises(DeniedError) as refused:
        gate.session().call(gate.tool(), {**TO, "to": "one-more@y.example"}, call_id="more")
    assert refused.value.code == "request_cap"
    other = gate.session(run="another")
    for n in range(10):
        gate.ask(f"d{n}", {**TO, "to": f"other-{n}@y.example"}, session=other)
    with pytest.raises(DeniedError) as refused:
        gate.session(run="a third").call(gate.tool(), {**TO, "to": "last@y.example"}, call_id="more")
    assert refused.value.code == "request_cap"
    assert gate.ran == []
