"""Signed reviews: somebody else looks at what was out of the ordinary, and at sampled calls."""

from __future__ import annotations

from dataclasses import replace

import pytest

from authority.test_glass import EMMA, urgent
from authority.test_standing import stand
from authority.ward import Ward, asked_record, human, refused
from toolguard._core.approval import Approval
from toolguard._core.audit import Draft, Kind
from toolguard._core.register import ActKind
from toolguard._core.steps import Change
from toolguard.authority import Human
from toolguard.errors import NotFoundError

RENA, ADA, GRACE, RUIZ, NOOR = (human(name) for name in ("rena", "ada", "grace", "ruiz", "noor"))
SAYS = {"finding": "justified", "reason": "looked at it"}


def lost(ward: Ward) -> Approval:
    """A call that was asked for, ran, and whose end nobody saw."""
    approval = ward.ask()
    end = replace(asked_record(approval.request), kind=Kind.CALL_INDETERMINATE)
    ward.store.commit(Change(tenant="st-marys", records=(_of_tenant(ward, end),)))
    return approval


def _of_tenant(ward: Ward, draft: Draft, tenant: str = "st-marys") -> Draft:
    return replace(draft, body={**draft.body, "toolguard.tenant": tenant})


@pytest.fixture
def ward_of_records(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> Ward:
    """A ward whose requests are recorded with their tenant, as guards record them."""
    import authority.ward as module

    plain = module.asked_record
    monkeypatch.setattr(module, "asked_record", lambda request: _of_tenant(ward, plain(request), request.tenant))
    return ward


def reviews(ward: Ward) -> list[dict[str, object]]:
    return [body for kind, body in ward.journal() if kind is Kind.AUDIT_REVIEW]


def test_a_review_is_a_signed_act_and_a_record_that_says_who_and_how(ward_of_records: Ward) -> None:
    ward = ward_of_records
    approval = lost(ward)
    assert ward.authority.sign_review(human("rena", sure=True), approval.request.call, **SAYS) == "indeterminate"
    act = ward.acts()[-1]
    assert (act.kind, act.person, act.body["subject"]) == (ActKind.REVIEWED, "rena", approval.request.call)
    ward.verifier.verify(act.grant)
    (body,) = reviews(ward)
    assert body["toolguard.review.kind"] == "indeterminate"
    assert body["toolguard.review.subject"] == approval.request.call
    assert body["toolguard.review.finding"] == "justified"
    assert (body["toolguard.approver.id"], body["toolguard.approver.assured"]) == ("rena", "stepped_up")
    assert (body["toolguard.act.id"], body["toolguard.act.hash"]) == (act.id, act.hash)
    assert approval.request.call in ward.register().reviewed
    assert "looked at it" not in str(ward.journal())


def test_broken_glass_and_standing_approvals_are_reviewed_by_their_act(ward: Ward) -> None:
    ward.authority.break_glass(EMMA, urgent(ward).id, reason="bleeding")
    stand(ward)
    glass, standing = (act.id for act in ward.acts())
    assert ward.authority.sign_review(RENA, glass, **SAYS) == "break_glass"
    assert ward.authority.sign_review(RENA, standing, **SAYS) == "standing_approval"
    assert [body["toolguard.review.subject"] for body in reviews(ward)] == [glass, standing]
    assert ward.authority.reviews(ADA) == ()


def test_a_call_that_was_not_out_of_the_ordinary_is_reviewed_as_a_sample(ward_of_records: Ward) -> None:
    approval = ward_of_records.ask()
    assert ward_of_records.authority.sign_review(RENA, approval.request.call, **SAYS) == "sample"


def test_nothing_is_reviewed_twice(ward_of_records: Ward) -> None:
    ward = ward_of_records
    approval = lost(ward)
    ward.authority.sign_review(RENA, approval.request.call, **SAYS)
    with pytest.raises(NotFoundError):
        ward.authority.sign_review(RENA, approval.request.call, **SAYS)
    assert len(reviews(ward)) == 1


DUTY = 'review: ["person:rena", "person:ada", "person:ruiz", "person:noor"]'
NOBODY: list[tuple[str, Human, str]] = [
    ("who asked", RUIZ, "self_approval"),
    ("who asked, by another account", human("r-77", issuer="entra"), "self_approval"),
    ("who owns the agent", NOOR, "self_approval"),
    ("who answered", ADA, "self_approval"),
    ("somebody without the duty", GRACE, "not_on_duty"),
    ("nobody in the directory", human("mallory"), "not_an_approver"),
]


@pytest.mark.parametrize(("who", "actor", "code"), NOBODY, ids=[row[0] for row in NOBODY])
def test_a_review_is_refused_to(ward_of_records: Ward, who: str, actor: Human, code: str) -> None:
    ward = ward_of_records
    ward.write_directory(lambda text: text.replace('review: ["person:rena"]', DUTY))
    approval = ward.decide(ADA, ward.ask())
    with refused(code):
        ward.authority.sign_review(actor, approval.request.call, **SAYS)
    assert reviews(ward) == []


@pytest.mark.parametrize(("actor", "code"), [(RUIZ, "self_approval"), (NOOR, "self_approval"), (ADA, "self_approval")])
def test_a_standing_approval_is_not_reviewed_by_who_asked_owns_or_gave_it(ward: Ward, actor: Human, code: str) -> None:
    ward.write_directory(lambda text: text.replace('review: ["person:rena"]', DUTY))
    stand(ward)
    with refused(code):
        ward.authority.sign_review(actor, ward.acts()[0].id, **SAYS)


@pytest.mark.parametrize(
    ("account", "allowed"),
    [("local:st-marys:ruiz", True), ("local:st-marys:rena", False), ("v1:0a1b2c", False)],
    ids=["somebody else's account", "the reviewer's account", "an account that only has a digest"],
)
def test_a_call_that_nobody_was_asked_about_is_known_by_its_account(ward: Ward, account: str, allowed: bool) -> None:
    body = {"toolguard.tenant": "st-marys", "toolguard.actor.id": account, "gen_ai.agent.name": "discharge-assistant"}
    draft = Draft(kind=Kind.CALL_DECIDED, at=ward.time.now(), started=ward.time.now(), call="ab" * 16, body=body)
    ward.store.commit(Change(tenant="st-marys", records=(draft,)))
    if allowed:
        assert ward.authority.sign_review(RENA, "ab" * 16, **SAYS) == "sample"
    else:
        with refused("self_approval"):
            ward.authority.sign_review(RENA, "ab" * 16, **SAYS)


def test_t25_a_call_of_another_tenant_is_not_there(ward: Ward) -> None:
    body = {"toolguard.tenant": "st-lukes", "toolguard.actor.id": "local:st-lukes:luke"}
    draft = Draft(kind=Kind.CALL_DECIDED, at=ward.time.now(), started=ward.time.now(), call="cd" * 16, body=body)
    ward.store.commit(Change(tenant="st-lukes", records=(draft,)))
    with pytest.raises(NotFoundError):
        ward.authority.sign_review(RENA, "cd" * 16, **SAYS)


@pytest.mark.parametrize(
    ("says", "code"),
    [
        ({"finding": "fine", "reason": "x"}, "finding_invalid"),
        ({"finding": "justified", "reason": " "}, "reason_required"),
    ],
)
def test_a_review_says_what_was_found_and_why(ward_of_records: Ward, says: dict[str, str], code: str) -> None:
    approval = lost(ward_of_records)
    with refused(code):
        ward_of_records.authority.sign_review(RENA, approval.request.call, **says)
