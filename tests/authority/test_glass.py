"""T16: breaking the glass: a person's step-up, one patient, read or write, and somebody looks at it afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from authority.ward import START, Ward, human, refused
from toolguard._core.approval import Answer, Approval, State, resolution_payload
from toolguard._core.approver import ApproverRule
from toolguard._core.audit import Kind
from toolguard._core.call import Assurance
from toolguard._core.register import ActKind
from toolguard._core.steps import Change, Notice
from toolguard.authority import Human, Service
from toolguard.errors import ApprovalError, NotFoundError

URGENT = ApproverRule(
    name="urgent", approvers=("group:privacy-officers",), break_glass=("group:emergency",), break_glass_for=1200.0
)
EMMA, ADA, GRACE = human("emma", sure=True), human("ada"), human("grace")
FITTING: dict[str, object] = {"subject": "v1:patient-7", "risk_class": "read"}


def urgent(ward: Ward, *rules: ApproverRule, **changes: object) -> Approval:
    return ward.ask(rules=rules or (URGENT,), **{**FITTING, **changes})  # type: ignore[arg-type] # a table fills it in


def test_broken_glass_is_signed_short_and_called_by_its_name(ward: Ward) -> None:
    asked = urgent(ward)
    after = ward.authority.break_glass(EMMA, asked.id, reason="the patient is bleeding")
    assert after == ward.read(asked.id)
    assert (after.state, after.grant_expires) == (State.BREAK_GLASS, START + 1200.0)
    assert after.grant is not None
    assert after.grant.payload == resolution_payload(after)
    ward.verifier.verify(after.grant)
    (glass,) = ward.register().glass.values()
    assert (glass.approval, glass.person, glass.by) == (asked.id, "ruiz", "emma")
    assert (glass.subject, glass.call_digest) == ("v1:patient-7", asked.request.call_digest)
    assert glass.expires == START + 1200.0
    (kind, body), (act, _) = ward.journal()
    assert (kind, act) == (Kind.APPROVAL_RESOLVED, Kind.ACT_RECORDED)
    assert body["toolguard.decision.outcome"] == "break_glass"
    assert body["toolguard.approver.id"] == "emma"
    notices = [row.notice for row in ward.store.outbox()]
    assert notices.count(Notice.BREAK_GLASS) == 1


def test_the_shortest_of_the_rules_holds(ward: Ward) -> None:
    other = replace(URGENT, name="other", break_glass_for=300.0)
    after = ward.authority.break_glass(EMMA, urgent(ward, URGENT, other).id, reason="bleeding")
    assert after.grant_expires == START + 300.0


NO_RULE = ApproverRule(name="plain", approvers=("group:privacy-officers",))
REFUSED: list[tuple[str, str, Human, tuple[ApproverRule, ...], dict[str, object], str]] = [
    ("an approver without the role", "not_in_emergency_role", human("ada", sure=True), (), {}, "x"),
    ("somebody without a second factor", "step_up_required", human("emma"), (), {}, "x"),
    ("nobody in the directory", "not_an_approver", human("mallory", sure=True), (), {}, "x"),
    ("a service account", "not_an_approver", human("ward-guard", sure=True), (), {}, "x"),
    ("without a reason", "reason_required", EMMA, (), {}, "  "),
    ("where the policy does not allow it", "never_in_emergency", EMMA, (NO_RULE,), {}, "x"),
    ("where one rule does not allow it", "never_in_emergency", EMMA, (URGENT, NO_RULE), {}, "x"),
    ("where no rule speaks", "never_in_emergency", EMMA, (), {"approver_rules": ()}, "x"),
    ("for a call of no patient", "no_subject", EMMA, (), {"subject": ""}, "x"),
    ("for an asserted requester", "requester_not_verified", EMMA, (), {"assurance": Assurance.ASSERTED}, "x"),
    ("for a call that also sends", "never_in_emergency", EMMA, (), {"risk_classes": ("communication", "read")}, "x"),
    *[
        (f"for a call that is {name}", "never_in_emergency", EMMA, (), {"risk_class": name}, "x")
        for name in ("communication", "financial", "exfiltration", "privilege", "code_execution", "destructive", "?")
    ],
]


@pytest.mark.parametrize(("who", "code", "actor", "rules", "changes", "reason"), REFUSED, ids=[r[0] for r in REFUSED])
def test_t16_the_glass_is_not_broken_by_or_for(
    ward: Ward,
    who: str,
    code: str,
    actor: Human,
    rules: tuple[ApproverRule, ...],
    changes: dict[str, object],
    reason: str,
) -> None:
    asked = urgent(ward, *rules, **changes)
    with refused(code):
        ward.authority.break_glass(actor, asked.id, reason=reason)
    assert ward.read(asked.id) == asked
    assert ward.acts() == []


def test_t16_no_program_breaks_the_glass(ward: Ward) -> None:
    guard = Service(name="ward-guard", tenant="st-marys", agents=frozenset({"discharge-assistant"}), auth="token:1")
    with refused("not_a_person"):
        ward.authority.break_glass(guard, urgent(ward).id, reason="x")


def test_the_requester_may_break_it_where_they_have_the_role(ward: Ward) -> None:
    after = ward.authority.break_glass(human("ruiz", sure=True), urgent(ward).id, reason="bleeding")
    assert after.state is State.BREAK_GLASS


def test_who_stands_in_for_somebody_has_not_their_emergency_role(ward: Ward) -> None:
    ward.write_directory(
        lambda text: (
            text + "delegations:\n  - {from: emma, to: joan, tenant: st-marys, since: 2027-01-01, until: 2027-12-31}\n"
        )
    )
    with refused("not_in_emergency_role"):
        ward.authority.break_glass(human("joan", sure=True), urgent(ward).id, reason="bleeding")


def test_what_is_over_frozen_expired_or_elsewhere_is_not_broken(ward: Ward) -> None:
    denied = ward.decide(ADA, urgent(ward), Answer.DENY)
    with refused("decided"):
        ward.authority.break_glass(EMMA, denied.id, reason="x")
    late = urgent(ward, expires=10.0)
    ward.time.at += 10.0
    with refused("expired"):
        ward.authority.break_glass(EMMA, late.id, reason="x")
    with pytest.raises(NotFoundError):
        ward.authority.break_glass(
            replace(EMMA, identity=human("luke", tenant="st-lukes").identity), late.id, reason="x"
        )
    ward.authority.freeze(human("tess"), agent="discharge-assistant", reason="stop")
    with refused("frozen"):
        ward.authority.break_glass(EMMA, urgent(ward).id, reason="x")


@pytest.mark.parametrize("how", ["veto", "revoke"])
def test_an_approver_takes_broken_glass_back_with_all_that_came_of_it(ward: Ward, how: str) -> None:
    broken = ward.authority.break_glass(EMMA, urgent(ward).id, reason="bleeding")
    (glass,) = ward.register().glass
    assert ward.register().holds(glass)
    if how == "veto":
        after = ward.decide(ADA, broken, Answer.DENY)
    else:
        after = ward.authority.revoke(ADA, broken.id, reason="it is no emergency")
    assert after.state is State.REVOKED
    assert [a.kind for a in ward.acts()] == [ActKind.BREAK_GLASS, ActKind.VOID]
    assert not ward.register().holds(glass)
    assert [r.glass.id for r in ward.authority.reviews(ADA)] == [glass], "it is still to be looked at"


def test_a_yes_comes_too_late_for_broken_glass(ward: Ward) -> None:
    broken = ward.authority.break_glass(EMMA, urgent(ward).id, reason="bleeding")
    with refused("decided"):
        ward.decide(ADA, broken)


# --- reviewing it


def broken(ward: Ward) -> str:
    ward.authority.break_glass(EMMA, urgent(ward).id, reason="bleeding")
    (glass,) = ward.register().glass
    return glass


def test_broken_glass_waits_for_a_review_by_somebody_else(ward: Ward) -> None:
    glass = broken(ward)
    assert [r.glass.id for r in ward.authority.reviews(ADA)] == [glass]
    assert [r.glass.id for r in ward.authority.reviews(human("rena"))] == [glass]
    for nobody in ("emma", "ruiz", "noor", "tess"):
        assert ward.authority.reviews(human(nobody)) == ()
    review = ward.authority.review(ADA, glass, finding="justified", reason="seen the chart")
    assert (review.glass.id, review.used) == (glass, 0)
    assert ward.authority.reviews(GRACE) == ()
    act = ward.acts()[-1]
    assert (act.kind, act.person, act.body["finding"]) == (ActKind.REVIEWED, "ada", "justified")
    with pytest.raises(NotFoundError):
        ward.authority.review(GRACE, glass, finding="not_justified", reason="again")


@pytest.mark.parametrize(
    ("who", "finding", "reason", "code"),
    [
        ("emma", "justified", "x", "self_approval"),
        ("ruiz", "justified", "x", "self_approval"),
        ("tess", "justified", "x", "not_an_approver"),
        ("noor", "justified", "x", "not_an_approver"),
        ("ada", "fine", "x", "finding_invalid"),
        ("ada", "justified", " ", "reason_required"),
    ],
)
def test_no_review_by_who_did_it_nor_without_a_finding_and_a_reason(
    ward: Ward, who: str, finding: str, reason: str, code: str
) -> None:
    glass = broken(ward)
    with refused(code):
        ward.authority.review(human(who), glass, finding=finding, reason=reason)
    assert ward.register().reviewed == frozenset()


def test_an_approver_who_broke_it_themselves_reviews_nothing_of_it(ward: Ward) -> None:
    asked = urgent(ward, replace(URGENT, break_glass=("person:grace",)))
    ward.authority.break_glass(human("grace", sure=True), asked.id, reason="bleeding")
    (glass,) = ward.register().glass
    assert ward.authority.reviews(GRACE) == ()
    with refused("self_approval"):
        ward.authority.review(GRACE, glass, finding="justified", reason="it was")
    assert [r.glass.id for r in ward.authority.reviews(ADA)] == [glass]


def test_an_act_no_guard_could_read_is_not_signed_onto_the_register(ward: Ward) -> None:
    """It would stop every guard for good."""
    from toolguard.errors import TamperedError

    registers = ward.authority._registers("st-marys")
    person = ward.authority.person(ADA)
    assert person is not None
    with pytest.raises(TamperedError):
        ward.authority._act(registers, ActKind.VOID, ADA, person, {"approval": 7}, START)
    with pytest.raises(TamperedError):
        ward.authority._act(registers, ActKind.UNFREEZE, ADA, person, {"freeze": "none"}, START)


def test_the_register_of_another_tenant_has_no_such_glass(ward: Ward) -> None:
    glass = broken(ward)
    with pytest.raises((NotFoundError, ApprovalError)):
        ward.authority.review(human("luke", tenant="st-lukes"), glass, finding="justified", reason="x")


def test_what_it_let_run_is_counted_in_the_review(ward: Ward) -> None:
    from toolguard._core.call import CallRef
    from toolguard._core.register import Heads
    from toolguard._core.steps import Claim, Use

    glass = broken(ward)
    for n in "ab":
        claim = Claim(ref=CallRef(run="r", call_id=n), call_digest="d", asked=False)
        use = Use(act=glass, most=200, until=START + 1200.0)
        ward.store.commit(Change(tenant="st-marys", claim=claim, use=use, heads=Heads(tenant=1)))
    (review,) = ward.authority.reviews(ADA)
    assert review.used == 2
