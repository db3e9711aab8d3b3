"""Who sees what, and the ends nobody's verdict brings: withdrawn, expired, lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from authority.ward import Ward, asked_record, human
from toolguard._core.approval import Answer, Approval, State, move
from toolguard._core.audit import Kind
from toolguard._core.policy import ApproverRule
from toolguard._core.steps import Change, Claim, Update
from toolguard.authority import Actor, Service
from toolguard.errors import ApprovalError, NotFoundError

GUARD = Service(name="ward-guard", tenant="st-marys", agents=frozenset({"discharge-assistant"}), auth="token:1")
SEES: list[tuple[str, Actor, bool]] = [
    ("an approver", human("ada"), True),
    ("an approver by another identity", human("a-1", issuer="entra"), True),
    ("the requester", human("ruiz"), True),
    ("the requesting agent's service", GUARD, True),
    ("the agent's owner", human("noor"), False),
    ("a stranger", human("mallory"), False),
    ("the same group elsewhere", human("luke", tenant="st-lukes"), False),
    ("the same name elsewhere", human("ada", tenant="st-lukes"), False),
    ("a service account as a person", human("ward-guard"), False),
    ("another agent's service", replace(GUARD, agents=frozenset({"other-assistant"})), False),
    ("a service with no agent", replace(GUARD, agents=frozenset()), False),
    ("a service elsewhere", replace(GUARD, tenant="st-lukes"), False),
]


@pytest.mark.parametrize(("who", "actor", "sees"), SEES, ids=[s[0] for s in SEES])
def test_only_approvers_and_the_asking_side_see_a_request(ward: Ward, who: str, actor: Actor, sees: bool) -> None:
    asked = ward.ask()
    listed = [a.id for a in ward.authority.list(actor).approvals]
    assert listed == ([asked.id] if sees else [])
    if sees:
        assert ward.authority.get(actor, asked.id) == asked
    else:
        with pytest.raises(NotFoundError):
            ward.authority.get(actor, asked.id)


def test_who_answered_still_sees_it_after_leaving_the_group(ward: Ward) -> None:
    decided = ward.decide(human("ada"), ward.ask())
    ward.write_directory(lambda text: text.replace("members: [ada, grace, joan, ruiz]", "members: [grace, joan, ruiz]"))
    assert ward.authority.get(human("ada"), decided.id) == decided
    assert not ward.authority.can_decide(human("ada"), decided)


def test_assigned_means_it_waits_for_my_answer(ward: Ward) -> None:
    two = ApproverRule(name="two", approvers=("group:privacy-officers",), quorum=2)
    open_, half, done = ward.ask(), ward.ask(rules=(two,)), ward.ask()
    late = ward.ask(expires=10.0)
    ward.decide(human("ada"), half)
    ward.decide(human("grace"), done)
    ward.time.at += 20.0

    def assigned(who: str) -> set[str]:
        return {a.id for a in ward.authority.list(human(who), assigned=True).approvals}

    assert assigned("ada") == {open_.id}
    assert assigned("grace") == {open_.id, half.id}
    assert assigned("ruiz") == set()
    assert late.id not in assigned("ada")


def test_pages_follow_each_other_without_gap_or_repeat(ward: Ward) -> None:
    mine = [ward.ask().id for _ in range(7)]
    for _ in range(5):
        ward.ask(agent="other-assistant", rules=(ApproverRule(name="x", approvers=("person:noor",)),))
    seen, cursor = [], None
    while True:
        page = ward.authority.list(GUARD, cursor=cursor, limit=3)
        seen += [a.id for a in page.approvals]
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == mine[::-1]


@pytest.mark.parametrize("actor", [GUARD, human("ruiz")], ids=["service", "requester"])
@pytest.mark.parametrize("approved", [False, True])
def test_the_asking_side_can_withdraw(ward: Ward, actor: Actor, approved: bool) -> None:
    asked = ward.ask()
    if approved:
        asked = ward.decide(human("ada"), asked)
    assert ward.authority.withdraw(actor, asked.id).state is State.WITHDRAWN
    with pytest.raises(ApprovalError) as caught:
        ward.decide(human("grace"), ward.read(asked.id))
    assert caught.value.code == "decided"
    kind, body = ward.journal()[-2]
    assert kind is Kind.APPROVAL_RESOLVED
    assert body["toolguard.decision.outcome"] == "withdrawn"


def test_an_approver_cannot_withdraw_and_the_decided_stays(ward: Ward) -> None:
    asked = ward.ask()
    with pytest.raises(ApprovalError) as caught:
        ward.authority.withdraw(human("ada"), asked.id)
    assert caught.value.code == "not_requester"
    ward.decide(human("ada"), asked, Answer.DENY)
    with pytest.raises(ApprovalError) as caught:
        ward.authority.withdraw(GUARD, asked.id)
    assert caught.value.code == "decided"


def test_the_sweeper_makes_visible_what_time_has_ended_and_nothing_else(ward: Ward) -> None:
    late, approved, open_ = ward.ask(expires=10.0), ward.decide(human("ada"), ward.ask()), ward.ask(expires=90_000.0)
    denied = ward.decide(human("ada"), ward.ask(), Answer.DENY)
    assert ward.authority.sweep() == 0
    ward.time.at += 1000.0
    assert ward.authority.sweep() == 2
    assert ward.authority.sweep() == 0
    states = {a.id: ward.read(a.id).state for a in (late, approved, open_, denied)}
    assert states == {
        late.id: State.EXPIRED,
        approved.id: State.EXPIRED,
        open_.id: State.PENDING,
        denied.id: State.DENIED,
    }


def test_an_execution_nobody_heard_of_again_is_indeterminate(ward: Ward) -> None:
    approved = ward.decide(human("ada"), ward.ask())
    running = move(approved, State.EXECUTING, now=ward.store.now(), lease_until=ward.store.now() + 300)
    ward.store.commit(
        Change(
            tenant="st-marys",
            records=(replace(asked_record(approved.request), kind=Kind.CALL_EXECUTING),),
            claim=Claim(ref=approved.request.ref, call_digest=approved.request.call_digest, asked=True),
            update=Update(approval=running, from_version=approved.version, from_state=approved.state),
        )
    )
    ward.time.at += 299
    assert ward.authority.sweep() == 0
    ward.time.at += 1
    assert ward.authority.sweep() == 1
    assert ward.read(approved.id).state is State.INDETERMINATE
    kind, body = ward.journal()[-1]
    assert kind is Kind.CALL_INDETERMINATE
    assert body["toolguard.decision.outcome"] == "indeterminate"


class Board:
    """A channel that notes what it is told, and may be down."""

    def __init__(self) -> None:
        self.told: list[tuple[str, State]] = []
        self.down = False

    def announce(self, approval: Approval) -> None:
        if self.down:
            raise OSError("no route")
        self.told.append((approval.id, approval.state))


def test_channels_hear_of_every_change_and_hold_nothing_up(ward: Ward) -> None:
    board, other = Board(), Board()
    board.down = True
    asked = ward.ask()
    decided = ward.decide(human("ada"), asked)
    assert decided.state is State.APPROVED
    assert ward.authority.deliver([board, other]) == 0
    board.down = False
    assert ward.authority.deliver([board, other]) == 0  # not at once again: what is down gets a pause
    ward.time.at += 10.0
    assert ward.authority.deliver([board, other]) > 0
    assert ward.authority.deliver([board, other]) == 0
    assert (asked.id, State.APPROVED) in board.told
    assert set(board.told) <= set(other.told)


def test_without_channels_the_outbox_empties(ward: Ward) -> None:
    ward.ask()
    assert ward.authority.deliver([]) == 1
    assert ward.store.outbox() == ()


def test_nothing_that_is_over_is_assigned(ward: Ward) -> None:
    ward.decide(human("ada"), ward.ask())
    assert ward.authority.list(human("grace"), states=(State.APPROVED,), assigned=True).approvals == ()


def test_a_backlog_longer_than_a_batch_is_swept_whole(ward: Ward) -> None:
    for _ in range(130):
        ward.ask(expires=1.0)
    ward.time.at += 2.0
    assert ward.authority.sweep() == 130
