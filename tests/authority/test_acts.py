"""Taking a yes back, saying what became of a call, and what the authority does where the register does not hold."""

from __future__ import annotations

import pytest

from authority.ward import OFFICERS, Ward, human, refused
from toolguard._core.approval import Answer, Approval, State
from toolguard._core.audit import Kind
from toolguard._core.register import ActKind, act_of, act_payload
from toolguard._core.steps import Change, Standing
from toolguard.errors import NotFoundError
from toolguard.keys import Ed25519Signer, Purpose, SecretKey

ADA, GRACE, SID = human("ada"), human("grace"), human("sid")
DENY = Answer.DENY


# --- a yes taken back


def test_invariant_4_a_veto_is_an_act_as_well_as_a_state(ward: Ward) -> None:
    """T4: whoever sets the row back to yes cannot take the act out of its chain."""
    approved = ward.decide(ADA, ward.ask())
    assert ward.decide(GRACE, approved, DENY, reason="no need").state is State.DENIED
    (act,) = ward.acts()
    assert (act.kind, act.person) == (ActKind.VOID, "grace")
    assert act.body == {"approval": approved.id, "how": "veto", "reason": "no need"}
    assert ward.register().void == {approved.id}
    assert [kind for kind, _ in ward.journal()][-3:] == [
        Kind.APPROVAL_VERDICT,
        Kind.APPROVAL_RESOLVED,
        Kind.ACT_RECORDED,
    ]


def test_a_no_before_any_yes_needs_no_act(ward: Ward) -> None:
    ward.decide(ADA, ward.ask(), DENY)
    assert ward.acts() == []


def test_an_approver_revokes_a_yes_of_another_before_it_is_used(ward: Ward) -> None:
    approved = ward.decide(ADA, ward.ask())
    after = ward.authority.revoke(GRACE, approved.id, reason="the wrong patient")
    assert after == ward.read(approved.id)
    assert (after.state, after.grant) == (State.REVOKED, None)
    assert ward.register().void == {approved.id}
    ends = [body for kind, body in ward.journal() if kind is Kind.APPROVAL_RESOLVED]
    assert ends[-1]["toolguard.decision.outcome"] == "revoked"
    assert ends[-1]["toolguard.approver.id"] == "grace"


@pytest.mark.parametrize(
    ("who", "code"),
    [("ruiz", "self_approval"), ("noor", "self_approval"), ("sid", "not_an_approver"), ("ghost", "not_an_approver")],
)
def test_only_an_approver_revokes(ward: Ward, who: str, code: str) -> None:
    approved = ward.decide(ADA, ward.ask())
    with refused(code):
        ward.authority.revoke(human(who), approved.id, reason="x")
    with refused("reason_required"):
        ward.authority.revoke(GRACE, approved.id, reason="")
    with pytest.raises(NotFoundError):
        ward.authority.revoke(human("luke", tenant="st-lukes"), approved.id, reason="x")
    assert ward.read(approved.id) == approved


def test_what_waits_or_is_over_is_not_revoked(ward: Ward) -> None:
    waits, denied = ward.ask(), ward.decide(ADA, ward.ask(), DENY)
    running = ward.claim(ward.decide(ADA, ward.ask()))
    for approval in (waits, denied, running):
        with refused("decided"):
            ward.authority.revoke(GRACE, approval.id, reason="x")


def test_one_who_can_no_longer_be_believed_is_still_obeyed_when_they_say_no(ward: Ward) -> None:
    """The register does not hold: no guard runs anything under it, and a veto ends the request all the same."""
    approved = ward.decide(ADA, ward.ask())
    plant(ward)
    after = ward.decide(GRACE, approved, DENY)
    assert after.state is State.DENIED
    assert len(ward.store.acts("st-marys")) == 1, "nothing is signed onto a register that does not hold"


# --- what became of a call nobody saw end


def lost(ward: Ward) -> Approval:
    running = ward.claim(ward.decide(ADA, ward.ask()), lease=10.0)
    ward.time.at += 10.0
    assert ward.authority.sweep() == 1
    return ward.read(running.id)


