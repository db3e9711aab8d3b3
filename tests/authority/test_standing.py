"""Standing approvals: only by explicit choice of everyone who says yes, within the policy's limits, and ended by any."""

from __future__ import annotations

import pytest

from authority.ward import START, Ward, human, refused
from toolguard._core.approval import Approval, StandingTerms, State, Vary
from toolguard._core.approver import ApproverRule, StandingLimits
from toolguard._core.audit import Kind
from toolguard._core.flow.stand import rules_digest
from toolguard._core.register import ActKind
from toolguard.authority import Service
from toolguard.errors import NotFoundError

LIMITS = StandingLimits(seconds=3600.0, uses=5)
LENIENT = ApproverRule(name="lenient", approvers=("group:privacy-officers",), standing=LIMITS)
TWO = ApproverRule(name="two", approvers=("group:privacy-officers",), quorum=2, standing=LIMITS)
TERMS = StandingTerms(seconds=600.0, uses=3)
ADA, GRACE, JOAN = human("ada"), human("grace"), human("joan")


def stand(ward: Ward, terms: StandingTerms | None = TERMS, rule: ApproverRule = LENIENT, **changes: object) -> Approval:
    return ward.decide(ADA, ward.ask(rules=(rule,), **changes), standing=terms)  # type: ignore[arg-type] # fields


def test_invariant_16_a_plain_yes_creates_no_standing_approval(ward: Ward) -> None:
    assert stand(ward, None).state is State.APPROVED
    assert ward.acts() == []
    assert ward.authority.standings(ADA) == ()


def test_a_yes_that_is_let_stand_is_an_act_that_binds_every_argument_but_those_named(ward: Ward) -> None:
    terms = StandingTerms(seconds=600.0, uses=3, session_only=True, vary=(Vary(argument="body"),))
    approval = stand(ward, terms)
    (act,) = ward.acts()
    assert (act.kind, act.person) == (ActKind.STANDING, "ada")
    (standing,) = ward.register().standing.values()
    request = approval.request
    assert standing.fixed == {"to": request.arg_digests["to"]}
    assert standing.terms == terms
    assert (standing.begins, standing.expires) == (START, START + 600.0)
    assert (standing.person, standing.agent, standing.tool_ref) == ("ruiz", request.agent, request.tool_ref)
    assert standing.rules == rules_digest(request.approver_rules)
    assert standing.approvers == ("ada",)
    kinds = [kind for kind, _ in ward.journal()]
    assert kinds == [Kind.APPROVAL_VERDICT, Kind.APPROVAL_RESOLVED, Kind.ACT_RECORDED]


def test_only_what_everyone_who_said_yes_lets_stand_stands(ward: Ward) -> None:
    both = stand(ward, TERMS, TWO)
    ward.decide(GRACE, both, standing=TERMS)
    (standing,) = ward.register().standing.values()
    assert standing.approvers == ("ada", "grace")
    ward.decide(GRACE, stand(ward, TERMS, TWO))
    ward.decide(GRACE, stand(ward, None, TWO), standing=TERMS)
    ward.decide(GRACE, stand(ward, TERMS, TWO), standing=StandingTerms(seconds=600.0, uses=2))
    assert len(ward.acts()) == 1


TOO_MUCH = {
    "longer than the policy lets": StandingTerms(seconds=3601.0, uses=1),
    "more often than the policy lets": StandingTerms(seconds=60.0, uses=6),
    "no time at all": StandingTerms(seconds=0.0, uses=1),
    "a time that is no number": StandingTerms(seconds=float("nan"), uses=1),
    "no use at all": StandingTerms(seconds=60.0, uses=0),
    "an argument this call does not have": StandingTerms(seconds=60.0, uses=1, vary=(Vary(argument="cc"),)),
    "a decisive argument left open": StandingTerms(seconds=60.0, uses=1, vary=(Vary(argument="recipient"),)),
    "what holds a decisive argument left open": StandingTerms(seconds=60.0, uses=1, vary=(Vary(argument="deep"),)),
    "an argument named twice": StandingTerms(
        seconds=60.0, uses=1, vary=(Vary(argument="recipient", at_most=5.0), Vary(argument="recipient"))
    ),
    "a limit that is none": StandingTerms(seconds=60.0, uses=1, vary=(Vary(argument="body", at_most=float("inf")),)),
    "a limit that is no number": StandingTerms(
        seconds=60.0, uses=1, vary=(Vary(argument="body", at_most=float("nan")),)
    ),
}


