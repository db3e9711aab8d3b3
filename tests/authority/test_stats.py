"""T22 and invariant 24: floods, favours and answers nobody can have read are visible, and cost another person's yes."""

from __future__ import annotations

from authority.ward import START, Ward, human, refused
from toolguard._core.approval import Answer, Approval, State
from toolguard._core.approver import ApproverRule
from toolguard.authority import Service, near_duplicates
from toolguard.authority.stats import ApproverStats, Favours

OFFICERS = ApproverRule(name="privacy", approvers=("group:privacy-officers",))
BUDGET = ApproverRule(name="budget", approvers=("group:privacy-officers",), budget=3)
ADA, GRACE, JOAN, RENA = human("ada"), human("grace"), human("joan"), human("rena")


def by(ward: Ward, who: str, **changes: object) -> Approval:
    from toolguard._core.call import Person

    asker = Person(issuer="local", tenant="st-marys", subject=who)
    return ward.ask(requester=asker, requester_person=who, excluded=frozenset({who, "noor"}), **changes)  # type: ignore[arg-type] # a table fills it in


def test_t22_one_yes_above_the_budget_needs_another_persons_as_well(ward: Ward) -> None:
    for _ in range(3):
        assert ward.decide(ADA, ward.ask(rules=(BUDGET,))).state is State.APPROVED
    above = ward.decide(ADA, ward.ask(rules=(BUDGET,)))
    assert above.state is State.PENDING
    assert above.verdicts[0].over_budget
    assert ward.decide(GRACE, above).state is State.APPROVED
    ward.time.at += 3601.0
    assert ward.decide(ADA, ward.ask(rules=(BUDGET,))).state is State.APPROVED, "an hour later it is fresh"


def test_t22_denials_and_other_persons_yes_use_up_no_budget(ward: Ward) -> None:
    for _ in range(5):
        ward.decide(ADA, ward.ask(rules=(BUDGET,)), Answer.DENY)
        ward.decide(GRACE, ward.ask(rules=(OFFICERS,)))
    assert ward.decide(ADA, ward.ask(rules=(BUDGET,))).state is State.APPROVED
    assert not ward.decide(JOAN, ward.ask(rules=(BUDGET,))).verdicts[0].over_budget
    assert ward.decide(GRACE, ward.ask(rules=(BUDGET,))).verdicts[0].over_budget, "all of a person's count together"


def test_invariant_24_who_decides_what_and_how_fast_is_counted(ward: Ward) -> None:
    for wait, answer in ((0.5, Answer.APPROVE), (0.2, Answer.APPROVE), (30.0, Answer.APPROVE), (90.0, Answer.DENY)):
        asked = ward.ask()
        ward.time.at += wait
        ward.decide(ADA, asked, answer)
    stats = ward.authority.stats(RENA, since=START)
    assert stats.approvers == (
        ApproverStats(person="ada", approved=3, denied=1, median_s=15.25, fast=2, over_budget=0),
    )
    assert (stats.approvers[0].decisions, stats.approvers[0].approve_rate) == (4, 0.75)
    assert (stats.requests, stats.truncated) == (4, False)
    assert ward.authority.stats(RENA, since=ward.time.at + 1).requests == 0


def test_t22_who_approves_each_others_requests_is_named(ward: Ward) -> None:
    for _ in range(2):
        ward.decide(GRACE, by(ward, "ada"))
    ward.decide(ADA, by(ward, "grace"))
    ward.decide(JOAN, by(ward, "ada"))
    ward.decide(ADA, by(ward, "emma"))
    ward.decide(ADA, by(ward, "joan"), Answer.DENY)
    stats = ward.authority.stats(RENA, since=START)
    assert stats.favours == (Favours(one="ada", other="grace", forth=1, back=2),)


def test_t22_calls_that_differ_in_one_argument_are_shown_together(ward: Ward) -> None:
    def asked(**digests: str) -> Approval:
        return ward.ask(arg_digests=digests)

    one, two = asked(to="1", body="1", cc="1"), asked(to="2", body="1", cc="1")
    three = asked(to="2", body="2", cc="1")
    asked(to="9", body="9", cc="1")
    asked(to="1", body="1")
    other = ward.ask(arg_digests={"to": "1", "body": "1", "cc": "1"}, tool_ref="another#tool")
    stats = ward.authority.stats(RENA, since=START)
    assert stats.alike == ((one.id, two.id, three.id),) or set(stats.alike[0]) == {one.id, two.id, three.id}
    assert len(stats.alike) == 1
    assert other.id not in stats.alike[0]
    ward.decide(ADA, one, Answer.DENY)
    ward.decide(ADA, two, Answer.DENY)
    assert ward.authority.stats(RENA, since=START).alike == (), "what is decided is no flood"


def test_calls_without_arguments_are_alike_and_groups_do_not_grow_together_by_chance(ward: Ward) -> None:
    none = [ward.ask(arg_digests={}).request for _ in range(2)]
    far = [ward.ask(arg_digests={"a": str(i), "b": str(i)}).request for i in range(20)]
    assert near_duplicates([*none, *far]) == (tuple(sorted(r.id for r in none)),)


def test_figures_about_people_are_for_who_has_the_duty(ward: Ward) -> None:
    for nobody in (ADA, human("ruiz"), human("sid")):
        with refused("not_on_duty"):
            ward.authority.stats(nobody, since=START)
    service = Service(name="ward-guard", tenant="st-marys", agents=frozenset(), auth="x")
    with refused("not_a_person"):
        ward.authority.stats(service, since=START)


def test_open_reviews_are_counted(ward: Ward) -> None:
    urgent = ApproverRule(name="u", approvers=("group:privacy-officers",), break_glass=("group:emergency",))
    asked = ward.ask(rules=(urgent,), subject="v1:p", risk_class="read")
    ward.authority.break_glass(human("emma", sure=True), asked.id, reason="bleeding")
    assert ward.authority.stats(RENA, since=START).open_reviews == 1
    (review,) = ward.authority.reviews(ADA)
    ward.authority.review(ADA, review.glass.id, finding="justified", reason="seen")
    assert ward.authority.stats(RENA, since=START).open_reviews == 0
