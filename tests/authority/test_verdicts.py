"""Verdicts: who may give them, what they do, what is signed and what is written down."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from authority.ward import OFFICERS, START, Ward, human
from toolguard._core.approval import TRANSITIONS, Answer, Approval, State, Verdict, resolution_payload
from toolguard._core.audit import Kind
from toolguard._core.policy import ApproverRule
from toolguard._core.steps import Change, Update
from toolguard.authority import Human, Service
from toolguard.authority.reason import WITHHELD
from toolguard.errors import ApprovalError, ConfigError, ConflictError, DetectionError, InvalidatedError, NotFoundError

APPROVE, DENY = Answer.APPROVE, Answer.DENY
TWO = ApproverRule(name="two", approvers=("group:privacy-officers",), quorum=2)
ADA, GRACE = human("ada"), human("grace")


def kinds(ward: Ward) -> list[Kind]:
    return [kind for kind, _ in ward.journal()]


def test_an_approval_is_signed_by_the_service_and_pinned_guards_believe_it(ward: Ward) -> None:
    after = ward.decide(ADA, ward.ask())
    assert after == ward.read(after.id)
    assert after.state is State.APPROVED
    assert after.grant_expires == START + 900.0
    assert after.grant is not None
    assert after.grant.payload == resolution_payload(after)
    ward.verifier.verify(after.grant)
    assert kinds(ward) == [Kind.APPROVAL_VERDICT, Kind.APPROVAL_RESOLVED]


def test_a_denial_is_signed_too(ward: Ward) -> None:
    after = ward.decide(ADA, ward.ask(), DENY)
    assert after.state is State.DENIED
    assert after.grant is not None
    ward.verifier.verify(after.grant)
    assert after.grant.payload == resolution_payload(after)


REFUSALS: list[tuple[str, Human, str]] = [
    ("the requester", human("ruiz"), "self_approval"),
    ("the requester's other identity", human("r-77", issuer="entra"), "self_approval"),
    ("the agent's owner", human("noor"), "self_approval"),
    ("nobody in the directory", human("mallory"), "not_an_approver"),
    ("a service account", human("ward-guard"), "not_an_approver"),
    ("an approver's name at another issuer", human("ada", issuer="evil"), "not_an_approver"),
]


@pytest.mark.parametrize("answer", [APPROVE, DENY])
@pytest.mark.parametrize(("who", "actor", "code"), REFUSALS, ids=[r[0] for r in REFUSALS])
def test_who_cannot_decide_is_told_why_and_it_is_on_record(
    ward: Ward, who: str, actor: Human, code: str, answer: Answer
) -> None:
    asked = ward.ask()
    with pytest.raises(ApprovalError) as caught:
        ward.decide(actor, asked, answer)
    assert caught.value.code == code
    assert ward.read(asked.id) == asked
    [(kind, body)] = ward.journal()
    assert kind is Kind.APPROVAL_REFUSED
    assert body["toolguard.decision.reason_code"] == code
    assert body["toolguard.approval.id"] == asked.id


def test_a_group_of_the_same_name_in_another_tenant_decides_nothing(ward: Ward) -> None:
    asked = ward.ask()
    with pytest.raises(NotFoundError):
        ward.decide(human("luke", tenant="st-lukes"), asked)
    with pytest.raises(ApprovalError, match="not in the directory"):
        ward.decide(human("luke"), asked)
    assert ward.read(asked.id).state is State.PENDING


def test_who_left_the_group_after_the_request_no_longer_counts(ward: Ward) -> None:
    asked = ward.ask()
    ward.write_directory(lambda text: text.replace("members: [ada, grace, joan, ruiz]", "members: [grace, joan, ruiz]"))
    with pytest.raises(ApprovalError) as caught:
        ward.decide(ADA, asked)
    assert caught.value.code == "not_an_approver"
    assert ward.decide(GRACE, asked).state is State.APPROVED


def test_a_directory_that_broke_decides_nothing(ward: Ward) -> None:
    asked = ward.ask()
    ward.write_directory(lambda text: text + "\nnonsense: [")
    with pytest.raises(ConfigError):
        ward.decide(ADA, asked)
    assert ward.read(asked.id) == asked


def test_a_service_is_no_person(ward: Ward) -> None:
    service = Service(name="x", tenant="st-marys", agents=frozenset({"discharge-assistant"}), auth="token:1")
    with pytest.raises(ApprovalError) as caught:
        ward.decide(service, ward.ask())  # type: ignore[arg-type] # that is the point
    assert caught.value.code == "not_a_person"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"seen_call_digest": "v1:0"}, "stale"),
        ({"seen_view_digest": ""}, "stale"),
        ({"version": 2}, "stale"),
        ({"version": None}, "stale"),
        ({"reason": " \n"}, "reason_required"),
    ],
)
def test_what_was_seen_and_why_must_be_there(ward: Ward, changes: dict[str, object], code: str) -> None:
    asked = ward.ask()
    with pytest.raises(ApprovalError) as caught:
        ward.decide(ADA, asked, **changes)
    assert caught.value.code == code
    assert ward.read(asked.id) == asked
    assert kinds(ward) == [Kind.APPROVAL_REFUSED]


@pytest.mark.parametrize("answer", [APPROVE, DENY])
@pytest.mark.parametrize("late", [0.0, 1.0, 86400.0])
def test_time_that_has_run_out_stays_out_without_a_sweeper(ward: Ward, answer: Answer, late: float) -> None:
    asked = ward.ask(expires=60.0)
    ward.time.at += 60.0 + late
    with pytest.raises(ApprovalError) as caught:
        ward.decide(ADA, asked, answer)
    assert caught.value.code == "expired"


@pytest.mark.parametrize("first", [APPROVE, DENY])
def test_what_is_decided_is_not_approved_again(ward: Ward, first: Answer) -> None:
    decided = ward.decide(ADA, ward.ask(), first)
    with pytest.raises(ApprovalError) as caught:
        ward.decide(GRACE, decided)
    assert caught.value.code == "decided"
    assert ward.read(decided.id) == decided


def test_an_approver_can_still_say_no_until_the_claim(ward: Ward) -> None:
    approved = ward.decide(ADA, ward.ask())
    vetoed = ward.decide(GRACE, approved, DENY)
    assert vetoed.state is State.DENIED
    assert vetoed.grant_expires is None
    assert [v.answer for v in vetoed.verdicts] == [APPROVE, DENY]
    assert approved.grant is not None
    assert approved.grant.payload != resolution_payload(vetoed)


def test_a_person_may_change_their_own_yes(ward: Ward) -> None:
    assert ward.decide(ADA, ward.decide(ADA, ward.ask()), DENY).state is State.DENIED


def test_a_no_is_not_lost_to_a_change_in_between(ward: Ward) -> None:
    asked = ward.ask(rules=(TWO,))
    ward.decide(ADA, asked)
    assert ward.decide(GRACE, asked, DENY, version=None).state is State.DENIED


def test_a_quorum_counts_persons_not_verdicts(ward: Ward) -> None:
    once = ward.decide(ADA, ward.ask(rules=(TWO,)))
    assert once.state is State.PENDING
    with pytest.raises(ApprovalError) as caught:
        ward.decide(human("a-1", issuer="entra"), once)
    assert caught.value.code == "decided"
    assert ward.decide(GRACE, once).state is State.APPROVED


def forged(ward: Ward, asked: Approval) -> Approval:
    """A database row written past the service: Grace's yes, which she never gave."""
    verdict = Verdict(
        request=asked.id,
        answer=APPROVE,
        person="grace",
        identity=GRACE.identity,
        groups=("privacy-officers",),
        seen_call_digest=asked.request.call_digest,
        seen_view_digest=asked.request.view_digest,
        reason="x",
        channel="rest",
        auth="token:1",
        at=ward.store.now(),
    )
    after = replace(asked, verdicts=(*asked.verdicts, verdict), version=asked.version + 1)
    ward.store.commit(
        Change(
            tenant="st-marys",
            update=Update(approval=after, from_version=asked.version, from_state=asked.state, alive_until=None),
        )
    )
    return after


