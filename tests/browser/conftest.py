from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

import npm
from authority.ward import Ward
from server.process import Running, configure, start, stop, wait_for
from server.visitors import Visitors
from toolguard.directory import Audience

expect.set_options(timeout=20_000)  # a page that is slow to come is no page that does not come
SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 900}}


def chromium() -> str:
    """Chromium's path; installed as a Debian package where that is possible."""
    return npm.program("chromium", "chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Closed with its module: while it is open, no test that is asynchronous can run."""
    with sync_playwright() as playwright:
        sandbox = [] if os.geteuid() else ["--no-sandbox"]  # Chromium's own does not work for root
        browser = playwright.chromium.launch(executable_path=chromium(), args=sandbox)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    ward = configure(folder)
    process = start(folder, "--port", "0", "--ready-file", str(folder / "ready.json"))
    url = wait_for(process, folder)
    yield Running(ward, Visitors(ward), url, process)
    assert "Traceback" not in stop(process)
    ward.store.close()


@pytest.fixture
def ward(running: Running) -> Ward:
    return running.ward


Visit = Callable[..., AbstractContextManager[Page]]


@pytest.fixture
def visit(browser: Browser, running: Running) -> Visit:
    """A page of somebody's own browser, signed in if ``who`` is given. Whatever a page complains of fails the test,
    except an answer with the status ``refused``.
    """

    @contextmanager
    def visit(
        who: str = "",
        *,
        size: str = "desktop",
        scheme: str = "light",
        javascript: bool = True,
        tenant: str = "st-marys",
        refused: int = 0,
    ) -> Iterator[Page]:
        said: list[str] = []
        context = browser.new_context(
            viewport=SIZES[size], color_scheme=scheme, java_script_enabled=javascript, base_url=running.url
        )
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
        if who:
            secret = running.visitors.secret(who, Audience.LINK, tenant)
            page.goto("/signin" if not javascript else f"/signin#{secret}")
            if not javascript:
                page.get_by_label("Sign-in code").fill(secret)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url("**/inbox")
        yield page
        context.close()
        assert [line for line in said if not refused or f"status of {refused}" not in line] == []

    return visit


def screenshot(page: Page, name: str) -> None:
    """Kept where ``TOOLGUARD_SCREENSHOTS`` says, to be looked at."""
    folder = os.environ.get("TOOLGUARD_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)
