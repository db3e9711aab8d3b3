"""What decides a call, seen in clear by who may; and other arguments instead of those that were asked for."""

from __future__ import annotations

import pytest

from authority.ward import Ward, human, refused
from toolguard._core.approval import Answer, Approval, State, move, resolution_payload
from toolguard._core.approver import ApproverRule, Stage
from toolguard._core.audit import Kind
from toolguard._core.register import ActKind
from toolguard._core.steps import Change, Update
from toolguard.authority import Authority, Human, Service
from toolguard.errors import NotFoundError
from toolguard.keys import KeyRing, Purpose, SecretKey

ADA, GRACE = human("ada"), human("grace")
SHOWN = ApproverRule(name="shown", approvers=("group:privacy-officers",))
BLIND = ApproverRule(name="blind", approvers=("group:privacy-officers",), reveal=False)
CLEAR = {"to": "maria@elsewhere.example", "amount": 12.5}


def hiding(ward: Ward, rule: ApproverRule = SHOWN, **changes: object) -> Approval:
    return ward.ask(rules=(rule,), sealed=CLEAR, **changes)  # type: ignore[arg-type] # a table fills it in


# --- T7: the approver sees whom it goes to


def test_t7_a_yes_counts_only_from_who_was_shown_what_decides_the_call(ward: Ward) -> None:
    asked = hiding(ward)
    with refused("reveal_required"):
        ward.decide(ADA, asked)
    seen = ward.authority.reveal(ADA, asked.id, purpose="review")
    assert seen.values == {"to": "maria@elsewhere.example", "amount": "12.5"}
    assert "maria" not in repr(seen)
    after = ward.decide(ADA, asked, seen_decisive=seen.digest)
    assert after.state is State.APPROVED
    assert after.verdicts[0].seen_decisive_digest == seen.digest
    assert after.grant is not None
    assert after.grant.payload == resolution_payload(after)


