"""Cards in the renderer's own ``AdaptiveApplet`` (npm ``adaptivecards``), in Chromium: a view for each person by refresh,
two at once, hostile text, and how it looks.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

import npm
from authority.ward import Ward, human
from browser.conftest import chromium, screenshot
from channels.room import Room
from channels.teams_cloud import Cloud, Team, rule
from toolguard.authority import Answer, Approval, State
from toolguard.channels import HINTS

LETTER = {
    "to": "<EMAIL_1>",
    "subject": "Discharge letter",
    "body": "Dear <PERSON_1>, here is the letter you asked for when you left ward 7 on <DATE_1>.",
    "attachments": ["letter.pdf"],
}
ACTIVE = ", ".join(f"#card {tag}" for tag in ("a", "img", "script", "iframe", "b", "strong", "em", "h1", "li"))
HOSTILE = [
    "[click](https://evil.example) **bold** _it_ \n# head\n- list",
    "![x](https://evil.example/x.png) https://evil.example javascript:window.pwned=1",
    "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>",
    "{{DATE(2026-01-01T00:00:00Z, SHORT)}} {{{{TIME}}}} ${pwned}",
    "<at>everyone</at> <b>html</b> &lt;b&gt;",
    "\u202eevil\u202c zero\u200bwidth \u2066x\u2069",
    "\n" * 500 + "below the fold",
    "x" * 9000,
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Closed with this module: while it is open, no test that is asynchronous can run."""
    with sync_playwright() as playwright:
        sandbox = [] if os.geteuid() else ["--no-sandbox"]  # Chromium's own does not work for root
        browser = playwright.chromium.launch(executable_path=chromium(), args=sandbox)
        yield browser
        browser.close()


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    ward = Ward(tmp_path)
    yield Team(ward, Cloud())
    ward.store.close()


@pytest.fixture
def waiting(team: Team) -> Approval:
    approval = team.ward.ask(rules=(rule(),), view=LETTER)
    team.channel.announce(approval)
    return approval


@pytest.fixture
def room(team: Team) -> Iterator[Room]:
    room = Room(team, npm.modules("adaptivecards@3.0.6", "markdown-it@14.1.0") / "node_modules")
    yield room
    room.close()


class Seats:
    """People's own browsers. Whatever a page complains of, or asks of another host, fails the test."""

    def __init__(self, browser: Browser, room: Room) -> None:
        self._browser, self._room = browser, room
        self._contexts = []
        self.said: list[str] = []

    def take(self, who: str, *, scheme: str = "light", asks: bool = True) -> Page:
        context = self._browser.new_context(viewport={"width": 512, "height": 700}, device_scale_factor=1)
        self._contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("console", lambda line: self.said.append(line.text) if line.type == "error" else None)
        page.on("request", lambda sent: None if sent.url.startswith(self._room.url) else self.said.append(sent.url))
        page.goto(f"{self._room.url}?who={who}&scheme={scheme}")
        page.wait_for_function("asks => applet.card && (answers.length > 0 || !asks)", arg=asks)
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def seats(browser: Browser, room: Room) -> Iterator[Seats]:
    seats = Seats(browser, room)
    yield seats
    seats.close()
    assert seats.said == []


def nothing_covers_anything(page: Page) -> bool:
    """No text is wider than where it stands, on a desk and on a phone."""
    inside = """() => [...document.querySelectorAll('#card .ac-richTextBlock')].every(e => e.scrollWidth <= e.clientWidth + 1)
        && document.documentElement.scrollWidth <= innerWidth"""
    found = []
    for width in (320, 512):
        page.set_viewport_size({"width": width, "height": 700})
        found.append(page.evaluate(inside))
    return found == [True, True]


def answer(page: Page, button: str, reason: str) -> None:
    page.get_by_label("Reason").click()
    page.get_by_label("Reason").type(reason)
    page.get_by_role("button", name=button).click()


def buttons(page: Page) -> list[str]:
    return page.get_by_role("button").all_inner_texts()


def test_each_person_gets_their_own_view_without_asking(seats: Seats, waiting: Approval) -> None:
    ada, ruiz, sid = (seats.take(who) for who in ("ada", "ruiz", "sid"))
    expect(ada.get_by_role("button", name="Approve once")).to_be_visible()
    assert buttons(ada) == ["Approve once", "Deny"]
    expect(ruiz.locator("#card")).to_contain_text("You asked for this")
    assert buttons(ruiz) == []
    expect(sid.locator("#card")).to_contain_text("There is no such request for you")
    assert buttons(sid) == []
    assert "send_email" not in sid.inner_text("#card")


