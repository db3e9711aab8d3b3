"""History, standing approvals, reviews and freezes in a real browser; what a request shows of the past; the live list."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from authority.test_glass import EMMA, urgent
from authority.test_standing import stand
from authority.ward import Ward, human
from browser.conftest import SIZES, Visit, screenshot
from browser.test_inbox import HOSTILE, LOOKS, accessible
from toolguard.authority import Answer, ApproverRule, State

PAGES = ("history", "standing", "reviews", "freezes")
VIEW = {"to": "<EMAIL_1>", "subject": "Discharge letter", "attachment": "letter.pdf"}


@pytest.fixture
def lively(ward: Ward) -> Ward:
    """Something to see on every page."""
    stand(ward)
    for answer in (Answer.APPROVE, Answer.DENY, Answer.APPROVE):
        ward.decide(human("grace"), ward.ask(view=VIEW), answer)
    ward.authority.break_glass(EMMA, urgent(ward).id, reason="resus, nobody reachable")
    ward.authority.freeze(human("tess"), agent="billing-bot", reason="two letters to the wrong address")
    return ward


def fits(page: Page, size: str) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]


def open_all(page: Page) -> None:
    page.evaluate("document.querySelectorAll('main details').forEach(each => { each.open = true })")


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_every_page_is_accessible_at_every_size_and_light(visit: Visit, lively: Ward, size: str, scheme: str) -> None:
    changed = {**VIEW, "subject": "Discharge letter and chart", "cc": "<EMAIL_2>"}
    nobody = ApproverRule(name="nobody", approvers=("person:ruiz",))
    officers = ApproverRule(name="privacy", approvers=("group:privacy-officers",))
    asked = lively.ask(view=changed, rules=(officers, nobody))
    for who in ("ada", "sid", "rena"):
        with visit(who, size=size, scheme=scheme) as page:
            for name in PAGES:
                page.goto(f"/{name}")
                open_all(page)
                accessible(page)
                fits(page, size)
                screenshot(page, f"{name}-{who}-{size}-{scheme}")
            if who == "ada":
                page.goto(f"/inbox/{asked.id}")
                expect(page.locator("tr.diff-changed th")).to_contain_text("changed")
                expect(page.locator("main")).to_contain_text("Nobody can answer this now")
                accessible(page)
                fits(page, size)
                screenshot(page, f"difference-{size}-{scheme}")


@pytest.mark.parametrize("name", PAGES)
def test_an_empty_page_says_so(visit: Visit, name: str) -> None:
    with visit("luke", tenant="st-lukes") as page:
        page.goto(f"/{name}")
        expect(page.locator(".empty")).to_be_visible()
        accessible(page)
        screenshot(page, f"empty-{name}")


def test_duties_are_done_without_javascript(visit: Visit, lively: Ward) -> None:
    with visit("sid", javascript=False) as page:
        page.goto("/freezes")
        page.locator("summary", has_text="Lift it").first.click()
        page.get_by_label("Why it may run again").first.fill("the address book was put right")
        before = len(lively.authority.freezes(human("sid")))
        page.get_by_role("button", name="Lift this freeze").first.click()
        expect(page).to_have_url(re.compile("/freezes$"))
        assert len(lively.authority.freezes(human("sid"))) == before - 1
        page.get_by_label("Agent", exact=False).last.fill("letter-bot")
        page.get_by_label("Why", exact=True).fill("being looked at")
        page.get_by_role("button", name="Freeze").click()
        expect(page.locator("main")).to_contain_text("You froze it, so a second person has to lift it.")
    with visit("rena", javascript=False) as page:
        page.goto("/reviews")
        before = len(lively.authority.awaiting_review(human("rena")))
        page.locator("summary", has_text="Review it").first.click()
        page.get_by_label("It was justified").first.check()
        page.get_by_label("What you looked at, and why you find so").first.fill("read the chart, asked Emma")
        page.get_by_role("button", name="Sign the review").first.click()
        expect(page).to_have_url(re.compile("/reviews$"))
        assert len(lively.authority.awaiting_review(human("rena"))) == before - 1
    with visit("ada", javascript=False) as page:
        page.goto("/standing")
        before = len(lively.authority.standings(human("ada")))
        page.locator("summary", has_text="End it").first.click()
        page.get_by_label("Why it ends").first.fill("not needed any more")
        page.get_by_role("button", name="End this standing approval").first.click()
        expect(page).to_have_url(re.compile("/standing$"))
        assert len(lively.authority.standings(human("ada"))) == before - 1


def test_a_refusal_is_seen_and_what_was_typed_kept(visit: Visit, lively: Ward) -> None:
    with visit("tess", refused=422) as page:
        page.goto("/freezes")
        page.get_by_label("Why", exact=True).fill("no name given")
        page.get_by_role("button", name="Freeze").click()
        expect(page.get_by_role("alert")).to_contain_text("Nothing was done.")
        expect(page.get_by_label("Why", exact=True)).to_have_value("no name given")
        accessible(page)


def test_history_is_filtered_by_a_form(visit: Visit, lively: Ward) -> None:
    lively.decide(human("ada"), lively.ask(tool="send_letter"), Answer.DENY)
    with visit("ada") as page:
        page.get_by_role("link", name="History", exact=True).first.click()
        page.get_by_label("Tool").fill("letter")
        page.get_by_label("State").select_option("Denied")
        page.get_by_role("button", name="Filter").click()
        expect(page.locator("tbody tr")).to_have_count(1)
        page.get_by_role("link", name="Mine").click()
        expect(page.locator("tbody tr")).to_have_count(1)
        expect(page.get_by_label("Tool")).to_have_value("letter")
        page.get_by_role("link", name="Clear").click()
        expect(page).to_have_url(re.compile("/history\\?whose=me$"))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_text_beside_its_past(visit: Visit, ward: Ward, text: str) -> None:
    before = ward.ask(view={"to": text, text[:40]: 1, "gone": text}, tool=text[:80], agent=text[:80])
    ward.decide(human("grace"), before, reason=text)
    now = ward.ask(view={"to": text + "!", "new": text}, tool=text[:80], agent=text[:80], agent_reason=text)
    with visit("ada") as page:
        for path in (f"/inbox/{now.id}", "/history", "/history?tool=%3Cscript%3E"):
            page.goto(path)
            assert page.evaluate("window.pwned") is None
            assert page.locator("main img, main script, main iframe").count() == 0
            assert page.locator("main form").evaluate_all("all => all.every(f => f.action.startsWith(location.origin))")
            assert page.locator("main a").evaluate_all("all => all.every(a => a.href.startsWith(location.origin))")
            assert not {"\u202e", "\u200b", "\u2066"} & set(page.inner_text("main"))
            accessible(page)
        page.goto(f"/inbox/{now.id}")
        assert page.get_by_role("button", name="Approve once").count() == 1


def test_what_is_new_arrives_in_the_list_and_in_the_title(visit: Visit, ward: Ward) -> None:
    with visit("joan") as page:
        count = len(ward.authority.list(human("joan"), assigned=True, limit=100).approvals)
        expect(page).to_have_title(re.compile(rf"^\({count}\) Inbox" if count else "^Inbox"))
        if count:
            first = page.locator("a.row").first
            first.focus()
        asked = ward.ask(tool="order_lab")
        expect(page.locator(f'a.row[href="/inbox/{asked.id}"]')).to_be_visible(timeout=15_000)
        expect(page).to_have_title(re.compile(rf"^\({count + 1}\) Inbox"))
        expect(page.get_by_role("status")).to_contain_text(f"{count + 1} waiting for you")
        if count:
            assert page.evaluate("document.activeElement.matches('a.row')"), "the focus stays where it was"
        ward.decide(human("grace"), asked, Answer.DENY)
        expect(page.locator(f'a.row[href="/inbox/{asked.id}"]')).to_have_count(0, timeout=15_000)


def test_arrow_keys_go_from_card_to_card_and_no_key_decides(visit: Visit, ward: Ward) -> None:
    asked = [ward.ask(), ward.ask()]
    with visit("ada") as page:
        here = "document.activeElement.getAttribute('href')"
        page.locator("a.row").first.focus()
        page.keyboard.press("ArrowDown")
        assert page.evaluate(here) == f"/inbox/{asked[0].id}"
        page.keyboard.press("ArrowUp")
        assert page.evaluate(here) == f"/inbox/{asked[1].id}"
        page.goto(f"/inbox/{asked[0].id}")
        for key in "aAyYdDnN123 jk":
            page.keyboard.press(key if key != " " else "Space")
        page.keyboard.press("Enter")
        page.keyboard.press("Control+Enter")
    assert {ward.read(a.id).state for a in asked} == {State.PENDING}


def test_one_approval_prints_whole_and_without_forms(visit: Visit, ward: Ward) -> None:
    approval = ward.decide(human("grace"), ward.ask())
    with visit("ada") as page:
        page.goto(f"/inbox/{approval.id}")
        page.emulate_media(media="print")
        assert page.locator("nav.nav").is_hidden()
        assert page.get_by_role("button", name="Deny").count() == 0
        expect(page.get_by_text(approval.request.call_digest)).to_be_visible()
        expect(page.locator("main")).to_contain_text("Grace Hopper")
