"""Rules about the time before a call, as tables: what ran, and what the next call then gets."""

import json

import pytest

from toolguard import DeniedError, Suspended
from toolguard.errors import PolicyError, ResultWithheldError
from toolguard.policyfile.explain import explain

HOUR = 3600.0


def rule(match, effect="deny", **more):
    said = {"id": "r", "because": "b", "effect": effect, "match": match} | more
    return json.dumps(said)


def outcome(session, ward, name, arguments):
    try:
        session.call(ward.tool(name), arguments)
    except DeniedError as fault:
        return fault.code
    except Suspended:
        return "asked"
    except ResultWithheldError:
        return "withheld"
    return "ran"


def play(ward, session, calls):
    """Each call's outcome; a number lets that many seconds pass."""
    said = []
    for step in calls:
        if isinstance(step, int | float):
            ward.clock.advance(step)
        else:
            name, arguments = step if isinstance(step, tuple) else (step, {})
            said.append(outcome(session, ward, name, FILLED.get(name, {}) | arguments))
    return said


FILLED = {
    "fetch_page": {"url": "https://news.example/a"},
    "send": {"to": "bo", "text": "hello"},
    "chart": {"patient": "1"},
    "search": {"name": "a"},
    "read_file": {"path": "/nowhere/x.txt"},
    "upload": {"path": "/nowhere/x.txt"},
    "write_note": {"text": "hello"},
    "read_note": {"note_id": "n-77"},
}


def chart(patient):
    return ("chart", {"patient": patient})


SEND = {"tool": "send"}