def test_the_card_itself_asks_for_a_reason(seats: Seats, team: Team, waiting: Approval) -> None:
    ada = seats.take("ada")
    ada.get_by_role("button", name="Approve once").click()
    expect(ada.locator("#card")).to_contain_text("Say in a few words why")
    assert team.ward.read(waiting.id).state is State.PENDING
    answer(ada, "Approve once", "Ward 7 confirmed it")
    expect(ada.locator("#card")).to_contain_text("Approved once: send_email")
    after = team.ward.read(waiting.id)
    assert (after.state, after.verdicts[0].person) == (State.APPROVED, "ada")
    assert after.verdicts[0].reason == "Ward 7 confirmed it"
    assert buttons(ada) == []


def test_of_two_who_answer_at_once_one_decides_and_both_see_the_same(
    seats: Seats, room: Room, team: Team, waiting: Approval
) -> None:
    both = {who: seats.take(who) for who in ("ada", "grace")}
    room.together = threading.Barrier(2)  # neither answer reaches the service before the other is there, too
    for page, button in zip(both.values(), ("Approve once", "Deny"), strict=True):
        answer(page, button, "checked")
    for page in both.values():
        page.wait_for_function("answers.length === 2")
        expect(page.get_by_role("button")).to_have_count(0)
    after = team.ward.read(waiting.id)
    (verdict,) = after.verdicts
    word = {State.APPROVED: "Approved once", State.DENIED: "Denied"}[after.state]
    assert [word in page.inner_text("#card") for page in both.values()] == [True, True]
    (slower,) = [page for who, page in both.items() if who != verdict.person]
    told = slower.inner_text("#card")
    assert any(HINTS[why] in told for why in ("decided", "conflict", "stale"))


def test_a_second_click_changes_nothing(seats: Seats, team: Team, waiting: Approval) -> None:
    ada = seats.take("ada")
    ada.get_by_label("Reason").click()
    ada.get_by_label("Reason").type("checked")
    ada.get_by_role("button", name="Deny").dblclick()
    expect(ada.locator("#card")).to_contain_text("Denied: send_email")
    assert [verdict.person for verdict in team.ward.read(waiting.id).verdicts] == ["ada"]


def test_a_decision_elsewhere_is_there_when_the_card_is_looked_at_again(
    seats: Seats, team: Team, waiting: Approval
) -> None:
    ada = seats.take("ada")
    after = team.ward.decide(human("grace"), waiting, Answer.DENY)
    team.channel.announce(after)
    ada.evaluate("look()")
    expect(ada.locator("#card")).to_contain_text("Denied: send_email")
    assert buttons(ada) == []


def test_a_card_that_is_less_careful_would_have_links(seats: Seats, team: Team, waiting: Approval) -> None:
    """What the tests below look for is there to be found."""
    (card,) = team.cloud.shown()
    card["body"].append({"type": "TextBlock", "text": HOSTILE[0]})
    card.pop("refresh")
    page = seats.take("ada", asks=False)
    assert page.locator(ACTIVE).count() > 0


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_text(seats: Seats, team: Team, waiting: Approval, text: str) -> None:
    hostile = team.ward.ask(
        rules=(rule(),),
        view={"to": text, text[:60]: 1},
        agent_reason=text,
        decisive={"recipient": text},
        evidence=(text,),
        because=text,
        agent=text[:80],
    )
    team.channel.announce(hostile)
    page = seats.take("ada")
    expect(page.get_by_role("button", name="Approve once")).to_be_visible()
    assert page.locator(ACTIVE).count() == 0
    assert page.evaluate("window.pwned") is None
    shown = page.inner_text("#card")
    assert not {"\u202e", "\u200b", "\u2066"} & set(shown)
    if text.startswith(("[click]", "<script>", "![x]", "<at>")):
        assert shown.count(text[:20]) >= 5
    if "DATE(" in text:
        assert "DATE(2026-01-01T00:00:00Z, SHORT)" in shown
    assert nothing_covers_anything(page)
    assert page.locator("#card").bounding_box()["height"] < 3000
    page.get_by_role("link", name="Open in inbox").click()
    assert page.evaluate("opened") == [f"https://desk.example/inbox/{hostile.id}"]
    screenshot(page, f"teams-hostile-{HOSTILE.index(text)}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_how_it_looks(seats: Seats, team: Team, waiting: Approval, scheme: str) -> None:
    for who in ("ada", "ruiz"):
        page = seats.take(who, scheme=scheme)
        assert nothing_covers_anything(page)
        screenshot(page, f"teams-{who}-{scheme}")
    ada = seats.take("ada", scheme=scheme)
    answer(ada, "Deny", "not this patient")
    expect(ada.locator("#card")).to_contain_text("ada denied: not this patient")
    assert nothing_covers_anything(ada)
    screenshot(ada, f"teams-denied-{scheme}")
