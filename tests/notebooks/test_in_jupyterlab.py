"""The approval notebook's own steps in a real JupyterLab, in a real browser: a button is pressed, a person signs in and decides."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from socket import create_server

import httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, sync_playwright

import npm
from toolguard_notebook import practice
from toolguard_notebook.practice import Practice

SETTLE = 60_000
CELLS = (
    """
from toolguard import Caller, Guard
from toolguard.display import trace
from toolguard_notebook import show_approvals
from toolguard.errors import NotAllowedError
guard = Guard.from_config(CONFIG)
show_approvals(guard, URL)
session = guard.session(caller=Caller.of("ana.ruiz", agent="ward-assistant", tenant="practice"), run="lab", wait=120)
def export_cohort(cohort: str, destination: str) -> str:
    "Export the records of a cohort to a research partner."
    return "the tool ran: " + cohort
print("guard is ready")
""",
    """
session.call(export_cohort, {"cohort": "heart failure 2026", "destination": "https://partner.example/inbox"}, call_id="1")
""",
    """
try:
    await session.acall(export_cohort, {"cohort": "all patients", "destination": "https://partner.example/inbox"}, call_id="2")
except NotAllowedError as refused:
    print("refused:", refused.code)
""",
    "trace(session)",
)


@dataclass(frozen=True)
class Lab:
    url: str
    home: Path


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    with practice(tmp_path_factory.mktemp("ward")) as made:
        made.service()
        yield made


@pytest.fixture(scope="module")
def lab(ward: Practice, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on loopback with the notebook in it; → its address with a token."""
    folder = tmp_path_factory.mktemp("lab")
    cells = [
        {"cell_type": "code", "execution_count": None, "id": f"cell-{n}", "metadata": {}, "outputs": [], "source": text}
        for n, text in enumerate(_filled(cell, ward) for cell in CELLS)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    (folder / "approval.ipynb").write_text(
        json.dumps({"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})
    )
    with closing(create_server(("127.0.0.1", 0))) as found:
        port = found.getsockname()[1]
    home = tmp_path_factory.mktemp("home")
    _settings(home, notification='{"fetchNews": "false", "checkForUpdates": false}')
    log = (folder / "lab.log").open("wb")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"),
            *("--ServerApp.port_retries=0", "--IdentityProvider.token=practice", f"--ServerApp.root_dir={folder}"),
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(home), "JUPYTER_CONFIG_DIR": str(home), "JUPYTER_RUNTIME_DIR": str(home)},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 60
        while True:
            assert process.poll() is None, (folder / "lab.log").read_text()[-2000:]
            assert time.monotonic() < until, (folder / "lab.log").read_text()[-2000:]
            try:
                if httpx.get(f"{url}/api/status?token=practice", timeout=5).is_success:
                    break
            except httpx.HTTPError:
                time.sleep(0.3)
        yield Lab(url=f"{url}/lab/tree/approval.ipynb?token=practice", home=home)
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def _filled(cell: str, ward: Practice) -> str:
    text = cell.strip().replace("CONFIG", repr(str(ward.config)))
    return re.sub(r"\bURL\b", repr(ward.service().url), text)


@pytest.fixture
def context(request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=npm.program("chromium", "chromium", "chromium-browser", "google-chrome"), args=sandbox
        )
        made = browser.new_context(viewport={"width": 1280, "height": 1000}, color_scheme="light")
        yield made
        for number, page in enumerate(made.pages):
            _shot(page, f"end-{number}")
        made.close()
        browser.close()


def _link(ward: Practice, who: str) -> str:
    """A person's own sign-in link, as they make it in a terminal of theirs."""
    made = subprocess.run(
        [sys.executable, "-m", "toolguard", "people", "link", who, "--config", str(ward.config)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return made.stdout.strip()


def _run(page: Page, number: int) -> Locator:
    """Run a cell by its keys; → the cell. The kernel may not be there yet: then the keys do nothing, and are pressed again."""
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(number)
    prompt = cell.locator(".jp-InputPrompt").first
    for _ in range(40):
        cell.locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(1500)
        if prompt.inner_text().strip() not in ("[ ]:", "[\u00a0]:"):
            return cell
    pytest.fail("the cell does not begin")


def _said(cell: Locator, text: str) -> None:
    """Wait until ``text`` stands in what a cell gave out."""
    cell.locator(".jp-OutputArea-output", has_text=text).first.wait_for(timeout=SETTLE)


def _stands(card: Locator, word: str) -> None:
    """Wait until a card says where the question stands."""
    card.locator(".tga-state", has_text=word).wait_for(timeout=SETTLE)


def _settings(home: Path, **named: str) -> None:
    """JupyterLab's own settings, as its dialogue writes them."""
    folder = home / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in named.items():
        (folder / f"{name}.jupyterlab-settings").write_text(text)


def _shot(page: Page, name: str) -> None:
    if os.environ.get("TOOLGUARD_SCREENSHOTS"):
        page.screenshot(path=str(Path(os.environ["TOOLGUARD_SCREENSHOTS"]) / f"{name}.png"))


def _sign_in(window: Page, link: str) -> None:
    """In the service's own window: paste the link's code."""
    window.wait_for_url("**/signin", timeout=SETTLE)
    window.fill("#code", link.rpartition("#")[2])
    window.click("text=Sign in >> nth=-1")
    window.wait_for_url("**/inbox/*", timeout=SETTLE)  # to what they came for


def test_a_button_opens_the_service_where_the_approver_answers_while_the_cell_waits(
    ward: Practice, lab: Lab, context: BrowserContext
) -> None:
    sent: list[str] = []
    page = context.new_page()
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(str(frame))))
    page.goto(lab.url, timeout=SETTLE)
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=SETTLE)
    _said(_run(page, 0), "guard is ready")

    first = _run(page, 1)
    card = page.locator(".tga").first
    _stands(card, "Waiting")
    left = card.locator(".tga-left")
    before = left.inner_text()
    page.wait_for_timeout(1500)
    assert "left to answer" in before
    assert left.inner_text() != before, "the countdown goes on while the cell waits"
    assert "https://partner.example/inbox" in card.inner_text()
    _shot(page, "waiting")

    with context.expect_page() as opened:
        card.get_by_text("Approve …").click()
    window = opened.value
    link = _link(ward, "wei.chen")
    _sign_in(window, link)
    assert window.evaluate("window.opener") is None, "the notebook's page holds no handle to the service's"
    assert page.url.split("/")[2] != window.url.split("/")[2]
    assert page.evaluate("location.hostname") != window.evaluate("location.hostname"), "so no cookie goes to JupyterLab"
    digest = card.locator("code").inner_text().split()[0]
    assert digest in window.content(), "what the card shows can be compared with what is approved"
    _shot(window, "window")
    window.fill("#reason", "consent is on file")
    window.get_by_role("button", name="Approve once").click()

    _said(first, "the tool ran: heart failure 2026")
    _stands(card, "Carried out")
    assert card.locator(".tga-buttons").count() == 0
    _shot(page, "carried-out")

    third = _run(page, 2)
    second = page.locator(".tga").nth(1)
    _stands(second, "Waiting")
    with context.expect_page() as again:
        second.get_by_text("Deny …").click()
    window = again.value
    window.wait_for_url("**/inbox/**", timeout=SETTLE)
    window.fill("#reason", "not without the ethics board")
    window.get_by_role("button", name="Deny").click()
    _said(third, "refused: denied_by_person")
    _stands(second, "Denied")

    _run(page, 3)
    page.locator(".tg .steps").first.wait_for(timeout=SETTLE)
    _shot(page, "trace")

    cookies = {c["name"]: c["value"] for c in context.cookies() if c["name"].startswith("toolguard")}
    assert cookies, "the approver's browser is signed in"
    for secret in (*cookies.values(), link.rpartition("#")[2]):
        assert all(secret not in frame for frame in sent), "nothing of the approver's goes to the kernel"
    held = context.cookies(lab.url)
    assert not [c for c in held if c["name"].startswith("toolguard")], "nor to the notebook's server"


def test_who_asks_is_not_let_answer_from_the_same_browser(ward: Practice, lab: Lab, context: BrowserContext) -> None:
    """The requester presses the same button, signed in as herself: the service's page lets her look, and not approve."""
    _settings(lab.home, themes='{"theme": "JupyterLab Dark"}')
    page = context.new_page()
    page.goto(lab.url, timeout=SETTLE)
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=SETTLE)
    _said(_run(page, 0), "guard is ready")
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(1)
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.type(
        'guard.session(caller=session.caller, suspend="raise", run="own").call(export_cohort, dict(cohort="x", destination="https://partner.example/own"), call_id="own")'
    )
    page.keyboard.press("Control+Enter")
    card = cell.locator(".tga").last
    _stands(card, "Waiting")
    background = card.evaluate("card => getComputedStyle(card).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", background)[:3])) < 200, "in a dark JupyterLab the card is dark, too"
    _shot(page, "dark")
    with context.expect_page() as opened:
        card.get_by_text("Approve …").click()
    window = opened.value
    _sign_in(window, _link(ward, "ana.ruiz"))
    assert window.get_by_role("button", name="Approve").count() == 0
    assert "You asked for this" in window.inner_text("main")
    _stands(card, "Waiting")