def test_what_is_revealed_is_on_record_before_it_is_given_and_without_what_was_seen(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toolguard.errors import StoreError

    asked = hiding(ward)
    ward.authority.reveal(ADA, asked.id, purpose="review")
    ward.authority.reveal(GRACE, asked.id, purpose="Maria Gonzalez wants it")
    records = [body for kind, body in ward.journal() if kind is Kind.APPROVAL_REVEALED]
    assert [(r["toolguard.approver.id"], r["toolguard.reveal.purpose"]) for r in records] == [
        ("ada", "review"),
        ("grace", "other"),
    ]
    assert "maria" not in str(ward.journal()).lower()

    def full(change: Change) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(ward.store, "commit", full)
    with pytest.raises(StoreError):
        ward.authority.reveal(ADA, asked.id, purpose="review")


WHO: list[tuple[str, Human, str]] = [
    ("the requester", human("ruiz"), "self_approval"),
    ("the agent's owner", human("noor"), "self_approval"),
    ("no approver", human("sid"), "not_an_approver"),
    ("a service account", human("ward-guard"), "not_an_approver"),
    ("a stranger", human("mallory"), "not_an_approver"),
]


@pytest.mark.parametrize(("who", "actor", "code"), WHO, ids=[w[0] for w in WHO])
def test_nothing_is_revealed_to(ward: Ward, who: str, actor: Human, code: str) -> None:
    asked = hiding(ward)
    with refused(code):
        ward.authority.reveal(actor, asked.id, purpose="review")
    assert [kind for kind, _ in ward.journal()] == [Kind.APPROVAL_REFUSED]


def test_nothing_is_revealed_to_programs_and_other_tenants(ward: Ward) -> None:
    asked = hiding(ward)
    guard = Service(name="ward-guard", tenant="st-marys", agents=frozenset({"discharge-assistant"}), auth="token:1")
    with refused("not_a_person"):
        ward.authority.reveal(guard, asked.id, purpose="review")
    with pytest.raises(NotFoundError):
        ward.authority.reveal(human("luke", tenant="st-lukes"), asked.id, purpose="review")


def test_nothing_is_revealed_where_it_is_switched_off_over_or_for_nothing(ward: Ward) -> None:
    for off in (hiding(ward, BLIND), ward.ask(rules=(SHOWN,))):
        with refused("reveal_off"):
            ward.authority.reveal(ADA, off.id, purpose="review")
    with refused("purpose_required"):
        ward.authority.reveal(ADA, hiding(ward).id, purpose=" ")
    denied = ward.decide(ADA, hiding(ward), Answer.DENY)
    with refused("decided"):
        ward.authority.reveal(GRACE, denied.id, purpose="review")
    late = hiding(ward, expires=5.0)
    ward.time.at += 5.0
    with refused("expired"):
        ward.authority.reveal(ADA, late.id, purpose="review")
    blind = Authority(
        ward.store,
        ward.directory,
        ward.signer,
        ward.authority._ids,
        verifier=ward.verifier,
        detector=ward.authority._detector,
    )
    with refused("reveal_off"):
        blind.reveal(ADA, hiding(ward).id, purpose="review")


def test_another_persons_another_requests_or_a_made_up_digest_shows_nothing(ward: Ward) -> None:
    asked, other = hiding(ward), hiding(ward)
    hers = ward.authority.reveal(GRACE, asked.id, purpose="review").digest
    elsewhere = ward.authority.reveal(ADA, other.id, purpose="review").digest
    for digest in (hers, elsewhere, "v1:00", "x", "\udcff"):
        with refused("stale"):
            ward.decide(ADA, asked, seen_decisive=digest)
    assert ward.read(asked.id).verdicts == ()
    denied = ward.decide(ADA, asked, Answer.DENY, seen_decisive="v1:00")
    assert denied.state is State.DENIED, "a no needs nothing to have been seen"
    assert denied.verdicts[0].seen_decisive_digest == ""


def test_t4_what_was_sealed_for_another_request_or_by_another_key_is_not_shown(ward: Ward) -> None:
    donor = hiding(ward)
    moved = ward.ask(rules=(SHOWN,), hidden=("to", "amount"), sealed_decisive=donor.request.sealed_decisive)
    renamed = ward.ask(rules=(SHOWN,), sealed=CLEAR, hidden=("to",))
    for asked in (moved, renamed):
        with refused("tampered"):
            ward.authority.reveal(ADA, asked.id, purpose="review")
    ward.authority._revealer = KeyRing([SecretKey.generate(Purpose.REVEAL)]).sealer
    with pytest.raises(Exception, match="key"):
        ward.authority.reveal(ADA, donor.id, purpose="review")


def test_where_nothing_is_hidden_nothing_need_be_seen(ward: Ward) -> None:
    assert ward.decide(ADA, ward.ask(rules=(SHOWN,)), seen_decisive="anything").state is State.APPROVED


def test_in_a_later_stage_it_has_to_be_seen_too(ward: Ward) -> None:
    staged = ApproverRule(name="staged", approvers=("person:ada",), then=(Stage(approvers=("person:grace",)),))
    asked = hiding(ward, staged)
    ada = ward.authority.reveal(ADA, asked.id, purpose="review").digest
    half = ward.decide(ADA, asked, seen_decisive=ada)
    with refused("reveal_required"):
        ward.decide(GRACE, half)
    with refused("stale"):
        ward.decide(GRACE, half, seen_decisive=ada)


# --- invariant 15: edited arguments are another request, and need another approver

OTHER = {"to": "<EMAIL_1>", "body": "Dear <PERSON_1>, please call the ward"}


def test_invariant_15_a_proposal_ends_the_request_and_excludes_who_made_it(ward: Ward) -> None:
    asked = ward.ask(ref=ward_ref("run-9"))
    after = ward.authority.propose(ADA, asked.id, OTHER, reason="no details in a mail")
    assert after == ward.read(asked.id)
    assert (after.state, after.editor, after.proposal) == (State.SUPERSEDED, "ada", OTHER)
    assert after.verdicts[0].reason == "no details in a mail"
    assert after.grant is not None
    assert after.grant.payload == resolution_payload(after)
    (act,) = ward.acts()
    assert (act.kind, act.person) == (ActKind.PROPOSED, "ada")
    assert ward.register().editors == {"run-9": frozenset({"ada"})}
    assert [kind for kind, _ in ward.journal()] == [
        Kind.APPROVAL_VERDICT,
        Kind.APPROVAL_RESOLVED,
        Kind.ACT_RECORDED,
    ]
    with refused("decided"):
        ward.decide(GRACE, after)


def ward_ref(run: str) -> object:
    from toolguard._core.call import CallRef

    return CallRef(run=run, call_id="c-1")


def test_t4_the_name_of_the_editor_is_signed(ward: Ward) -> None:
    from dataclasses import replace

    after = ward.authority.propose(ADA, ward.ask().id, OTHER, reason="x")
    for edited in (replace(after, editor=""), replace(after, editor="grace"), replace(after, proposal={"to": "evil"})):
        assert resolution_payload(edited) != resolution_payload(after)


BAD: dict[str, tuple[object, str]] = {
    "a name": ({"to": "<EMAIL_1>", "body": "Dear Maria Gonzalez"}, "proposal_identifiers"),
    "a record number": ({"to": "<EMAIL_1>", "body": "MRN 48213377"}, "proposal_identifiers"),
    "an address that was not shown": ({"to": "maria@elsewhere.example", "body": "x"}, "proposal_identifiers"),
    "a name as a key": ({"to": "<EMAIL_1>", "maria@elsewhere.example": "x"}, "proposal_identifiers"),
    "a token that was not shown": ({"to": "<EMAIL_2>", "body": "x"}, "proposal_identifiers"),
    "a token of another namespace": ({"to": "<EMAIL_M1>", "body": "x"}, "proposal_identifiers"),
    "a token in other letters": ({"to": "<email_9>", "body": "x"}, "proposal_identifiers"),
    "the same again": ({"body": "Dear <PERSON_1>", "to": "<EMAIL_1>"}, "proposal_same"),
    "no object": (["<EMAIL_1>"], "proposal_invalid"),
    "no number": ({"n": float("nan")}, "proposal_invalid"),
    "no JSON": ({"n": object()}, "proposal_invalid"),
    "a book": ({"body": "x" * 200_000}, "proposal_invalid"),
}


@pytest.mark.parametrize(("proposal", "code"), BAD.values(), ids=BAD)
def test_a_proposal_names_people_by_tokens_that_were_shown_only(ward: Ward, proposal: object, code: str) -> None:
    asked = ward.ask()
    with refused(code):
        ward.authority.propose(ADA, asked.id, proposal, reason="x")
    assert ward.read(asked.id) == asked
    assert ward.acts() == []
    assert "Gonzalez" not in str(ward.journal())


def test_what_the_request_shows_in_clear_may_stay_where_it_stands(ward: Ward) -> None:
    view = {"to": "records@example.org", "body": "Dear <PERSON_1>"}
    asked = ward.ask(view=view)
    after = ward.authority.propose(ADA, asked.id, {"to": "records@example.org", "body": "hello"}, reason="shorter")
    assert after.state is State.SUPERSEDED
    with refused("proposal_identifiers"):
        ward.authority.propose(ADA, ward.ask(view=view).id, {"to": "x", "body": "records@example.org"}, reason="x")


def test_a_detector_that_fails_lets_no_proposal_through(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    from toolguard.testing import BrokenDetector

    asked = ward.ask()
    monkeypatch.setattr(ward.authority, "_detector", BrokenDetector())
    with refused("proposal_identifiers"):
        ward.authority.propose(ADA, asked.id, OTHER, reason="x")


@pytest.mark.parametrize(
    ("who", "reason", "code"),
    [
        ("ruiz", "x", "self_approval"),
        ("noor", "x", "self_approval"),
        ("sid", "x", "not_an_approver"),
        ("ada", " ", "reason_required"),
    ],
)
def test_only_an_approver_with_a_reason_proposes(ward: Ward, who: str, reason: str, code: str) -> None:
    with refused(code):
        ward.authority.propose(human(who), ward.ask().id, OTHER, reason=reason)


def test_what_is_decided_or_expired_is_not_proposed_upon(ward: Ward) -> None:
    with refused("decided"):
        ward.authority.propose(GRACE, ward.decide(ADA, ward.ask()).id, OTHER, reason="x")
    late = ward.ask(expires=5.0)
    ward.time.at += 5.0
    with refused("expired"):
        ward.authority.propose(ADA, late.id, OTHER, reason="x")


def test_a_proposal_and_a_yes_at_once_leave_one_of_them(ward: Ward) -> None:
    asked = ward.ask()
    now = ward.store.now()
    withdrawn = move(asked, State.WITHDRAWN, now=now)
    ward.store.commit(
        Change(tenant="st-marys", update=Update(approval=withdrawn, from_version=asked.version, from_state=asked.state))
    )
    with refused("decided"):
        ward.authority.propose(ADA, asked.id, OTHER, reason="x")
