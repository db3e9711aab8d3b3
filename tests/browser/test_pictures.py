"""The pictures of the inbox in docs/img, taken from the real thing.

``TOOLGUARD_SCREENSHOTS=/tmp/pictures pytest tests/browser/test_pictures.py``, then reduced to 128 colours.
"""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Page, expect

from authority.test_standing import LENIENT
from authority.ward import Ward, human
from browser.conftest import Visit
from browser.test_inbox import accessible

BODY = "Dear <PERSON_1>,\nplease find your discharge letter {}attached.\nWard 7"
BEFORE = {"to": "<EMAIL_1>", "subject": "Discharge letter", "body": BODY.format(""), "attachments": ["discharge.pdf"]}
NOW = {
    "to": "<EMAIL_2>",
    "subject": "Discharge letter",
    "body": BODY.format("and the full chart "),
    "cc": "records@example.org",
}


def picture(page: Page, name: str) -> None:
    """What stands in the window, without what is beyond it."""
    if folder := os.environ.get("TOOLGUARD_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def test_the_inbox_as_the_documents_show_it(visit: Visit, ward: Ward) -> None:
    authority = ward.authority
    authority.freeze(human("tess"), agent="billing-bot", reason="two letters to the wrong address")
    ward.decide(human("grace"), ward.ask(view=BEFORE, decisive={"to": "<EMAIL_1>"}))
    asked = ward.ask(view=NOW, decisive={"to": "<EMAIL_2>"}, rules=(LENIENT,))
    ward.ask(
        tool="export_cohort",
        risk_level="critical",
        risk_class="exfiltration",
        because="exports need two privacy officers",
        view={"cohort": "diabetes", "bucket": "s3://research"},
        decisive={"bucket": "s3://research"},
        expires=230.0,
    )
    ward.ask(
        tool="wire_money",
        risk_class="financial",
        because="payments need the head of finance",
        view={"amount": 1200, "to": "<PERSON_1>"},
        decisive={"amount": "1200"},
    )
    authority.comment(human("ada"), asked.id, "Why the full chart this time? The clinic only needs the letter.")
    authority.comment(human("ruiz"), asked.id, "They take over the wound care and asked for the photos.")
    with visit("ada") as page:
        page.set_viewport_size({"width": 1120, "height": 900})
        page.goto("/inbox")
        expect(page.locator(f'a.row[href="/inbox/{asked.id}"] .talked')).to_contain_text("2")
        expect(page.locator(".live-dot")).to_be_visible()
        accessible(page)
        picture(page, "inbox-list")
        page.goto(f"/inbox/{asked.id}")
        expect(page.locator(".tally").first).to_contain_text("2 changed")
        expect(page.locator(".live-dot")).to_be_visible()
        accessible(page)
        page.set_viewport_size({"width": 1120, "height": 1230})
        picture(page, "inbox-request")
        page.locator("#comments").scroll_into_view_if_needed()
        page.set_viewport_size({"width": 1120, "height": 820})
        page.evaluate("document.querySelector('#propose').scrollIntoView()")
        picture(page, "inbox-talk")
