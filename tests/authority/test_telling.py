"""Reminders, escalations and deliveries: each once, however many services run and whenever one of them dies."""

from __future__ import annotations

import threading

import pytest

from authority.ward import Ward, human
from toolguard._core.approval import Approval, State
from toolguard._core.approver import ApproverRule, Escalation, Stage
from toolguard._core.steps import Notice

GROUP = ("group:privacy-officers",)
NAGGING = ApproverRule(name="nagging", approvers=GROUP, remind=600.0)
RISING = ApproverRule(
    name="rising",
    approvers=("person:ada",),
    escalate=(Escalation(after=300.0, approvers=("person:grace",)), Escalation(after=900.0, approvers=GROUP)),
)
ADA, GRACE = human("ada"), human("grace")


class Board:
    """A channel that notes what it is told, and why."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Notice]] = []
        self.down = False

    def announce(self, approval: Approval) -> None:
        self.notify(approval, Notice.STATE)

    def notify(self, approval: Approval, notice: Notice) -> None:
        if self.down:
            raise OSError("no route")
        self.told.append((approval.id, notice))


class Card:
    """A channel that only shows how an approval stands."""

    def __init__(self) -> None:
        self.shown: list[State] = []

    def announce(self, approval: Approval) -> None:
        self.shown.append(approval.state)


def notices(ward: Ward) -> list[Notice]:
    return [row.notice for row in ward.store.outbox() if row.notice is not Notice.STATE]


@pytest.mark.parametrize(
    ("waited", "reminders"), [(0.0, 0), (599.0, 0), (600.0, 1), (1199.0, 1), (1200.0, 1), (2999.0, 1)]
)
def test_a_reminder_is_due_every_so_often_and_missed_ones_are_not_made_up(
    ward: Ward, waited: float, reminders: int
) -> None:
    ward.ask(rules=(NAGGING,))
    ward.time.at += waited
    assert ward.authority.remind() == reminders
    assert ward.authority.remind() == 0
    assert notices(ward) == [Notice.REMINDER] * reminders


def test_each_period_has_its_own_reminder(ward: Ward) -> None:
    ward.ask(rules=(NAGGING,))
    said = []
    for _ in range(12):
        ward.time.at += 300.0
        said.append(ward.authority.remind())
    assert said == [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0], "the request expires after an hour"


def test_each_step_of_an_escalation_is_told_once_and_opens_the_request_to_more(ward: Ward) -> None:
    asked = ward.ask(rules=(RISING,))
    assert not ward.authority.can_decide(GRACE, asked)
    ward.time.at += 300.0
    assert (ward.authority.remind(), ward.authority.remind()) == (1, 0)
    assert ward.authority.can_decide(GRACE, asked)
    ward.time.at += 600.0
    assert ward.authority.remind() == 1
    assert notices(ward) == [Notice.ESCALATION] * 2
    assert ward.decide(human("joan"), asked).state is State.APPROVED


def test_nobody_is_reminded_of_what_is_decided_expired_or_waits_for_others(ward: Ward) -> None:
    other = ApproverRule(name="other", approvers=("person:joan",))
    half = ward.ask(rules=(NAGGING, other))
    ward.decide(ADA, half)
    ward.decide(ADA, ward.ask(rules=(NAGGING,)))
    ward.ask(rules=(NAGGING,), expires=500.0)
    ward.time.at += 600.0
    assert ward.authority.remind() == 0


def test_a_stage_that_is_open_is_reminded_of(ward: Ward) -> None:
    staged = ApproverRule(name="s", approvers=("person:ada",), then=(Stage(approvers=("person:grace",)),), remind=600.0)
    ward.decide(ADA, ward.ask(rules=(staged,)))
    ward.time.at += 600.0
    assert ward.authority.remind() == 1


def test_several_services_remind_once(ward: Ward) -> None:
    for _ in range(10):
        ward.ask(rules=(NAGGING, RISING))
    ward.time.at += 1000.0
    services = [ward.another_authority() for _ in range(4)]
    start = threading.Barrier(4)
    said: list[int] = []

    def work(n: int) -> None:
        start.wait()
        said.append(services[n].remind())

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(said) == 30, "one reminder and two escalations each"
    assert len(notices(ward)) == 30


def test_a_reminder_is_given_to_channels_as_one_and_not_if_it_is_answered_meanwhile(ward: Ward) -> None:
    asked, answered = ward.ask(rules=(NAGGING,)), ward.ask(rules=(NAGGING,))
    board, card = Board(), Card()
    ward.authority.deliver((board, card))
    ward.time.at += 600.0
    ward.authority.remind()
    ward.decide(ADA, answered)
    board.told.clear()
    card.shown.clear()
    assert ward.authority.deliver((board, card)) == 3
    assert (asked.id, Notice.REMINDER) in board.told
    assert (answered.id, Notice.REMINDER) not in board.told
    assert card.shown == [State.PENDING, State.APPROVED]


def test_one_sweeps_and_reminds_and_all_deliver(ward: Ward) -> None:
    late = ward.ask(expires=5.0)
    ward.ask(rules=(NAGGING,))
    one, two = ward.authority, ward.another_authority()
    boards = Board(), Board()
    assert one.tick((boards[0],)) == 2
    ward.time.at += 20.0
    two.tick((boards[1],))
    assert ward.read(late.id).state is State.PENDING, "the other one leads"
    one.tick((boards[0],))
    assert ward.read(late.id).state is State.EXPIRED
    ward.time.at += 700.0
    two.tick((boards[1],))
    assert Notice.REMINDER in {notice for _, notice in boards[1].told}, "who led is gone; another leads"
    told = [*boards[0].told, *boards[1].told]
    assert len(told) == 4, "two requests, one end, one reminder: nobody is told twice"


def test_two_services_deliver_everything_once(ward: Ward) -> None:
    for _ in range(30):
        ward.ask()
    boards = Board(), Board()
    services = ward.authority, ward.another_authority()
    start = threading.Barrier(2)

    def work(n: int) -> None:
        start.wait()
        while services[n].deliver((boards[n],)):
            pass

    threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [*boards[0].told, *boards[1].told]
    assert len(told) == len(set(told)) == 30
    assert ward.store.outbox() == ()


def test_a_channel_that_is_down_is_tried_again_later_and_later(ward: Ward) -> None:
    ward.ask()
    board = Board()
    board.down = True
    tries = 0
    for _ in range(100):
        before = [row.attempts for row in ward.store.outbox()]
        ward.authority.deliver((board,))
        tries += [row.attempts for row in ward.store.outbox()] != before
        ward.time.at += 1.0
    assert tries == 6, "after 2, 4, 8, 16 and 32 seconds"
    board.down = False
    ward.time.at += 300.0
    assert ward.authority.deliver((board,)) == 1
