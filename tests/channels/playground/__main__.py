"""Three people sit at their Teams clients, and an agent asks. What they see is printed as JSON: ``FOLDER MODULES CHROMIUM``.

Runs in a network of its own (see test_playground.py).
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

import npm
from authority.ward import Ward
from channels.playground.clients import SERVICE_PORT, Gate, Playgrounds
from channels.teams_cloud import PEOPLE, Team, rule
from toolguard.authority import Approval
from toolguard_server import create_app

WHO = ("ada", "ruiz", "sid")
HOSTILE = {
    "to": "[click](https://evil.example) **bold** <img src=x onerror='window.pwned=1'>",
    "body": "{{DATE(2026-01-01T00:00:00Z, SHORT)}} \u202eevil\u202c zero\u200bwidth <at>everyone</at>",
    "x" * 70: "y" * 400,
}


@contextmanager
def service(team: Team) -> Iterator[None]:
    """The approval service on loopback, with Teams mounted; it sweeps by itself."""
    ward = team.ward
    app = create_app(ward.authority, ward.tokens, ward.directory, channels=[team.channel], sweep_every=0.2)
    server = uvicorn.Server(uvicorn.Config(app, port=SERVICE_PORT, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(20)


class Desk:
    """One person's client."""

    def __init__(self, browser: Browser, port: int) -> None:
        self.page: Page = browser.new_context(viewport={"width": 1280, "height": 1000}).new_page()
        self.page.set_default_timeout(20_000)
        self.page.goto(f"http://127.0.0.1:{port}/")
        self.page.get_by_role("treeitem", name="Privacy office").click()

    def card(self, place: int) -> Locator:
        return self.page.locator(".ac-adaptiveCard").nth(place)

    def answer_here(self, place: int) -> Locator:
        """The card, as it is for this person."""
        card = self.card(place)
        card.get_by_role("button", name="Answer here").click()
        expect(card.get_by_role("button", name="Answer here")).to_have_count(0)
        return card

    def seen(self, card: Locator) -> dict[str, Any]:
        return {"text": card.inner_text(), "buttons": card.get_by_role("button").all_inner_texts()}


def typed(desk: Desk, card: Locator, reason: str) -> None:
    card.get_by_label("Reason").click()
    desk.page.keyboard.type(reason)  # what is filled in at once gets lost


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.05)


def outcome(team: Team, approval: Approval) -> dict[str, Any]:
    after = team.ward.read(approval.id)
    return {"state": after.state.value, "verdicts": [[v.person, v.channel, v.reason] for v in after.verdicts]}


