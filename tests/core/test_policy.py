"""Decisions: the most restrictive wins, order never matters, errors never make anything milder."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolguard._core.call import Caller, Tool
from toolguard._core.condition import ConditionError, Facts
from toolguard._core.decide import decide
from toolguard._core.mask import Finding
from toolguard._core.policy import (
    ApproverRule,
    Defaults,
    Effect,
    Handling,
    Match,
    Mode,
    Policy,
    Rule,
    ToolRule,
    glob_matches,
)
from toolguard._core.risk import Evidence, Risk, RiskClass, RiskLevel

TOOL = Tool.describe("fhir.search", source="app")
PRIVACY = ApproverRule(name="privacy", approvers=("group:privacy",))


class Says:
    """A condition that answers what it is told."""

    source = "test"

    def __init__(self, answer):
        self.answer = answer

    def holds(self, facts):
        if isinstance(self.answer, ConditionError):
            raise self.answer
        return self.answer


def facts(level=RiskLevel.LOW, **more):
    risk = Risk(risk_class=RiskClass.READ, level=level)
    base = {"tool": TOOL, "caller": Caller.of("ana", agent="a", tenant="t", roles={"nurse"}), "data": {}, "risk": risk}
    return Facts(**(base | more))


FHIR = (ToolRule(pattern="fhir.*"),)


def policy(*rules, tools=FHIR, **more):
    approvals = {"default": PRIVACY, "privacy": PRIVACY}
    return Policy(id="p", version="1", sha256="s", rules=rules, tools=tools, approvals=approvals, **more)


def decided(pol, tool=TOOL, **more):
    return decide(pol, pol.plan(tool), facts(tool=tool, **more))


def rule(id, effect, when=None, **more):
    return Rule(id=id, because=f"Because of {id}.", effect=effect, when=when, **more)


@pytest.mark.parametrize(
    ("level", "effect"),
    [
        (RiskLevel.LOW, Effect.ALLOW),
        (RiskLevel.MEDIUM, Effect.ALLOW),
        (RiskLevel.HIGH, Effect.REQUIRE_APPROVAL),
        (RiskLevel.CRITICAL, Effect.DENY),
    ],
)
def test_without_a_rule_the_risk_decides(level, effect):
    assert decided(policy(), level=level).effect is effect


@pytest.mark.parametrize(("first", "second"), list(itertools.product(Effect, Effect)))
def test_the_more_restrictive_of_two_rules_wins(first, second):
    pol = policy(rule("one", first), rule("two", second))
    assert decided(pol).effect is max(first, second)


@given(st.lists(st.sampled_from(list(Effect)), max_size=5), st.sampled_from(list(RiskLevel)), st.randoms())
def test_the_order_of_rules_never_matters(effects, level, random):
    rules = [rule(f"r{i}", e) for i, e in enumerate(effects)]
    shuffled = rules.copy()
    random.shuffle(shuffled)
    assert decided(policy(*rules), level=level) == decided(policy(*shuffled), level=level)


@given(st.lists(st.sampled_from(list(Effect)), max_size=5), st.sampled_from(list(RiskLevel)))
def test_adding_a_deny_never_allows(effects, level):
    rules = [rule(f"r{i}", e) for i, e in enumerate(effects)]
    assert decided(policy(*rules, rule("no", Effect.DENY)), level=level).effect is Effect.DENY


@given(st.sampled_from(list(Effect)), st.sampled_from(list(Effect)))
def test_a_rule_that_fails_counts_as_matched_and_is_never_milder(effect, on_error):
    failing = rule("r", effect, Says(ConditionError("missing_argument")), on_error=on_error)
    decision = decided(policy(failing))
    assert decision.effect >= max(effect, on_error)
    assert decision.fired[0].error == "missing_argument"


def test_an_explicit_allow_replaces_only_the_default():
    assert decided(policy(rule("yes", Effect.ALLOW)), level=RiskLevel.CRITICAL).effect is Effect.ALLOW
    both = policy(rule("yes", Effect.ALLOW), rule("ask", Effect.REQUIRE_APPROVAL))
    assert decided(both, level=RiskLevel.LOW).effect is Effect.REQUIRE_APPROVAL


def test_an_allow_does_not_make_an_unknown_tool_known():
    other = Tool.describe("shell", source="app")
    assert decided(policy(rule("yes", Effect.ALLOW)), tool=other).effect is Effect.DENY
    assert decided(policy(), tool=other).reason_code == "unknown_tool"


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        (Match(tool=("fhir.*",)), True),
        (Match(tool=("FHIR.Search",)), True),
        (Match(tool=("ehr.*",)), False),
        (Match(role=frozenset({"nurse", "doctor"})), True),
        (Match(role=frozenset({"doctor"})), False),
        (Match(category=frozenset({"read"})), True),
        (Match(category=frozenset({"exfiltration"})), False),
        (Match(agent=("a*",)), True),
        (Match(environment=frozenset({"development"})), False),
        (Match(data=frozenset({"SSN"})), True),
        (Match(data=frozenset({"MRN"})), False),
        (Match(min_risk=RiskLevel.HIGH), False),
        (Match(min_risk=RiskLevel.LOW), True),
        (Match(tool=("fhir.*",), role=frozenset({"doctor"})), False),
    ],
)
def test_every_field_of_a_match_must_hold(match, holds):
    pol = policy(rule("r", Effect.DENY, match=match))
    present = (Finding(path=("q",), start=0, end=4, type="SSN"),)
    assert (decided(pol, present=present).effect is Effect.DENY) == holds


def test_any_evidence_of_a_class_puts_a_call_into_that_category():
    leak = Evidence(source="args.url", risk_class=RiskClass.EXFILTRATION, level=RiskLevel.MEDIUM, text="Goes outside.")
    risk = Risk(risk_class=RiskClass.WRITE, level=RiskLevel.MEDIUM, evidence=(leak,))
    pol = policy(rule("r", Effect.DENY, match=Match(category=frozenset({"exfiltration"}))))
    assert decided(pol, risk=risk).effect is Effect.DENY


def test_t6_trust_binds_to_the_tools_identity():
    named = ToolRule(pattern="fhir.*", source="mcp://hospital", trusted_for=frozenset({"PERSON"}))
    pol = policy(tools=(named,))
    hostile = Tool.describe("fhir.lookup", source="mcp://elsewhere")
    assert decided(pol, tool=hostile).reason_code == "drift"
    assert pol.plan(hostile).rule.trusted_for == frozenset()
    real = Tool.describe("fhir.lookup", source="mcp://hospital")
    assert decided(pol, tool=real).effect is Effect.ALLOW
    pinned = policy(tools=(ToolRule(pattern="fhir.lookup", digest=real.identity.digest),))
    changed = Tool.describe("fhir.lookup", source="mcp://hospital", description="now does more")
    assert decided(pinned, tool=changed).effect is Effect.DENY


def test_the_more_specific_pattern_wins_field_by_field():
    pol = policy(
        tools=(
            ToolRule(pattern="fhir.search", risk=RiskLevel.HIGH),
            ToolRule(pattern="fhir.*", risk=RiskLevel.LOW, trusted_for=frozenset({"MRN"}), args={"id": Handling.PASS}),
        )
    )
    plan = pol.plan(TOOL)
    assert plan.rule.risk is RiskLevel.HIGH
    assert plan.rule.trusted_for == {"MRN"}
    assert plan.handling(("id", 0)) is Handling.PASS


def test_masking_of_all_matching_rules_unites():
    pol = policy(
        rule("a", Effect.MASK, args={"name": Handling.MASK, "note": Handling.DEFAULT}),
        rule("b", Effect.MASK, args={"note": Handling.MASK}, results=Handling.MASK, max_result_chars=50),
        rule("c", Effect.ALLOW, max_result_chars=10),
    )
    asked = decided(pol).obligations
    assert asked.args == {"name": Handling.MASK, "note": Handling.MASK}
    assert asked.max_result_chars == 10


def test_shadow_mode_records_what_it_would_do_and_never_asks():
    decision = decided(policy(mode=Mode.SHADOW), level=RiskLevel.HIGH)
    assert decision.effect is Effect.MASK
    assert decision.would is Effect.REQUIRE_APPROVAL
    assert decision.approver_rules == ()


def test_a_shadow_rule_is_reported_and_decides_nothing():
    decision = decided(policy(rule("maybe", Effect.DENY, shadow=True)))
    assert decision.effect is Effect.ALLOW
    assert decision.fired[0].shadow
    assert decision.rule_ids == ()


def test_every_approval_a_matching_rule_names_has_to_be_given():
    other = ApproverRule(name="security", approvers=("group:security",))
    pol = Policy(
        id="p",
        version="1",
        sha256="s",
        tools=(ToolRule(pattern="*"),),
        approvals={"default": PRIVACY, "privacy": PRIVACY, "security": other},
        rules=(
            rule("a", Effect.REQUIRE_APPROVAL, approval="privacy"),
            rule("b", Effect.REQUIRE_APPROVAL, approval="security"),
        ),
    )
    assert {r.name for r in decided(pol).approver_rules} == {"privacy", "security"}


def test_a_risk_the_defaults_do_not_name_is_denied():
    pol = policy(defaults=Defaults(by_risk={RiskLevel.LOW: Effect.ALLOW}))
    assert decided(pol, level=RiskLevel.MEDIUM).effect is Effect.DENY


def test_reasons_are_those_of_the_rules_that_set_the_effect():
    decision = decided(policy(rule("ask", Effect.REQUIRE_APPROVAL), rule("ok", Effect.ALLOW)))
    assert decision.because == "Because of ask."


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("fhir.*", "fhir.read", True),
        ("fhir.*", "fhirXread", False),
        ("fhir.?", "fhir.a", True),
        ("a[b]", "ab", False),
        ("a[b]", "A[B]", True),
        ("*", "", True),
        ("*drop*", "DROP table\nx", True),
    ],
)
def test_globs_are_literal_but_for_star_and_question_mark(pattern, name, matches):
    assert glob_matches(pattern, name) is matches
