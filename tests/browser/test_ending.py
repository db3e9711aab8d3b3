"""Proposing other arguments, letting a yes stand, revoking and taking back, in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from authority.test_standing import LENIENT, TERMS, TWO
from authority.ward import Ward, human
from browser.conftest import SIZES, Visit, screenshot
from browser.test_inbox import LOOKS, accessible
from toolguard.authority import StandingTerms, State, Vary

VIEW = {
    "to": "<EMAIL_1>",
    "subject": "Discharge letter",
    "body": "Dear <PERSON_1>,\n\nplease find attached the letter of <DATE_1>.\n\nWard 7",
    "copies": 3,
    "cc": ["<EMAIL_2>"],
}


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_every_form_is_accessible_at_every_size_and_light(visit: Visit, ward: Ward, size: str, scheme: str) -> None:
    fresh = ward.ask(view=VIEW, rules=(LENIENT,))
    terms = StandingTerms(seconds=7200.0 / 4, uses=3, session_only=True, vary=(Vary(argument="copies", at_most=5.0),))
    second = ward.decide(human("grace"), ward.ask(view=VIEW, rules=(TWO,)), standing=terms)
    approved = ward.decide(human("grace"), ward.ask(view=VIEW))
    for name, who, asked in (
        ("first", "ada", fresh),
        ("second", "ada", second),
        ("approved", "ada", approved),
        ("asker", "ruiz", fresh),
    ):
        with visit(who, size=size, scheme=scheme) as page:
            page.goto(f"/inbox/{asked.id}")
            screenshot(page, f"ending-{name}-shut-{size}-{scheme}")
            page.evaluate("document.querySelectorAll('main details').forEach(each => { each.open = true })")
            accessible(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
            screenshot(page, f"ending-{name}-{size}-{scheme}")


@pytest.mark.parametrize("javascript", [True, False])
def test_other_arguments_are_proposed(visit: Visit, ward: Ward, javascript: bool) -> None:
    asked = ward.ask(view=VIEW)
    with visit("ada", javascript=javascript, refused=422) as page:
        page.goto(f"/inbox/{asked.id}")
        page.get_by_role("link", name="Propose other arguments instead").click()
        page.locator("summary", has_text="Propose other arguments").click()
        page.get_by_label("copies", exact=False).first.fill("one")
        page.get_by_label("leave it out (cc)").check()
        page.get_by_label("Why these instead").fill("one copy is enough")
        page.get_by_role("button", name="Propose these").click()
        expect(page.get_by_role("alert")).to_contain_text("is not JSON")
        if javascript:  # axe is a script, too
            accessible(page)
        expect(page.get_by_label("leave it out (cc)")).to_be_checked()
        page.get_by_label("copies", exact=False).first.fill("1")
        page.get_by_role("button", name="Propose these").click()
        expect(page.locator(".status-strip")).to_contain_text("Replaced")
        expect(page.locator("#proposal-h")).to_be_visible()
    assert ward.read(asked.id).proposal == {**{k: v for k, v in VIEW.items() if k != "cc"}, "copies": 1}


def test_the_second_person_lets_the_same_stand_and_takes_it_back(visit: Visit, ward: Ward) -> None:
    asked = ward.decide(human("grace"), ward.ask(view=VIEW, rules=(TWO,)), standing=TERMS)
    with visit("ada", javascript=False) as page:
        page.goto(f"/inbox/{asked.id}")
        page.get_by_label("Let it stand, too").check()
        page.get_by_label("Reason").fill("the same every month")
        page.get_by_role("button", name="Approve", exact=True).click()
        expect(page.locator(".status-strip")).to_contain_text("Approved")
        page.goto("/standing")
        expect(page.locator("main")).to_contain_text("Grace Hopper, Ada Lovelace")
        page.goto(f"/inbox/{asked.id}")
        page.locator("summary", has_text="Take the yes back").click()
        page.get_by_label("Why it is taken back").fill("the list has changed")
        page.get_by_role("button", name="Revoke").click()
        expect(page.locator(".status-strip")).to_contain_text("Revoked")
    assert ward.read(asked.id).state is State.REVOKED
    assert [v.standing.approval for v in ward.authority.standings(human("ada"))].count(asked.id) == 0


def test_who_asked_takes_it_back(visit: Visit, ward: Ward) -> None:
    asked = ward.ask(view=VIEW)
    with visit("ruiz", javascript=False) as page:
        page.goto(f"/inbox/{asked.id}")
        page.get_by_role("button", name="Take my request back").click()
        expect(page.locator(".status-strip")).to_contain_text("Withdrawn")
    assert ward.read(asked.id).state is State.WITHDRAWN


def test_a_form_that_no_longer_fits_leaves_the_page_by_itself(visit: Visit, ward: Ward) -> None:
    asked = ward.ask(view=VIEW)
    with visit("ada") as page:
        page.goto(f"/inbox/{asked.id}")
        expect(page.locator("#propose")).to_be_visible()
        ward.decide(human("grace"), asked)
        expect(page.locator("#propose")).to_have_count(0, timeout=15_000)
        page.locator("summary", has_text="Take the yes back").click()
