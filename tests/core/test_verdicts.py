"""Who counts, for which seat, in which stage: approver rules with stages, escalation, fallback and stand-ins."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.test_approval import NOW, give, request, verdict, voter
from toolguard._core.approval import Answer, Approval, Assured, StandingTerms, State, Vary
from toolguard._core.approver import ApproverRule, Escalation, Stage, StandingLimits, entries_of
from toolguard._core.verdicts import agreed_terms, eligible_for, tally, turn_of, waits_for
from toolguard.errors import ApprovalError

SURE = {"assured": Assured.STEPPED_UP}


def asked(*rules, **more):
    return Approval(request=request(approver_rules=rules, **more))


def rule(*approvers, **more):
    return ApproverRule(name="r", approvers=approvers or ("group:privacy",), **more)


def refused(code, approval, name, **more):
    with pytest.raises(ApprovalError) as caught:
        give(approval, name, **more)
    assert caught.value.code == code


# --- entries


@pytest.mark.parametrize(
    ("entry", "name", "groups", "fills"),
    [
        ("group:privacy", "chen", ("privacy",), True),
        ("group:privacy", "chen", ("security",), False),
        ("person:chen", "chen", (), True),
        ("person:chen", "cheng", (), False),
        ("oncall:nights", "chen", ("oncall:nights",), True),
        ("oncall:nights", "chen", ("nights",), False),
        ("group:nights", "chen", ("oncall:nights",), False),
        ("person:privacy", "chen", ("privacy",), False),
    ],
)
def test_an_entry_is_filled_by_who_it_names_and_nobody_else(entry, name, groups, fills):
    assert (entry in entries_of(name, groups)) is fills
    assert bool(eligible_for(request(approver_rules=(rule(entry),)), voter(name, *(groups or ("x",))), NOW)) is fills


# --- stages


STAGED = rule("group:privacy", then=(Stage(approvers=("group:board",), quorum=2),))


def test_a_stage_opens_when_the_one_before_is_complete():
    approval = asked(STAGED)
    refused("not_your_turn", approval, "bob", groups=("board",))
    assert turn_of(approval, voter("bob", "board"), NOW) == ()
    one = give(approval, "chen")
    assert (one.state, waits_for(one, STAGED)) == (State.PENDING, True)
    refused("not_your_turn", one, "lee", now=NOW + 2)
    two = give(one, "bob", now=NOW + 2, groups=("board",))
    assert two.state is State.PENDING
    three = give(two, "eve", now=NOW + 3, groups=("board",))
    assert (three.state, waits_for(three, STAGED)) == (State.APPROVED, False)


def test_whoever_stands_in_a_later_stage_may_say_no_at_once():
    assert give(asked(STAGED), "bob", Answer.DENY, groups=("board",)).state is State.DENIED


def test_invariant_4_one_person_counts_once_in_a_rule_whatever_stages_they_stand_in():
    one = give(asked(rule("person:chen", then=(Stage(approvers=("person:chen", "person:lee")),))), "chen")
    refused("decided", one, "chen", now=NOW + 2)
    assert give(one, "lee", now=NOW + 2).state is State.APPROVED


def test_one_person_may_complete_two_rules_at_once():
    other = replace(rule("group:security"), name="s")
    assert give(asked(rule(), other), "chen", groups=("privacy", "security")).state is State.APPROVED


def test_a_yes_given_for_one_stage_is_not_counted_again_when_the_next_opens():
    both = ("group:privacy", "group:board")
    staged = rule("group:privacy", then=(Stage(approvers=both),))
    one = give(asked(staged), "chen", groups=("privacy", "board"))
    assert one.state is State.PENDING


# --- escalation and fallback


@pytest.mark.parametrize(("waited", "code"), [(9.9, "not_an_approver"), (10.0, ""), (30.0, "")])
def test_an_escalation_opens_the_request_to_more_after_a_while(waited, code):
    approval = asked(rule("person:boss", escalate=(Escalation(after=10.0, approvers=("group:privacy",)),)))
    if code:
        refused(code, approval, "chen", now=NOW + waited)
    else:
        assert give(approval, "chen", now=NOW + waited).state is State.APPROVED


def test_a_yes_from_before_an_escalation_counts_by_the_time_it_was_given():
    """A row that says the yes came later than it did would open the door: time is part of what is signed."""
    early = rule("person:boss", escalate=(Escalation(after=10.0, approvers=("group:privacy",)),))
    assert (
        tally(Approval(request=request(approver_rules=(early,)), verdicts=(verdict("chen", at=NOW + 9),)))
        is State.PENDING
    )
    assert (
        tally(Approval(request=request(approver_rules=(early,)), verdicts=(verdict("chen", at=NOW + 10),)))
        is State.APPROVED
    )


def test_a_fallback_decides_only_where_the_first_stage_had_nobody():
    backed = rule("person:gone", fallback=("group:privacy",))
    refused("not_an_approver", asked(backed), "chen")
    assert give(asked(backed, fallback=frozenset({"r"})), "chen").state is State.APPROVED
    refused("not_an_approver", asked(backed, fallback=frozenset({"another"})), "chen")


# --- seats: who stands in for whom


def test_who_stands_in_fills_the_others_seat():
    approval = asked(rule("group:privacy", quorum=2))
    acting = (("group:privacy", "ada"),)

    def stand_in(approval, name, now, *groups):
        from toolguard._core.verdicts import Voter, add_verdict

        who = Voter(person=name, identity=voter(name).identity, groups=frozenset(groups), acting=acting)
        return add_verdict(approval, verdict(name, at=now, groups=groups, acting=acting), who, now=now)

    one = stand_in(approval, "cy", NOW + 1)
    assert one.state is State.PENDING
    refused_twice = give(one, "ada", now=NOW + 2)
    assert refused_twice.state is State.PENDING, "a seat counts once, whoever of the two sits in it"
    assert give(refused_twice, "lee", now=NOW + 3).state is State.APPROVED
    own = stand_in(approval, "cy", NOW + 1, "privacy")
    assert give(own, "ada", now=NOW + 2).state is State.APPROVED, "cy has a seat of their own"


@pytest.mark.parametrize(
    "acting", [(("group:privacy", "ana"),), (("person:ana", "ana"),), (("group:privacy", "owner"),)]
)
def test_invariant_3_who_stands_in_for_an_excluded_person_does_not_count_through_that_seat(acting):
    from toolguard._core.verdicts import Voter

    who = Voter(person="cy", identity=voter("cy").identity, groups=frozenset(), acting=acting)
    open_to = request(approver_rules=(rule("group:privacy", "person:ana"),))
    assert eligible_for(open_to, who, NOW) == ()
    planted = Approval(request=open_to, verdicts=(verdict("cy", groups=(), acting=acting),))
    assert tally(planted) is State.PENDING


# --- how sure, what was seen, how often


def test_step_up_is_needed_for_a_yes_and_not_for_a_no():
    strict = asked(rule(step_up=True))
    refused("step_up_required", strict, "chen")
    assert give(strict, "chen", **SURE).state is State.APPROVED
    assert give(strict, "chen", Answer.DENY).state is State.DENIED
    assert tally(replace(strict, verdicts=(verdict("chen"),))) is State.PENDING


def test_t7_where_something_decisive_is_hidden_only_who_was_shown_it_says_yes():
    hidden = asked(rule(), hidden=("to",), sealed_decisive=b"x")
    refused("reveal_required", hidden, "chen")
    assert give(hidden, "chen", seen_decisive_digest="v1:d").state is State.APPROVED
    assert give(hidden, "chen", Answer.DENY).state is State.DENIED
    assert tally(replace(hidden, verdicts=(verdict("chen"),))) is State.PENDING
    assert give(asked(rule(reveal=False), hidden=("to",), sealed_decisive=b"x"), "chen").state is State.APPROVED
    assert give(asked(rule(), hidden=("to",)), "chen").state is State.APPROVED, "where no key could have sealed it"


def test_t22_a_yes_over_budget_asks_for_one_person_more_in_that_stage():
    approval = asked(rule())
    one = give(approval, "chen", over_budget=True)
    assert one.state is State.PENDING
    assert give(one, "lee", now=NOW + 2).state is State.APPROVED
    both = give(one, "lee", now=NOW + 2, over_budget=True)
    assert both.state is State.APPROVED, "one more, not one more for each"


def test_a_reason_is_required_where_any_rule_requires_it():
    lax = replace(rule(reason_required=False), name="lax")
    assert give(asked(lax), "chen", reason="").state is State.APPROVED
    refused("reason_required", asked(lax, rule()), "chen", reason="")


# --- what stands

LIMITS = StandingLimits(seconds=600.0, uses=5)
TERMS = StandingTerms(seconds=60.0, uses=2)


@pytest.mark.parametrize(
    ("given_", "stands"),
    [
        ((TERMS, TERMS), True),
        ((TERMS, None), False),
        ((None, TERMS), False),
        ((TERMS, replace(TERMS, uses=1)), False),
        ((None, None), False),
    ],
)
def test_terms_hold_if_everyone_who_says_yes_gives_the_same(given_, stands):
    approval = asked(rule(quorum=2, standing=LIMITS))
    for n, (name, terms) in enumerate(zip(("chen", "lee"), given_, strict=True), start=1):
        approval = give(approval, name, now=NOW + n, standing=terms)
    agreed = agreed_terms(approval)
    assert (agreed is not None) is stands
    assert agreed is None or agreed.person == "lee"


@pytest.mark.parametrize(
    ("more", "limits", "terms"),
    [
        ({"risk_level": "critical"}, LIMITS, TERMS),
        ({}, None, TERMS),
        ({}, LIMITS, replace(TERMS, seconds=600.1)),
        ({}, LIMITS, replace(TERMS, uses=6)),
        ({}, LIMITS, replace(TERMS, uses=0)),
        ({}, LIMITS, replace(TERMS, seconds=0.0)),
        ({}, LIMITS, replace(TERMS, vary=(Vary(argument="path"),))),
        (
            {"arg_digests": {"path": "d"}, "decisive": {"path": "x"}},
            LIMITS,
            replace(TERMS, vary=(Vary(argument="path"),)),
        ),
        ({"arg_digests": {"a": "d"}, "decisive": {"a.b.c": "x"}}, LIMITS, replace(TERMS, vary=(Vary(argument="a"),))),
        ({"arg_digests": {"a": "d"}}, LIMITS, replace(TERMS, vary=(Vary(argument="a", at_most=5), Vary(argument="a")))),
        ({"arg_digests": {"a": "d"}}, LIMITS, replace(TERMS, vary=(Vary(argument="a", at_most=-1.0),))),
        ({"arg_digests": {"a": "d"}}, LIMITS, replace(TERMS, vary=(Vary(argument="a", at_most=float("nan")),))),
    ],
)
def test_terms_beyond_the_policy_are_refused(more, limits, terms):
    refused("standing_refused", asked(rule(standing=limits), **more), "chen", standing=terms)


def test_the_strictest_of_the_rules_limits_what_stands():
    other = replace(rule("group:privacy", standing=replace(LIMITS, uses=1)), name="o")
    refused("standing_refused", asked(rule(standing=LIMITS), other), "chen", standing=TERMS)
    within = replace(TERMS, uses=1, vary=(Vary(argument="amount", at_most=10.0),))
    approval = asked(rule(standing=LIMITS), other, arg_digests={"amount": "d"}, decisive={"amount": "5"})
    assert give(approval, "chen", standing=within).state is State.APPROVED


# --- invariant 4, for any rule and any answers

PEOPLE = ["ana", "owner", "a", "b", "c", "d"]


@given(
    quorums=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    votes=st.lists(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(list(Answer)), st.booleans()), max_size=10),
)
def test_invariant_4_a_yes_needs_as_many_distinct_eligible_persons_as_all_stages_ask(quorums, votes):
    first, *rest = quorums
    staged = rule(
        "group:privacy", quorum=first, then=tuple(Stage(approvers=("group:privacy",), quorum=q) for q in rest)
    )
    given_ = tuple(
        verdict(n, a, NOW + i, groups=("privacy",) if member else ()) for i, (n, a, member) in enumerate(votes)
    )
    state = tally(Approval(request=request(approver_rules=(staged,)), verdicts=given_))
    latest = {v.person: v for v in given_}
    if any(v.answer is Answer.DENY for v in latest.values()):
        assert state is State.DENIED
    else:
        able = {v.person for v in latest.values() if v.groups and v.person not in ("ana", "owner")}
        assert state is (State.APPROVED if len(able) >= sum(quorums) else State.PENDING)