TABLE = {
    "after a call of that name": (
        SEND | {"after": {"tool": "fetch_*"}},
        ["send", "clock", "send", "fetch_page", "send"],
        "ran ran ran ran denied",
    ),
    "after, whatever the case of the name": (
        SEND | {"after": {"tool": "FETCH_page"}},
        ["fetch_page", "send"],
        "ran denied",
    ),
    "after a call of that kind": (
        SEND | {"after": {"category": "read"}},
        ["send", "clock", "send"],
        "ran ran denied",
    ),
    "after both a name and a kind": (
        SEND | {"after": {"tool": ["fetch_*", "send"], "category": ["communication"]}},
        ["fetch_page", "send", "send"],
        "ran ran denied",
    ),
    "after, for a time": (
        SEND | {"after": {"tool": "fetch_*", "within": "1h"}},
        ["fetch_page", "send", HOUR - 1, "send", 2, "send"],
        "ran denied denied ran",
    ),
    "more than so many calls": (
        {"tool": "clock", "more_than": {"calls": 2, "per": "1h"}},
        ["clock", "clock", "clock", "send", HOUR + 1, "clock"],
        "ran ran denied ran ran",
    ),
    "more than so many calls of a kind": (
        {"category": ["read"], "more_than": {"calls": 2, "per": "1h"}},
        ["clock", "send", "fetch_page", "send", "clock"],
        "ran ran ran ran denied",
    ),
    "more than none": (
        {"tool": "clock", "more_than": {"calls": 0, "per": "1h"}},
        ["clock"],
        "denied",
    ),
    "more than so many patients": (
        {"patients": {"more_than": 2, "per": "1d"}},
        [chart("1"), chart("2"), chart("1"), chart("3"), chart("2"), "clock", 25 * HOUR, chart("3")],
        "ran ran ran denied ran ran ran",
    ),
    "patients in the results count": (
        {"category": ["read"], "patients": {"more_than": 5, "per": "1d"}},
        [
            ("search", {"name": "a", "most": 3}),
            ("search", {"name": "a", "most": 3}),
            chart("z"),
            chart("y"),
            chart("x"),
        ],
        "ran ran ran ran denied",
    ),
    "a result about more patients than anybody may see is withheld": (
        {"category": ["read"], "patients": {"more_than": 5, "per": "1d"}},
        [("search", {"name": "a", "most": 50}), ("search", {"name": "b", "most": 5}), chart("z")],
        "withheld ran denied",
    ),
    "the web taints": (
        SEND | {"taint": ["untrusted"]},
        ["send", "clock", "send", "fetch_page", "send", 400 * 24 * HOUR, "send"],
        "ran ran ran ran denied denied",
    ),
    "what the policy says is trusted does not": (
        SEND | {"taint": ["untrusted"]},
        ["read_file", "chart", "search", "send"],
        "ran ran ran ran",
    ),
    "a file nobody wrote through the guard": (
        {"category": ["exfiltration"], "label": ["phi", "unknown"]},
        ["upload"],
        "denied",
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_rule_decides_by_what_was_before(ward, name):
    match, calls, expected = TABLE[name]
    guard = ward.guard([rule(match)])
    with guard.session(caller=ward.person()) as session:
        assert play(ward, session, calls) == expected.split()


def test_where_approval_is_asked_a_result_over_the_budget_passes_and_the_next_call_is_asked(ward):
    guard = ward.guard([rule({"category": ["read"], "patients": {"more_than": 5, "per": "1d"}}, "require_approval")])
    with guard.session(caller=ward.person()) as session:
        calls = [("search", {"name": "a", "most": 50}), chart("z")]
        assert play(ward, session, calls) == ["ran", "asked"]


WHO = {
    "the same": {},
    "another person": {"who": "chen"},
    "another agent": {"agent": "night"},
    "another tenant": {"tenant": "x"},
}
BY = {
    "session": "ran ran ran ran",
    "person": "denied ran denied ran",
    "agent": "denied denied ran ran",
    "tenant": "denied denied denied ran",
}


@pytest.mark.parametrize("other", WHO)
@pytest.mark.parametrize("by", BY)
def test_whose_calls_count(ward, by, other):
    """One call has run; then one in another session, of the same person and agent or of another."""
    guard = ward.guard([rule({"tool": "clock", "more_than": {"calls": 1, "per": "1h", "by": by}})])
    with guard.session(caller=ward.person()) as session:
        assert play(ward, session, ["clock"]) == ["ran"]
    with guard.session(caller=ward.person(**WHO[other])) as session:
        assert play(ward, session, ["clock"]) == [BY[by].split()[list(WHO).index(other)]]


def test_a_shadow_rule_never_limits(ward):
    guard = ward.guard([rule({"tool": "clock", "more_than": {"calls": 1, "per": "1h"}}, shadow=True)])
    with guard.session(caller=ward.person()) as session:
        assert play(ward, session, ["clock", "clock", "clock"]) == ["ran", "ran", "ran"]
        assert [f.id for f in session.explain(ward.tool("clock")).fired] == ["r"]


def test_explaining_tells_the_counts_and_asks_nobody(ward):
    guard = ward.guard(
        [
            rule({"patients": {"more_than": 2, "per": "1d"}}),
            rule({"tool": "chart", "taint": ["untrusted"]}, "mask", id="t"),
        ]
    )
    with guard.session(caller=ward.person()) as session:
        play(ward, session, [chart("1"), chart("2"), "fetch_page"])
        decision = session.explain(ward.tool("chart"), {"patient": "MRN-9"})
        assert set(decision.history.told()) == {"taint:untrusted", "patients:3>2"}
        assert "9" not in "".join(decision.history.told())
        assert len(ward.ran) == 3


def test_records_say_what_was_known_and_hold_no_identifier(ward):
    guard = ward.guard([rule({"patients": {"more_than": 1, "per": "1d"}}), rule({"taint": ["phi"]}, "mask", id="t")])
    with guard.session(caller=ward.person()) as session:
        play(ward, session, [chart("MRN-4711"), chart("MRN-0815")])
    bodies = [r.draft.body for r in ward.desk.store.records() if r.draft.kind == "call.decided"]
    assert bodies[-1]["toolguard.policy.rule.id"] == ["r", "t"]
    assert bodies[-1]["toolguard.session.taints"] == ["phi"]
    assert bodies[-1]["toolguard.history.counts"] == ["patients:2>1"]
    assert not [b for b in bodies if "MRN-4711" in str(b) or "MRN-0815" in str(b)]


REFUSED = {
    "names no calls": {"after": {"within": "1h"}},
    "would allow more the more has happened": {"taint": ["untrusted"]},
    "is not a duration": {"more_than": {"calls": 2, "per": "soon"}},
    "Input should be": {"more_than": {"calls": 2, "per": "1h", "by": "planet"}},
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_makes_no_sense_is_refused_with_its_line(ward, why):
    effect = "allow" if why.startswith("would") else "deny"
    with pytest.raises(PolicyError) as refused:
        ward.guard([rule(REFUSED[why], effect)])
    assert refused.value.problems
    if not why.startswith("Input"):
        assert why in str(refused.value.problems)


def test_a_rule_may_allow_after_a_call(ward):
    guard = ward.guard(
        [
            rule({"tool": "send", "after": {"tool": "clock"}}, "allow", id="a"),
        ]
    )
    with guard.session(caller=ward.person()) as session:
        assert [f.id for f in session.explain(ward.tool("send"), FILLED["send"]).fired] == []
        play(ward, session, ["clock"])
        assert [f.id for f in session.explain(ward.tool("send"), FILLED["send"]).fired] == ["a"]


def test_a_condition_reads_the_taint_of_the_session(ward):
    guard = ward.guard([rule(SEND, when='"untrusted" in session.taints')])
    with guard.session(caller=ward.person()) as session:
        assert play(ward, session, ["send", "fetch_page", "send"]) == ["ran", "ran", "denied"]


def test_an_approver_is_told_in_words_what_was_before(ward):
    guard = ward.guard([rule({"tool": "upload", "label": ["unknown"], "taint": ["untrusted"]}, "require_approval")])
    with guard.session(caller=ward.person()) as session:
        play(ward, session, ["fetch_page"])
        told = explain(session.explain(ward.tool("upload"), FILLED["upload"]), guard.parts.policy)
    assert "This session has read text that strangers can write." in told.approver
    assert "Nobody knows what is in a file that the arguments refer to." in told.approver
    assert "Known of the time before it: taint:untrusted, label:unknown." in told.auditor
