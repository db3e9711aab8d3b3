"""What came before a request: the call it is compared with, what was answered, and who could answer at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from authority.ward import OFFICERS, Ward, asked_record, human
from toolguard._core.approval import Answer, Approval, State, move
from toolguard._core.approver import ApproverRule, Stage
from toolguard._core.steps import Change, Update
from toolguard.authority import reading
from toolguard.authority.past import Likeness

EMAIL = {"to": "<EMAIL_1>", "subject": "Results", "body": "Dear <PERSON_1>"}


def ask(ward: Ward, view: object = None, **changes: object) -> Approval:
    return ward.ask(view=EMAIL if view is None else view, **changes)  # type: ignore[arg-type] # a test says which


def approved(ward: Ward, view: object = None, **changes: object) -> Approval:
    return ward.decide(human("grace"), ask(ward, view, **changes))


def likeness(ward: Ward, now: Approval, who: str = "ada") -> dict[str, str]:
    last = ward.authority.past(human(who), now).last
    assert last is not None
    return {a.name: a.likeness.value for a in last.arguments}


def test_each_argument_is_the_same_changed_new_or_gone(ward: Ward) -> None:
    before = approved(ward)
    now = ask(ward, {"to": "<EMAIL_1>", "body": "Dear all", "cc": "<EMAIL_2>"})
    past = ward.authority.past(human("ada"), now)
    assert past.last is not None
    assert past.last.approval == before
    assert likeness(ward, now) == {"to": "same", "body": "changed", "cc": "new", "subject": "gone"}
    assert [past.last.count(each) for each in Likeness] == [1, 1, 1, 1]
    changed = next(a for a in past.last.arguments if a.likeness is Likeness.CHANGED)
    assert (changed.before, changed.now) == ("Dear <PERSON_1>", "Dear all")
    assert (past.last.same_asker, past.last.same_tool) == (True, True)


def test_masks_that_look_alike_do_not_make_two_values_the_same(ward: Ward) -> None:
    approved(ward, arg_digests={"to": "v1:one"}, view={"to": "<EMAIL_1>"})
    now = ask(ward, arg_digests={"to": "v1:other"}, view={"to": "<EMAIL_1>"})
    last = ward.authority.past(human("ada"), now).last
    assert last is not None
    assert last.arguments[0].likeness is Likeness.CHANGED
    assert last.arguments[0].looks_alike


def test_tokens_that_differ_do_not_make_one_value_two(ward: Ward) -> None:
    approved(ward, arg_digests={"to": "v1:one"}, view={"to": "<EMAIL_1>"})
    now = ask(ward, arg_digests={"to": "v1:one"}, view={"to": "<EMAIL_7>"})
    assert likeness(ward, now) == {"to": "same"}


def test_a_name_that_the_views_do_not_show_is_not_shown(ward: Ward) -> None:
    approved(ward, arg_digests={"Erika Muster": "v1:one"}, view={"<PERSON_1>": 1})
    now = ask(ward, arg_digests={"Max Muster": "v1:other"}, view={"<PERSON_1>": 1})
    assert likeness(ward, now) == {"": "gone"}
    last = ward.authority.past(human("ada"), now).last
    assert "Muster" not in repr(last.arguments if last else ())


def test_the_same_persons_call_comes_before_anyone_elses(ward: Ward) -> None:
    mine = approved(ward)
    other = approved(ward, requester_person="joan")
    past = ward.authority.past(human("ada"), ask(ward))
    assert past.last is not None
    assert (past.last.approval, past.last.same_asker) == (mine, True)
    past = ward.authority.past(human("ada"), ask(ward, agent="other-assistant"))
    assert past.last is not None
    assert (past.last.approval, past.last.same_asker) == (other, False), "else the newest"


def denied(ward: Ward) -> Approval:
    return ward.decide(human("grace"), ask(ward), Answer.DENY)


def vetoed(ward: Ward) -> Approval:
    return ward.decide(human("ada"), approved(ward), Answer.DENY)


def later(ward: Ward) -> Approval:
    return ask(ward)


def of_another_tool(ward: Ward) -> Approval:
    return approved(ward, tool="send_letter")


def of_another_tenant(ward: Ward) -> Approval:
    return ward.decide(human("luke", tenant="st-lukes"), ask(ward, tenant="st-lukes"))


def unseen(ward: Ward) -> Approval:
    rule = ApproverRule(name="x", approvers=("person:sid",))
    return ward.decide(human("sid"), ask(ward, rules=(rule,)))


def forged(ward: Ward) -> Approval:
    """Approved by whoever can write to the store."""
    asked = ask(ward)
    row = move(asked, State.APPROVED, now=ward.time(), grant_expires=ward.time() + 900)
    update = Update(approval=row, from_version=asked.version, from_state=asked.state, alive_until=None)
    ward.store.commit(
        Change(tenant="st-marys", records=(asked_record(asked.request),), update=update, announce=asked.id)
    )
    return ward.read(asked.id)


def copied(ward: Ward) -> Approval:
    """A verdict that stands on another request, with its grant."""
    asked, good = ask(ward), approved(ward, tool="send_letter")
    row = move(
        replace(asked, verdicts=good.verdicts), State.APPROVED, now=ward.time(), grant_expires=good.grant_expires
    )
    row = replace(row, grant=good.grant)
    update = Update(approval=row, from_version=asked.version, from_state=asked.state, alive_until=None)
    ward.store.commit(
        Change(tenant="st-marys", records=(asked_record(asked.request),), update=update, announce=asked.id)
    )
    return ward.read(asked.id)


@pytest.mark.parametrize("make", [denied, vetoed, later, of_another_tool, of_another_tenant, unseen, forged, copied])
def test_nothing_else_is_compared_with(ward: Ward, make: object) -> None:
    assert callable(make)
    make(ward)
    assert ward.authority.past(human("ada"), ask(ward)).last is None


def test_what_was_carried_out_is_compared_with(ward: Ward) -> None:
    ran = ward.claim(approved(ward))
    last = ward.authority.past(human("ada"), ask(ward)).last
    assert last is not None
    assert last.approval == ran


def test_another_schema_is_said(ward: Ward) -> None:
    approved(ward, tool_ref="mail#send_email@1")
    last = ward.authority.past(human("ada"), ask(ward)).last
    assert last is not None
    assert not last.same_tool


def test_what_comes_after_it_is_not_its_past(ward: Ward) -> None:
    first = ask(ward)
    approved(ward)
    past = ward.authority.past(human("ada"), first)
    assert (past.last, past.recent) == (None, ())


def test_what_was_answered_to_the_same_person_is_counted(ward: Ward) -> None:
    approved(ward)
    ward.claim(approved(ward))
    denied(ward)
    ward.authority.withdraw(human("ruiz"), ask(ward).id)
    approved(ward, requester_person="joan")
    approved(ward, tool="send_letter")
    past = ward.authority.past(human("ada"), ask(ward))
    assert (past.approved, past.denied, past.unanswered) == (2, 1, 1)
    assert [a.state for a in past.recent] == [State.WITHDRAWN, State.DENIED, State.EXECUTING, State.APPROVED]


def test_it_looks_so_far_and_says_so(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_LOOK", 4)
    monkeypatch.setattr(reading, "_PAGE", 2)
    approved(ward)
    for _ in range(6):
        ask(ward)
    past = ward.authority.past(human("ada"), ask(ward))
    assert (past.last, past.looked_at, past.more) == (None, 4, True)
    monkeypatch.setattr(reading, "_LOOK", 100)
    past = ward.authority.past(human("ada"), ask(ward))
    assert past.last is not None
    assert (past.looked_at, past.more) == (8, False)


# --- history


def ids(ward: Ward, who: str = "ada", **filters: object) -> list[str]:
    return [a.id for a in ward.authority.history(human(who), **filters).approvals]  # type: ignore[arg-type] # a table


def test_history_is_what_is_over_and_may_be_seen(ward: Ward) -> None:
    yes, no, _, hidden = approved(ward), denied(ward), ask(ward), unseen(ward)
    assert ids(ward) == [no.id, yes.id]
    assert ids(ward, "sid") == [hidden.id]
    assert ids(ward, "noor") == []


def test_history_filters(ward: Ward) -> None:
    yes, no = approved(ward), denied(ward)
    mine = ward.decide(human("ada"), ask(ward, tool="Send_Letter", agent="other-assistant"))
    assert ids(ward, mine=True) == [mine.id]
    assert ids(ward, states=(State.DENIED,)) == [no.id]
    assert ids(ward, tool="LETTER") == [mine.id]
    assert ids(ward, agent="discharge ") == [no.id, yes.id]
    assert ids(ward, tool="letter", agent="discharge") == []


def test_history_pages(ward: Ward) -> None:
    made = [approved(ward).id for _ in range(5)]
    page = ward.authority.history(human("ada"), limit=3)
    rest = ward.authority.history(human("ada"), limit=3, cursor=page.cursor)
    assert [a.id for a in (*page.approvals, *rest.approvals)] == made[::-1]
    assert rest.cursor is None


# --- who could answer


PAIR = ApproverRule(name="pair", approvers=("group:security",), quorum=2)
NAMED = ApproverRule(name="named", approvers=("person:ruiz",))
STAGED = ApproverRule(name="staged", approvers=("group:privacy-officers",), then=(Stage(approvers=("group:nobody",)),))


@pytest.mark.parametrize(
    ("rules", "left", "short"),
    [
        ((OFFICERS,), "", []),
        ((OFFICERS,), "members: [ruiz]", [(0, 1)]),
        ((PAIR,), "", []),
        ((PAIR,), "members: [sid]", [(1, 2)]),
        ((NAMED,), "", [(0, 1)]),
        ((STAGED,), "", []),
    ],
)
def test_a_rule_nobody_can_complete_now_is_told(
    ward: Ward, rules: tuple[ApproverRule, ...], left: str, short: list[tuple[int, int]]
) -> None:
    asked = ask(ward, rules=rules)
    if left:
        everyone = "members: [ada, grace, joan, ruiz]", "members: [sid, tess]"
        ward.write_directory(lambda text: text.replace(everyone[0], left).replace(everyone[1], left))
    assert [(s.able, s.needed) for s in ward.authority.short_of(asked)] == short


def test_the_next_stage_is_looked_at_when_it_is_open(ward: Ward) -> None:
    asked = ask(ward, rules=(STAGED,))
    half = ward.decide(human("ada"), asked)
    assert [s.entries for s in ward.authority.short_of(half)] == [("group:nobody",)]


def test_what_is_over_is_short_of_nobody(ward: Ward) -> None:
    assert ward.authority.short_of(approved(ward, rules=(ApproverRule(name="g", approvers=("person:grace",)),))) == ()