@pytest.mark.parametrize("before", [0, 1])
def test_a_verdict_slipped_into_the_database_completes_no_quorum(ward: Ward, before: int) -> None:
    asked = ward.ask(rules=(replace(TWO, quorum=2 + before),))
    if before:
        asked = ward.decide(ADA, asked)
    planted = forged(ward, asked)
    with pytest.raises(ApprovalError) as caught:
        ward.decide(human("joan"), planted)
    assert caught.value.code == "tampered"
    denied = ward.decide(ADA, planted, DENY)
    assert denied.state is State.DENIED
    assert denied.grant is None


def test_a_state_written_into_the_database_carries_no_grant_that_holds(ward: Ward) -> None:
    asked = ward.ask(rules=(TWO,))
    half = ward.decide(ADA, asked)
    assert half.grant is not None
    edited = replace(half, state=State.APPROVED, grant_expires=START + 900)
    assert half.grant.payload != resolution_payload(edited)
    with pytest.raises(InvalidatedError):
        ward.verifier.verify(replace(half.grant, payload=resolution_payload(edited)))


@pytest.mark.parametrize("round_", range(6))
def test_approve_and_deny_at_once_end_denied_with_both_on_record(ward: Ward, round_: int) -> None:
    asked = ward.ask()
    start, codes = threading.Barrier(2), []

    def answer(who: Human, what: Answer) -> None:
        start.wait()
        try:
            ward.decide(who, asked, what, version=asked.version if what is APPROVE else None)
        except ApprovalError as error:
            codes.append(error.code)

    threads = [threading.Thread(target=answer, args=a) for a in ((ADA, APPROVE), (GRACE, DENY))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = ward.read(asked.id)
    assert after.state is State.DENIED
    spoke = {body["toolguard.approver.id"] for _, body in ward.journal() if "toolguard.approver.id" in body}
    assert spoke == {"ada", "grace"}
    assert codes in ([], ["decided"])
    assert len(after.verdicts) == 2 - len(codes)


def test_twenty_who_decide_at_once_leave_one_legal_history(ward: Ward) -> None:
    asked = ward.ask(rules=(replace(OFFICERS, quorum=2),))
    start = threading.Barrier(20)
    failures: list[str] = []

    def answer(index: int) -> None:
        start.wait()
        try:
            ward.decide((ADA, GRACE)[index % 2], ward.read(asked.id), APPROVE)
        except (ApprovalError, ConflictError) as error:
            failures.append(error.code)

    threads = [threading.Thread(target=answer, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = ward.read(asked.id)
    verdicts = [body for kind, body in ward.journal() if kind is Kind.APPROVAL_VERDICT]
    assert len(verdicts) == len(after.verdicts) == after.version - 1
    assert len(verdicts) + len(failures) == 20
    assert set(failures) <= {"decided", "stale", "conflict"}
    if after.state is State.APPROVED:
        assert {v.person for v in after.verdicts} == {"ada", "grace"}
        assert kinds(ward).count(Kind.APPROVAL_RESOLVED) == 1


def test_records_hold_ids_and_times_and_no_words(ward: Ward) -> None:
    after = ward.decide(ADA, ward.ask(), reason="Maria Gonzalez, MRN 48213377, asked for it herself")
    assert "Gonzalez" not in after.verdicts[0].reason
    assert "48213377" not in after.verdicts[0].reason
    assert "asked for it herself" in after.verdicts[0].reason
    (_, given), (_, resolved) = ward.journal()
    assert given["toolguard.approver.id"] == "ada"
    assert given["toolguard.approver.tenant"] == "st-marys"
    assert given["toolguard.approver.auth_method"] == "token:test"
    assert given["toolguard.approval.channel"] == "rest"
    assert given["toolguard.decision.reason_code"] == "approve"
    assert resolved["toolguard.decision.reason_code"] == "quorum"
    assert resolved["toolguard.decision.outcome"] == "approved"
    assert resolved["toolguard.args.hmac"] == after.request.args_digest
    assert resolved["toolguard.actor.id"] == "local:st-marys:ruiz"
    assert "asked for it" not in str(ward.journal())


def test_records_stand_in_the_trace_of_the_call(ward: Ward) -> None:
    after = ward.decide(ADA, ward.ask())
    drafts = [r.draft for r in ward.store.records() if r.draft.kind in (Kind.APPROVAL_VERDICT, Kind.APPROVAL_RESOLVED)]
    assert {d.trace_id for d in drafts} == {after.request.trace_id}
    assert {d.parent_id for d in drafts} == {d.link_id for d in drafts} == {after.request.span_id}
    assert len({d.span_id for d in drafts}) == 2
    assert all(len(d.span_id) == 16 for d in drafts)
    assert {d.call for d in drafts} == {after.request.call}


def test_a_reason_that_cannot_be_checked_is_withheld_and_the_verdict_counts(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def inspect(self, *_: object, **__: object) -> None:
            raise DetectionError("no model")

    monkeypatch.setattr(ward.authority._detector, "session", lambda: Broken())
    after = ward.decide(ADA, ward.ask(), DENY, reason="Maria Gonzalez")
    assert after.state is State.DENIED
    assert after.verdicts[0].reason == WITHHELD


def test_every_state_has_an_outcome_and_every_move_is_in_the_table() -> None:
    from toolguard.authority.trail import OUTCOMES

    assert set(OUTCOMES) == set(State)
    for to in (State.APPROVED, State.DENIED, State.EXPIRED, State.WITHDRAWN):
        assert (State.PENDING, to) in TRANSITIONS
