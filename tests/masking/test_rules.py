"""What ``effect: mask`` and the ``args`` and ``results`` of a rule do: withhold, and nothing else."""

import pytest

from toolguard._core.policy import Handling
from toolguard.errors import PolicyError

TOOLS = """\
tools:
  find: {risk: low, trusted_for: [PERSON, MRN], results: pass}
  relay: {risk: low, args: {body: pass}}
  slow: {risk: medium, trusted_for: [PERSON]}
  toolguard.reveal: {risk: low}
"""


@pytest.fixture
def call(policy, ana):
    """``call(rules, tool, **args)``: what the tool got and what the model sees; the tool returns a name."""
    from toolguard import Guard
    from toolguard.testing import WordDetector

    def go(more, name="find", **arguments):
        got = []

        def function(a: str = "", b: str = "", body: str = "") -> str:
            got.append((a, b, body))
            return "Ada Byron"

        function.__name__ = name
        words = {"Ada Byron": "PERSON", "4711001": "MRN"}
        with Guard(policy(more, tools=TOOLS), detector=WordDetector(words)).session(caller=ana) as session:
            session.mask("Ada Byron 4711001")
            seen = session.call(function, arguments)
            decision = session.explain(function, arguments)
        return got[0], seen, decision

    return go


RULE = "rules:\n- {{id: r, because: So., effect: {}}}\n"


@pytest.mark.parametrize(
    ("rule", "got", "seen"),
    [
        ("allow", ("Ada Byron", "4711001", ""), "Ada Byron"),
        ("mask", ("<PERSON_1>", "<MRN_1>", ""), "<PERSON_1>"),
        ("mask, args: {a: mask}", ("<PERSON_1>", "4711001", ""), "<PERSON_1>"),
        ("mask, args: {'*': mask}", ("<PERSON_1>", "<MRN_1>", ""), "<PERSON_1>"),
        ("mask, results: mask", ("Ada Byron", "4711001", ""), "<PERSON_1>"),
        ("allow, args: {a: mask}", ("<PERSON_1>", "4711001", ""), "Ada Byron"),
        ("allow, results: mask", ("Ada Byron", "4711001", ""), "<PERSON_1>"),
        ("mask, shadow: true", ("Ada Byron", "4711001", ""), "Ada Byron"),
        ("mask, match: {tool: other}", ("Ada Byron", "4711001", ""), "Ada Byron"),
        ("mask, when: 'args.b == \"x\"'", ("Ada Byron", "4711001", ""), "Ada Byron"),
        ("allow, when: 'args.gone == 1', on_error: mask", ("<PERSON_1>", "<MRN_1>", ""), "<PERSON_1>"),
    ],
)
def test_what_a_rule_withholds(call, rule, got, seen):
    assert call(RULE.format(rule), a="<PERSON_1>", b="<MRN_1>")[:2] == (got, seen)


def test_mask_withholds_what_the_tools_own_entry_passes(call):
    """The model's own words, too, where the entry says pass."""
    got, _, _ = call("", "relay", body="Ada Byron")
    assert got == ("", "", "Ada Byron")
    got, _, _ = call(RULE.format("mask"), "relay", body="Ada Byron")
    assert got == ("", "", "<PERSON_M1>")


def test_several_rules_add_up_and_their_order_does_not_matter(call):
    one = "- {id: one, because: So., effect: mask, args: {a: mask}}\n"
    two = "- {id: two, because: So., effect: allow, args: {b: mask}}\n"
    three = "- {id: three, because: So., effect: mask, results: mask}\n"
    for rules in (one + two + three, three + two + one):
        got, seen, decision = call("rules:\n" + rules, a="<PERSON_1>", b="<MRN_1>")
        assert (got, seen) == (("<PERSON_1>", "<MRN_1>", ""), "<PERSON_1>")
        assert dict(decision.obligations.args) == {"a": Handling.MASK, "b": Handling.MASK}


@pytest.mark.parametrize(
    ("more", "got"),
    [
        ("defaults: {by_risk: {medium: mask}}", "<PERSON_1>"),
        ("defaults: {by_risk: {medium: mask}}\n" + RULE.format("allow"), "Ada Byron"),
        ("defaults: {by_risk: {low: mask}}", "Ada Byron"),
    ],
)
def test_a_default_of_mask_masks(call, more, got):
    assert call(more, "slow", a="<PERSON_1>")[0][0] == got


def test_in_shadow_mode_masking_still_masks_and_what_would_be_denied_is_let_through_as_it_is(call):
    got, seen, _ = call("mode: shadow\n" + RULE.format("mask"), a="<PERSON_1>")
    assert (got[0], seen) == ("<PERSON_1>", "<PERSON_1>")
    got, _, decision = call("mode: shadow\n" + RULE.format("deny"), a="<PERSON_1>")
    assert (got[0], decision.reason_code) == ("Ada Byron", "shadow")


@pytest.mark.parametrize(
    ("field", "path"),
    [
        ("args: {a: pass}", "rules[0].args.a"),
        ("args: {a: unmask}", "rules[0].args.a"),
        ("args: {a: default}", "rules[0].args.a"),
        ("results: pass", "rules[0].results"),
    ],
)
def test_a_word_that_would_do_nothing_is_refused(policy, field, path):
    with pytest.raises(PolicyError) as refused:
        policy(RULE.format(f"allow, {field}"))
    problem = refused.value.problems[0]
    assert problem.path == path
    assert "a rule can only withhold" in problem.message
    assert "under tools" in problem.message