@pytest.mark.parametrize("ran", [True, False])
@pytest.mark.parametrize("who", ["sid", "grace"])
def test_a_person_says_what_became_of_a_call_and_how_they_know(ward: Ward, who: str, ran: bool) -> None:
    approval = lost(ward)
    after = ward.authority.resolve(human(who), approval.id, ran=ran, evidence="the mail server's log of 48213377")
    assert after == ward.read(approval.id)
    assert (after.state, after.outcome) == (State.EXECUTED, "resolved_ran" if ran else "resolved_not_run")
    row = ward.store.ledger("st-marys", approval.request.ref)
    assert row is not None
    assert row.standing is (Standing.EXECUTED if ran else Standing.FAILED)
    (act,) = ward.acts()
    assert (act.kind, act.person, act.body["ran"]) == (ActKind.RESOLVED, who, ran)
    assert "48213377" not in str(act.body)
    body = ward.journal()[-2][1]
    assert body["toolguard.decision.reason_code"] == after.outcome


@pytest.mark.parametrize("ran", [True, False])
def test_invariant_5_a_call_that_was_resolved_never_runs_again(ward: Ward, ran: bool) -> None:
    approval = lost(ward)
    ward.authority.resolve(SID, approval.id, ran=ran, evidence="its log")
    from toolguard._core.register import Heads
    from toolguard._core.steps import Claim
    from toolguard.errors import StoreError

    for asked in (True, False):
        claim = Claim(ref=approval.request.ref, call_digest=approval.request.call_digest, asked=asked)
        with pytest.raises(StoreError):
            ward.store.commit(Change(tenant="st-marys", claim=claim, heads=Heads(tenant=1)))
    with refused("decided"):
        ward.authority.resolve(SID, approval.id, ran=not ran, evidence="on second thoughts")


@pytest.mark.parametrize(
    ("who", "evidence", "code"),
    [
        ("ruiz", "x", "self_approval"),
        ("noor", "x", "self_approval"),
        ("emma", "x", "not_an_approver"),
        ("rena", "x", "not_an_approver"),
        ("sid", "  ", "evidence_required"),
    ],
)
def test_not_by_who_asked_and_not_without_evidence(ward: Ward, who: str, evidence: str, code: str) -> None:
    approval = lost(ward)
    with refused(code):
        ward.authority.resolve(human(who), approval.id, ran=True, evidence=evidence)
    assert ward.read(approval.id) == approval


def test_only_what_is_unclear_is_resolved(ward: Ward) -> None:
    approved = ward.decide(ADA, ward.ask())
    with refused("decided"):
        ward.authority.resolve(SID, approved.id, ran=True, evidence="x")
    with refused("decided"):
        ward.authority.resolve(SID, ward.claim(approved).id, ran=True, evidence="x")


def test_who_resolves_or_reviews_sees_what_it_is_about_and_no_more(ward: Ward) -> None:
    from toolguard._core.approver import ApproverRule

    urgent = ApproverRule(name="u", approvers=("person:ada",), break_glass=("group:emergency",))
    unclear, other = lost(ward), ward.ask()
    broken = ward.ask(rules=(urgent,), subject="v1:p", risk_class="read")
    ward.authority.break_glass(human("emma", sure=True), broken.id, reason="bleeding")
    seen = {"sid": [unclear.id], "rena": [broken.id], "emma": [], "grace": [other.id, unclear.id]}
    for who, ids in seen.items():
        assert [a.id for a in ward.authority.list(human(who)).approvals] == ids, who
        for approval in (unclear, other, broken):
            if approval.id in ids:
                ward.authority.get(human(who), approval.id)
            else:
                with pytest.raises(NotFoundError):
                    ward.authority.get(human(who), approval.id)
    assert ward.authority.list(human("sid"), assigned=True).approvals == ()


# --- a register that does not hold


def plant(ward: Ward) -> None:
    """An act signed by somebody else's key, written past the service."""
    payload = act_payload(
        tenant="st-marys",
        n=1,
        prev="0" * 64,
        kind=ActKind.FREEZE,
        id="x",
        at=ward.store.now(),
        person="sid",
        identity=SID.identity,
        auth="x",
        body={"agent": "", "reason": ""},
    )
    forged = act_of(Ed25519Signer(SecretKey.generate(Purpose.SIGN)).sign(payload))
    ward.store.commit(Change(tenant="st-marys", act=forged))


