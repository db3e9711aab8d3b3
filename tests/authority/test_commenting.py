"""Comments: who may make them, what is kept of them, and that they change nothing else."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from authority.ward import DETECTOR, Ward, human, refused
from toolguard._core.audit import Kind
from toolguard._core.comments import comments_of
from toolguard._core.register import act_of
from toolguard._core.steps import Change
from toolguard.authority import Actor, Answer, Authority, Service, Side, State
from toolguard.authority.commenting import MOST_AN_HOUR, MOST_BY_ONE, MOST_OF_ONE
from toolguard.errors import NotFoundError
from toolguard.journal.verify import verify
from toolguard.report.call import moments_of

GUARD = Service(name="ward-guard", tenant="st-marys", agents=frozenset({"discharge-assistant"}), auth="token:1")


@pytest.fixture
def ward(tmp_path: Path) -> Any:
    ward = Ward(tmp_path)
    yield ward
    ward.store.close()


def said(ward: Ward, approval: Any, who: str = "ada") -> list[tuple[str, str, str]]:
    return [(c.person, c.side.value, c.text) for c in ward.authority.comments(human(who), approval.id)]


def test_an_approver_asks_and_the_requester_answers(ward: Ward) -> None:
    asked = ward.ask()
    first = ward.authority.comment(human("ada"), asked.id, "  Which ward is this for?\r\n\r\n\r\n\r\nAda ")
    ward.time.at += 5.0
    ward.authority.comment(human("ruiz"), asked.id, "ward 7")
    assert said(ward, asked) == [
        ("ada", "approver", "Which ward is this for?\n\nAda"),
        ("ruiz", "asking", "ward 7"),
    ]
    assert said(ward, asked, "ruiz") == said(ward, asked)
    assert (first.n, first.approval, first.side) == (1, asked.id, Side.APPROVER)


WHO: list[tuple[str, Actor, str]] = [
    ("an approver", human("grace"), ""),
    ("who asked", human("ruiz"), ""),
    ("a program", GUARD, "not_a_person"),
    ("somebody else", human("tess"), "not_found"),
    ("nobody", human("ghost"), "not_found"),
    ("another hospital", human("luke", tenant="st-lukes"), "not_found"),
    ("a tenant made up", human("ada", tenant=comments_of("st-marys")), "not_found"),
]


@pytest.mark.parametrize(("who", "actor", "code"), WHO, ids=[w[0] for w in WHO])
def test_who_may_comment_and_read(ward: Ward, who: str, actor: Actor, code: str) -> None:
    asked = ward.ask()
    ward.authority.comment(human("ada"), asked.id, "a first word")
    before = ward.store.acts(comments_of("st-marys"))
    assert ward.authority.may_comment(actor, asked) is (not code)
    if not code:
        ward.authority.comment(actor, asked.id, "mine")
        assert len(ward.authority.comments(actor, asked.id)) == 2
    elif code == "not_found":
        with pytest.raises(NotFoundError):
            ward.authority.comment(actor, asked.id, "mine")
        with pytest.raises(NotFoundError):
            ward.authority.comments(actor, asked.id)
    else:
        with refused(code):
            ward.authority.comment(actor, asked.id, "mine")
        with refused(code):
            ward.authority.comments(actor, asked.id)
    if code:
        assert ward.store.acts(comments_of("st-marys")) == before


def test_identifiers_are_masked_and_stand_nowhere(ward: Ward) -> None:
    asked = ward.ask()
    ward.authority.comment(human("ada"), asked.id, "call dana.whitfield@example.org, SSN 536-90-4399")
    (comment,) = ward.authority.comments(human("ada"), asked.id)
    assert "dana.whitfield@example.org" not in comment.text
    assert "536-90-4399" not in comment.text
    assert "<EMAIL>" in comment.text
    for text in ("dana.whitfield", "536-90-4399"):
        assert not any(text.encode() in grant.payload for grant in ward.store.acts(comments_of("st-marys")))
        assert text not in json.dumps([body for _, body in ward.journal()])


def test_the_journal_says_who_and_when_and_not_what(ward: Ward) -> None:
    asked = ward.ask()
    comment = ward.authority.comment(human("ada"), asked.id, "unmistakable words")
    ((kind, body),) = ward.journal()
    assert kind is Kind.ACT_RECORDED
    assert (body["toolguard.act.kind"], body["toolguard.approver.id"]) == ("comment", "ada")
    assert (body["toolguard.act.hash"], body["toolguard.comment.number"]) == (comment.digest, 1)
    assert body["toolguard.tenant"] == "st-marys"
    assert "toolguard.act.number" not in body
    assert "unmistakable" not in json.dumps(body)
    assert [r.draft.kind for r in ward.authority.events(human("ada"), asked.id)] == [
        Kind.APPROVAL_REQUESTED,
        Kind.ACT_RECORDED,
    ]


def test_nothing_of_the_approval_changes(ward: Ward) -> None:
    asked = ward.ask()
    for _ in range(3):
        ward.authority.comment(human("ada"), asked.id, "approve! deny! revoke!")
    assert ward.read(asked.id) == asked
    assert ward.register().n == 0
    approved = ward.decide(human("grace"), asked)
    ward.authority.comment(human("ada"), asked.id, "wait")
    assert ward.claim(approved).state is State.EXECUTING


ENDS: list[tuple[str, str]] = [("denied", "decided"), ("executing", ""), ("expired", "expired"), ("approved", "")]


@pytest.mark.parametrize(("end", "code"), ENDS, ids=[e[0] for e in ENDS])
def test_comments_end_with_the_request(ward: Ward, end: str, code: str) -> None:
    asked = ward.ask(expires=60.0)
    ward.authority.comment(human("ada"), asked.id, "before")
    if end == "denied":
        ward.decide(human("grace"), asked, Answer.DENY)
    elif end == "expired":
        ward.time.at += 61.0
    else:
        approved = ward.decide(human("grace"), asked)
        if end == "executing":
            ward.claim(approved)
    if code:
        with refused(code):
            ward.authority.comment(human("ada"), asked.id, "after")
    else:
        ward.authority.comment(human("ada"), asked.id, "after")
    assert len(said(ward, asked)) == (1 if code else 2)


@pytest.mark.parametrize("text", ["", " \n\t ", "x" * 2001], ids=["empty", "blank", "too long"])
def test_a_comment_says_something_and_is_short(ward: Ward, text: str) -> None:
    asked = ward.ask()
    with refused("comment_invalid"):
        ward.authority.comment(human("ada"), asked.id, text)
    ward.authority.comment(human("ada"), asked.id, "x" * 2000)


def test_one_person_and_one_request_have_their_fill(ward: Ward) -> None:
    asked = ward.ask()
    for n in range(MOST_BY_ONE):
        ward.authority.comment(human("ada"), asked.id, f"{n}")
    with refused("comment_cap"):
        ward.authority.comment(human("ada"), asked.id, "one more")
    ward.authority.comment(human("grace"), asked.id, "mine still goes")
    for _ in range(MOST_AN_HOUR // MOST_BY_ONE - 1):
        other = ward.ask()
        for n in range(MOST_BY_ONE):
            ward.authority.comment(human("ada"), other.id, f"{n}")
    new = ward.ask(expires=9000.0)
    with refused("comment_cap"):
        ward.authority.comment(human("ada"), new.id, "too many in an hour")
    ward.time.at += 3601.0
    ward.authority.comment(human("ada"), new.id, "an hour later")
    assert MOST_OF_ONE > MOST_BY_ONE


def test_caps_hold_over_replicas_that_race(tmp_path: Path) -> None:
    ward = Ward(tmp_path, store_url=f"sqlite:///{tmp_path}/s.db")
    asked = ward.ask()
    services = [ward.another_authority() for _ in range(4)]
    kept: list[str] = []

    def talk(service: Authority, name: int) -> None:
        for n in range(10):
            try:
                kept.append(service.comment(human("ada"), asked.id, f"{name}/{n}").id)
            except Exception:
                continue

    threads = [threading.Thread(target=talk, args=(s, n)) for n, s in enumerate(services)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = [act_of(g).id for g in ward.store.acts(comments_of("st-marys"))]
    assert sorted(stored) == sorted(kept)
    assert len(kept) == MOST_BY_ONE
    assert verify(ward.store).ok
    ward.store.close()


def test_only_as_it_was_looked_at_if_that_is_asked_for(ward: Ward) -> None:
    asked = ward.ask()
    ward.authority.comment(human("ada"), asked.id, "as it is", version=asked.version)
    ward.decide(human("grace"), asked)
    with refused("stale"):
        ward.authority.comment(human("ada"), asked.id, "as it was", version=asked.version)


def test_what_cannot_be_checked_is_not_kept(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> object:
        raise RuntimeError("the detector is down")

    asked = ward.ask()
    monkeypatch.setattr(type(DETECTOR), "session", lambda self: broken())
    with refused("comment_invalid"):
        ward.authority.comment(human("ada"), asked.id, "x")
    assert ward.store.acts(comments_of("st-marys")) == ()


def test_counts_and_news(ward: Ward) -> None:
    one, two = ward.ask(), ward.ask()
    assert ward.authority.commented("st-marys") == (0, {})
    ward.authority.comment(human("ada"), one.id, "a")
    ward.authority.comment(human("ada"), one.id, "b")
    assert ward.authority.comment_counts(human("ada"), [one, two]) == {one.id: 2}
    assert ward.authority.comment_counts(GUARD, [one, two]) == {}
    assert ward.authority.commented("st-marys", 0) == (2, {one.id: (2, ward.time.at)})
    assert ward.authority.commented("st-marys", 2) == (2, {})
    assert ward.authority.commented("st-marys", since=ward.time.at + 1.0) == (2, {})
    assert ward.authority.commented("st-lukes", 0) == (0, {})


def test_whoever_commented_had_a_part_and_does_not_review(ward: Ward) -> None:
    ward.write_directory(lambda text: text.replace('review: ["person:rena"]', 'review: ["person:rena", "person:ada"]'))
    asked = ward.ask()
    ward.authority.comment(human("ada"), asked.id, "go on")
    records = [replace(r.draft, body={**r.draft.body}) for r in ward.store.records(call=asked.request.call)]
    says = {"finding": "justified", "reason": "looked at it"}
    lost = replace(records[0], kind=Kind.CALL_INDETERMINATE, body={**records[0].body, "toolguard.tenant": "st-marys"})
    ward.store.commit(Change(tenant="st-marys", records=(lost,)))
    with pytest.MonkeyPatch.context() as patch:
        told = ward.store.records
        patch.setattr(
            ward.store, "records", lambda **by: [r for r in told(**by) if r.draft.body.get("toolguard.tenant")]
        )
        with refused("self_approval"):
            ward.authority.sign_review(human("ada"), asked.request.call, **says)
        assert ward.authority.sign_review(human("rena"), asked.request.call, **says) == "indeterminate"


def test_the_report_of_a_call_tells_that_something_was_said(ward: Ward) -> None:
    asked = ward.ask()
    comment = ward.authority.comment(human("ruiz"), asked.id, "unmistakable words")
    moment = moments_of(list(ward.store.records(call=asked.request.call)))[-1]
    assert (moment.title, moment.text) == (
        "ruiz commented",
        "its words stay with the service, on the asking side",
    )
    assert comment.digest in [value for _, value in moment.facts]