@pytest.mark.parametrize("terms", TOO_MUCH.values(), ids=TOO_MUCH)
def test_more_than_the_policy_lets_stand_is_refused_and_nothing_is_decided(ward: Ward, terms: StandingTerms) -> None:
    digests = dict.fromkeys(("to", "body", "recipient", "deep"), "v1:x")
    asked = ward.ask(
        rules=(LENIENT,), arg_digests=digests, decisive={"recipient": "records@example.org", "deep.to": "…@example.org"}
    )
    with refused("standing_refused"):
        ward.decide(ADA, asked, standing=terms)
    assert ward.read(asked.id).verdicts == ()
    assert ward.acts() == []


@pytest.mark.parametrize(
    ("rule", "changes"),
    [(ApproverRule(name="never", approvers=("group:privacy-officers",)), {}), (LENIENT, {"risk_level": "critical"})],
    ids=["the policy says never", "critical risk"],
)
def test_what_may_not_stand_is_approved_once_at_most(
    ward: Ward, rule: ApproverRule, changes: dict[str, object]
) -> None:
    asked = ward.ask(rules=(rule,), **changes)  # type: ignore[arg-type] # a table fills it in
    with refused("standing_refused"):
        ward.decide(ADA, asked, standing=TERMS)


def test_a_no_with_terms_is_a_no(ward: Ward) -> None:
    from toolguard._core.approval import Answer

    asked = ward.ask(rules=(LENIENT,))
    assert ward.decide(ADA, asked, Answer.DENY, standing=TERMS).state is State.DENIED
    assert ward.acts() == []


SEES = [(ADA, True), (GRACE, True), (human("ruiz"), True), (human("rena"), True), (human("sid"), True)]
SEES += [(human("emma"), False), (human("luke", tenant="st-lukes"), False)]


@pytest.mark.parametrize(("actor", "sees"), SEES, ids=[a.identity.subject for a, _ in SEES])
def test_who_may_see_the_request_sees_what_stands_and_may_end_it(ward: Ward, actor: object, sees: bool) -> None:
    stand(ward)
    (standing,) = ward.register().standing.values()
    views = ward.authority.standings(actor)  # type: ignore[arg-type] # from the table
    assert [v.standing for v in views] == ([standing] if sees else [])
    if not sees:
        with pytest.raises(NotFoundError):
            ward.authority.end_standing(actor, standing.id, reason="over")  # type: ignore[arg-type] # from the table
        return
    ended = ward.authority.end_standing(actor, standing.id, reason="over")  # type: ignore[arg-type] # from the table
    assert ended.standing == standing
    assert ward.register().standing == {}
    assert ward.authority.standings(ADA) == ()
    with pytest.raises(NotFoundError):
        ward.authority.end_standing(ADA, standing.id, reason="over")


def test_a_service_sees_what_its_agents_have_and_ends_nothing(ward: Ward) -> None:
    stand(ward)
    guard = Service(name="ward-guard", tenant="st-marys", agents=frozenset({"discharge-assistant"}), auth="token:1")
    (view,) = ward.authority.standings(guard)
    with refused("not_a_person"):
        ward.authority.end_standing(guard, view.standing.id, reason="x")


def test_what_has_run_out_or_fell_with_its_yes_is_not_listed(ward: Ward) -> None:
    stand(ward)
    second = stand(ward)
    assert [v.used for v in ward.authority.standings(ADA)] == [0, 0]
    ward.authority.revoke(GRACE, second.id, reason="a mistake")
    assert [v.standing.approval for v in ward.authority.standings(ADA)] != [second.id]
    assert len(ward.authority.standings(ADA)) == 1
    ward.time.at += 600.0
    assert ward.authority.standings(ADA) == ()