def play(team: Team, gate: Gate, desks: dict[str, Desk], pictures: Path | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    ada, ruiz = desks["ada"], desks["ruiz"]
    # an agent asks; everybody sees the card, and asks for their own
    letter = team.ward.ask(rules=(rule(),))
    for desk in desks.values():
        expect(desk.card(0)).to_contain_text("Ana Ruiz asks to run send_email")
    found["shared"] = ada.seen(ada.card(0))
    views = {who: desk.seen(desk.answer_here(0)) for who, desk in desks.items()}
    found["views"] = views
    # the approver approves; every copy says so
    typed(ada, ada.card(0), "Ward 7 confirmed it")
    ada.card(0).get_by_role("button", name="Approve once").click()
    for desk in desks.values():
        expect(desk.card(0)).to_contain_text("Approved once: send_email")
    found["approved"] = {
        **outcome(team, letter),
        "cards": {who: desk.seen(desk.card(0)) for who, desk in desks.items()},
    }
    # a hasty double click
    second = team.ward.ask(rules=(rule(),))
    card = ada.answer_here(1)
    typed(ada, card, "not this patient")
    card.get_by_role("button", name="Deny").dblclick()
    expect(ruiz.card(1)).to_contain_text("Denied: send_email")
    expect(ada.card(1)).to_contain_text("Denied: send_email")
    found["denied"] = {**outcome(team, second), "cards": {"ada": ada.seen(ada.card(1))}}
    # hostile text
    team.ward.ask(rules=(rule(),), view=HOSTILE, agent_reason=HOSTILE["to"], decisive={"recipient": HOSTILE["to"]})
    card = ada.answer_here(2)
    expect(card.get_by_role("button", name="Approve once")).to_be_visible()
    found["hostile"] = {
        **ada.seen(card),
        "active": card.locator("a, img, script, iframe, b, strong, em").count(),
        "pwned": ada.page.evaluate("window.pwned === undefined ? null : window.pwned"),
        "wide": card.locator(".ac-richTextBlock").evaluate_all(
            "all => all.some(e => e.scrollWidth > e.clientWidth + 1)"
        ),
    }
    if pictures:
        for who, desk in desks.items():
            desk.page.screenshot(path=str(pictures / f"playground-{who}.png"))
    found["replays"] = replays(team, gate)
    found["after"] = outcome(team, letter)
    return found


def replays(team: Team, gate: Gate) -> dict[str, Any]:
    """What ada's client sent to approve the letter, once more, and by others."""
    pressed = [each for each in gate.seen if each["body"].get("value", {}).get("action", {}).get("verb") == "approve"]
    body = pressed[0]["body"]
    third = team.ward.ask(rules=(rule(),), expires=30.0)
    view = {**body, "id": "f:view", "value": {"action": {"verb": "toolguard.view", "data": {"id": third.id}}}}
    with httpx.Client(trust_env=False, timeout=20) as client:

        def send(made: dict[str, Any], token: str | None = None) -> httpx.Response:
            return gate.pass_on(client, team, json.dumps(made).encode(), token=token)

        mine = send(view).json()["value"]
        (action,) = [each for each in mine["actions"] if each.get("verb") == "approve"]
        data = {**action["data"], "reason": "taken from ada"}
        press = {**body, "id": "f:press", "value": {"action": {**action, "data": data}}}
        stranger = {**body["from"], "aadObjectId": PEOPLE["sid"]}
        requester = {**body["from"], "aadObjectId": PEOPLE["ruiz"]}
        return {
            "same": send(body).text == pressed[0]["answer"],
            "again": json.dumps(send({**body, "id": "f:again"}).json()),
            "forged": send({**press, "id": "f:1"}, team.token(kid="private")).status_code,
            "unsigned": send({**press, "id": "f:2"}, "").status_code,
            "elsewhere": send({**press, "id": "f:3"}, team.token(serviceurl="https://evil.example/")).status_code,
            "stranger": json.dumps(send({**press, "id": "f:4", "from": stranger}).json()),
            "requester": json.dumps(send({**press, "id": "f:5", "from": requester}).json()),
            **outcome(team, third),
        }


def main(folder: Path, modules: Path, chromium: str) -> None:
    ward = Ward(folder, f"sqlite:///{folder}/t.db")
    cloud = Playgrounds()
    team = Team(ward, cloud)
    pictures = os.environ.get("TOOLGUARD_SCREENSHOTS")
    with service(team):
        gate = Gate(team)
        try:
            cloud.start(modules / "node_modules/@microsoft/m365agentsplayground/cli.js", npm.node(), folder, WHO)
            with sync_playwright() as playwright:
                sandbox = [] if os.geteuid() else ["--no-sandbox"]  # Chromium's own does not work for root
                browser = playwright.chromium.launch(executable_path=chromium, args=sandbox)
                desks = {who: Desk(browser, cloud.running[who][0]) for who in WHO}
                until(lambda: len(gate.joined()) == len(WHO))
                found = play(team, gate, desks, Path(pictures) if pictures else None)
                browser.close()
        finally:
            cloud.stop()
    found["sent"] = sorted({f"{method} {path.split('/')[-1][:10]}" for method, path in cloud.calls})
    found["refused"] = [each["status"] for each in gate.seen if each["status"] != 200]
    print(json.dumps(found))


main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
