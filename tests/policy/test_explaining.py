"""Explanations: the same decision told to an auditor, an approver and the model, and never a clear value."""

from __future__ import annotations

import pytest

from policy.support import decided, facts, found, policy, risk
from toolguard._core.condition import Facts
from toolguard._core.policy import Policy
from toolguard.errors import PolicyError
from toolguard.policyfile import Explanation, explain

TEXT = """
tools: {"db.*": {}}
approvals:
  default: {approvers: [group:office]}
  privacy: {approvers: [group:privacy, person:ann], quorum: 2, expires: 90m}
rules:
- id: secret-rule-name
  because: "Exports need the privacy office."
  match: {tool: "db.*"}
  when: 'args.limit > 10'
  effect: require_approval
  approval: privacy
  controls: ["soc2:CC6.7", "hipaa:164.502(b)"]
- id: watched
  because: "Being tried out."
  when: 'phi(args.note).size() > 0'
  effect: deny
  shadow: true
- {id: night, because: "No changes at night.", effect: deny, when: 'hour > 22'}
"""
LOADED = policy(TEXT)
DATA = {"limit": 50, "note": "MRN 12345678"}
GIVEN = facts(DATA, tool="db.run", present=found(DATA, MRN="note"), risk=risk("medium", "write"))


def explained(given: Facts = GIVEN, loaded: Policy = LOADED, **options: object) -> Explanation:
    return explain(decided(loaded, given), loaded, **options)


def test_the_auditor_reads_everything_that_led_to_the_decision() -> None:
    text = explained().auditor
    for part in (
        "The call waits for approval (rule).",
        f"sha256 {LOADED.sha256}",
        "Risk: write, medium.",
        "Evidence: It looks like write.",
        "Rule 'secret-rule-name' (line 10) asks for require_approval: Exports need the privacy office.",
        "Controls: hipaa:164.502(b), soc2:CC6.7.",
        "It reads args.limit.",
        "Rule 'watched' (line 17) asks for deny in shadow: Being tried out.",
        "It reads phi(args.note).",
        "Approval by privacy: 2 of group:privacy, person:ann within 90 minutes.",
    ):
        assert part in text
    assert "night" not in text


def test_values_are_shown_only_from_the_masked_view_and_only_where_a_rule_read_them() -> None:
    told = explained(masked={"limit": 50, "note": "MRN <MRN_1>"})
    assert told.values == {"args.limit": 50, "args.note": "MRN <MRN_1>"}
    assert "Value of args.limit, masked: 50." in told.auditor
    assert explained().values == {}
    for text in (told.auditor, told.approver, told.model, repr(told), str(told.to_dict())):
        assert "12345678" not in text


def test_the_approver_reads_reasons_and_evidence() -> None:
    text = explained().approver
    assert text.startswith("Exports need the privacy office.")
    assert "It looks like write." in text
    assert "secret-rule-name" not in text


@pytest.mark.parametrize(
    ("effect", "said"),
    [("allow", "is allowed"), ("mask", "identifiers are masked"), ("require_approval", "needs a person's approval"), ("deny", "refused by policy")],
)  # fmt: skip
def test_the_model_reads_a_constant_text(effect: str, said: str) -> None:
    rule = "tools: {t: {}}\nrules:\n- {id: secret-rule, because: 'Because of project Zebra.', effect: %s}"
    loaded = policy(rule % effect)
    texts = {explained(facts({"x": word}), loaded).model for word in ("a", "b")}
    assert len(texts) == 1
    text = texts.pop()
    assert said in text
    assert "secret-rule" not in text
    assert "Zebra" not in text


def test_a_rule_that_could_not_be_evaluated_is_told_without_a_value() -> None:
    told = explained(facts({"limit": "SSN 123-45-6789"}, tool="db.run"))
    assert told.rules[0].error == "wrong_type"
    assert "could not be evaluated, because an argument it reads is not of the kind it expects" in told.auditor
    assert "A rule could not be evaluated" in told.approver
    assert "123-45" not in told.auditor + told.approver + told.model


def test_where_no_rule_matched_the_default_is_the_reason() -> None:
    told = explained(facts({"limit": 1}, tool="db.run"))
    assert "No rule matched: The policy's default for low risk." in told.auditor
    unknown = explained(facts({"limit": 1}, tool="other"))
    assert "The policy does not name this tool." in unknown.auditor
    assert unknown.effect == "deny"


def test_shadow_mode_says_what_it_would_have_done() -> None:
    loaded = policy("mode: shadow\n" + TEXT)
    told = explained(GIVEN, loaded)
    assert (told.effect, told.would, told.reason_code) == ("mask", "require_approval", "shadow")
    assert "Outside shadow mode it would be: waits for approval." in told.auditor


def test_an_explanation_by_another_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="another policy"):
        explain(decided(LOADED, GIVEN), policy(TEXT + "\n# changed"))


def test_controls_of_a_rule_that_is_only_tried_out_are_not_put_into_practice() -> None:
    tried = policy(TEXT.replace("effect: require_approval", "effect: require_approval\n  shadow: true"))
    assert decided(tried, GIVEN).controls == ()
    assert decided(LOADED, GIVEN).controls == ("hipaa:164.502(b)", "soc2:CC6.7")


@pytest.mark.parametrize("word", ["hipaa", "HIPAA:1", "hipaa:", "hipaa: x", "soc2:<b>", 5])
def test_a_control_names_its_framework(word: object) -> None:
    with pytest.raises(PolicyError, match="controls"):
        policy(f"rules: [{{id: r, because: b, effect: deny, controls: [{word!r}]}}]")
