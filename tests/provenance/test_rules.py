"""What a policy can say of it: `match.origin` and `origin(args.x)`."""

from __future__ import annotations

import pytest

from policy.support import decided, facts, policy
from provenance.support import LINKED, MODEL, PLACE, RESULT, SYSTEM, TEXT, THING, USER
from toolguard._core.provenance import Provenance, Traced
from toolguard.errors import PolicyError


def of(*origins, aim=PLACE, **more):
    return Provenance(traced=tuple(Traced(path=("to", i), aim=aim, came=o, **more) for i, o in enumerate(origins)))


def effect(rule, provenance):
    loaded = policy(
        "tools: {t: {}, other: {}}\ndefaults: {by_risk: {low: require_approval}}\n"
        f"rules: [{{id: r, because: b, {rule}}}]"
    )
    return decided(loaded, facts(provenance=provenance)).effect.label


@pytest.mark.parametrize(
    ("origins", "denied"),
    [((), False), ((USER,), False), ((USER, RESULT), True), ((LINKED, SYSTEM), False), ((MODEL,), True)],
)
def test_a_rule_that_restricts_matches_where_any_value_came_from_there(origins, denied):
    assert (effect("match: {origin: [result, model]}, effect: deny", of(*origins)) == "deny") is denied


@pytest.mark.parametrize(
    ("origins", "allowed"),
    [((), False), ((USER,), True), ((USER, LINKED), True), ((USER, RESULT), False), ((SYSTEM,), False)],
)
def test_a_rule_that_allows_matches_only_where_every_value_did(origins, allowed):
    assert (effect("match: {origin: [user, linked]}, effect: allow", of(*origins)) == "allow") is allowed


def test_what_the_system_lists_itself_and_what_is_only_said_decide_nothing():
    rule = "match: {origin: [result]}, effect: deny"
    assert effect(rule, of(RESULT, aim=THING, listed=True)) != "deny"
    assert effect(rule, of(RESULT, aim=PLACE, listed=True)) != "deny"
    assert effect(rule, of(RESULT, aim=PLACE, listed=True, outside="mailbox")) == "deny"
    assert effect(rule, of(RESULT, aim=TEXT)) != "deny"
    assert effect(rule, of(RESULT, aim=THING)) == "deny"


@pytest.mark.parametrize(
    ("asked", "word"), [("args.to", "result"), ("args.to[0]", "user"), ("args", "result"), ("args.cc", "")]
)
def test_a_condition_can_ask_of_one_argument(asked, word):
    rule = f"when: 'origin({asked}) == \"{word}\"', effect: deny"
    assert effect(rule, of(USER, RESULT)) == "deny"


@pytest.mark.parametrize("word", ["result", "[user, results]", "everybody", "[]"])
def test_a_word_that_is_none_is_said_aloud(word):
    if word == "result":
        policy("tools: {t: {}}\nrules: [{id: r, because: b, effect: deny, match: {origin: result}}]")
        return
    with pytest.raises(PolicyError, match="origin"):
        policy(f"tools: {{t: {{}}}}\nrules: [{{id: r, because: b, effect: deny, match: {{origin: {word}}}}}]")