def test_t4_under_an_act_of_a_foreign_key_the_authority_says_yes_to_nothing(ward: Ward) -> None:
    asked, approved = ward.ask(), ward.decide(ADA, ward.ask())
    plant(ward)
    doings = [
        lambda: ward.decide(ADA, asked),
        lambda: ward.authority.freeze(SID, agent="a", reason="x"),
        lambda: ward.authority.unfreeze(SID, "x", reason="x"),
        lambda: ward.authority.freezes(ADA),
        lambda: ward.authority.standings(ADA),
        lambda: ward.authority.reviews(ADA),
    ]
    for doing in doings:
        with refused("tampered"):
            doing()
    assert ward.read(asked.id).state is State.PENDING
    assert ward.authority.revoke(GRACE, approved.id, reason="to be safe").state is State.REVOKED


def test_a_service_with_rotated_keys_reads_the_acts_of_the_old_one(ward: Ward) -> None:
    from toolguard.authority import Authority
    from toolguard.keys import PinnedVerifier

    ward.authority.freeze(SID, agent="a", reason="x")
    newer = Ed25519Signer(SecretKey.generate(Purpose.SIGN))
    both = PinnedVerifier([ward.signer.public_key, newer.public_key])
    authority = Authority(
        ward.store, ward.directory, newer, ward.authority._ids, verifier=both, detector=ward.authority._detector
    )
    (frozen,) = authority.freezes(ADA)
    authority.unfreeze(human("tess"), frozen.id, reason="mended")
    assert len(ward.store.acts("st-marys")) == 2
    with refused("tampered"):  # the old service does not know the new key yet
        ward.authority.freezes(ADA)


# --- nobody floods the journal


def test_a_thousand_refused_clicks_are_a_handful_of_records(ward: Ward) -> None:
    asked = ward.ask()
    for _ in range(1000):
        with refused("self_approval"):
            ward.decide(human("ruiz"), asked)
    refusals = [body for kind, body in ward.journal() if kind is Kind.APPROVAL_REFUSED]
    assert [b["toolguard.approval.refusals"] for b in refusals] == [1, 2, 3, 4, 5, 8, 16, 32, 64, 128, 256, 512]
    with refused("not_an_approver"):
        ward.decide(human("sid"), asked)
    with refused("self_approval"):
        ward.decide(human("ruiz"), ward.ask())
    refusals = [body for kind, body in ward.journal() if kind is Kind.APPROVAL_REFUSED]
    assert [b["toolguard.approval.refusals"] for b in refusals[-2:]] == [1, 1], "others are not counted with them"


def test_a_service_account_in_place_of_a_person_asks_as_its_owners(ward: Ward) -> None:
    """Invariant 3: the requester is a program; who owns it is on the asking side."""
    from toolguard._core.call import Person

    text = "owners: [noor]\n    agents: [discharge-assistant]"
    ward.write_directory(lambda t: t.replace(text, "owners: [grace]\n    agents: []"))
    robot = Person(issuer="local", tenant="st-marys", subject="ward-guard")
    asked = ward.ask(
        requester=robot, requester_person="service:ward-guard", excluded=frozenset[str](), rules=(OFFICERS,)
    )
    with refused("self_approval"):
        ward.decide(GRACE, asked)
    with refused("self_approval"):
        ward.decide(human("noor"), asked)
    assert ward.decide(ADA, asked).state is State.APPROVED


def test_invariant_9_who_became_an_owner_since_is_refused_at_the_verdict(ward: Ward) -> None:
    asked = ward.ask()
    ward.write_directory(
        lambda t: t.replace("tenant: st-marys, owners: [noor]}", "tenant: st-marys, owners: [noor, ada]}")
    )
    with refused("self_approval"):
        ward.decide(ADA, asked)
    assert not ward.authority.can_decide(ADA, asked)


def test_invariant_3_an_emptied_list_of_the_excluded_lets_nobody_approve_their_own(ward: Ward) -> None:
    """T4: the row says nobody is excluded; the directory says who stands on the asking side."""
    asked = ward.ask(excluded=frozenset())
    for who in ("ruiz", "noor"):
        with refused("self_approval"):
            ward.decide(human(who), asked)
