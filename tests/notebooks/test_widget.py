"""The card under a cell: it shows and follows, sync and async, in any thread; it cannot answer, and holds nobody's credential."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from toolguard import Caller, Guard, Suspended
from toolguard.display import verified
from toolguard.errors import ConfigError, NotAllowedError, NotFoundError
from toolguard_notebook import practice, show_approval, show_approvals, start_service
from toolguard_notebook.inline import Inline
from toolguard_notebook.practice import Practice
from toolguard_notebook.widget import ApprovalWidget

STATIC = Path(sys.modules["toolguard_notebook"].__file__ or "").parent / "static"


def asked(what: str) -> dict[str, str]:
    """Arguments of one test: a person's no is remembered, and holds for the same call again."""
    return {"cohort": what, "destination": "https://partner.example/in"}


def export_cohort(cohort: str, destination: str) -> str:
    """Export the records of a cohort to a research partner."""
    return f"exported {cohort}"


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    with practice(tmp_path_factory.mktemp("ward") / "new") as made:
        made.service()
        yield made


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[ApprovalWidget]:
    """What is displayed, in order."""
    found: list[ApprovalWidget] = []
    monkeypatch.setattr("toolguard_notebook.inline.display", found.append)
    return found


@pytest.fixture
def guard(ward: Practice) -> Iterator[Guard]:
    with Guard.from_config(ward.config) as made:
        yield made


def caller(ward: Practice) -> Caller:
    return Caller.of(ward.requester, agent=ward.agent, tenant=ward.tenant)


def until(widget: ApprovalWidget, state: str) -> None:
    end = time.monotonic() + 30
    while widget.card["state"] != state:
        assert time.monotonic() < end, widget.card["state"]
        time.sleep(0.05)


def test_a_question_is_shown_while_its_call_waits_and_follows_to_the_end(
    ward: Practice, guard: Guard, shown: list[ApprovalWidget]
) -> None:
    show_approvals(guard, ward.service().url)
    states: list[str] = []
    ward.colleague("approve", after=0.5)
    session = guard.session(caller=caller(ward), wait=60)
    watcher = threading.Thread(target=lambda: _watch(shown, states), daemon=True)
    watcher.start()
    assert session.call(export_cohort, asked("sync")) == "exported sync"
    (widget,) = shown
    until(widget, "executed")
    watcher.join(5)
    assert states[0] == "pending", "it was drawn before anybody answered"
    assert widget.card["answers"] == ["wei.chen approved once: Looked at it."]


def _watch(shown: list[ApprovalWidget], states: list[str]) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and (not states or states[-1] != "executed"):
        if shown and (not states or states[-1] != shown[0].card["state"]):
            states.append(shown[0].card["state"])
        time.sleep(0.01)


async def test_on_an_event_loop_the_card_comes_and_the_loop_goes_on(
    ward: Practice, guard: Guard, shown: list[ApprovalWidget]
) -> None:
    show_approvals(guard, ward.service().url)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.02)

    ticking = asyncio.create_task(tick())
    deciding = await asyncio.to_thread(ward.colleague, "deny", after=0.5)
    with pytest.raises(NotAllowedError) as refused:
        await guard.session(caller=caller(ward), wait=60).acall(export_cohort, asked("async"))
    ticking.cancel()
    assert refused.value.code == "denied_by_person"
    assert await asyncio.to_thread(deciding.said) == "denied"
    assert ticks > 10
    assert len(shown) == 1


def test_who_asked_is_refused_at_the_service(ward: Practice, guard: Guard, shown: list[ApprovalWidget]) -> None:
    session = guard.session(caller=caller(ward), suspend="raise")
    with pytest.raises(Suspended) as paused:
        session.call(export_cohort, asked("own"), call_id="own")
    widget = show_approval(session, paused.value, ward.service().url)
    assert ward.colleague("approve", who=ward.requester).said() == "refused: self_approval"
    assert widget.card["state"] == "pending"
    assert ward.colleague("deny").said() == "denied"
    until(widget, "denied")
    with pytest.raises(ConfigError, match="nobody here is called 'mallory'"):
        ward.colleague("approve", who="mallory")


def test_nothing_the_page_sends_changes_anything(ward: Practice, guard: Guard, shown: list[ApprovalWidget]) -> None:
    """The front end is whatever the notebook's page makes of it: messages of every shape, and the service knows nothing."""
    session = guard.session(caller=caller(ward), suspend="raise")
    with pytest.raises(Suspended) as paused:
        session.call(export_cohort, asked("messages"), call_id="messages")
    widget = show_approval(session, paused.value, ward.service().url)
    for content in ({"answer": "approve"}, {"event": "click", "decision": "approve"}, "approve", None):
        widget._handle_custom_msg(content, [])
    widget.set_state({"card": {**widget.card, "state": "approved", "open": False}})
    found = guard.parts.store.get(ward.tenant, paused.value.approval_id)
    assert found is not None
    assert found.state.value == "pending"
    assert not found.verdicts
    assert ward.colleague("deny").said() == "denied"


def test_no_credential_is_in_the_card_or_on_its_way(ward: Practice, guard: Guard, shown: list[ApprovalWidget]) -> None:
    session = guard.session(caller=caller(ward), suspend="raise")
    with pytest.raises(Suspended) as paused:
        session.call(export_cohort, asked("state"), call_id="state")
    widget = show_approval(session, paused.value, ward.service().url)
    sent = repr(widget.get_state()) + repr(widget._repr_mimebundle_())
    for token in ward.folder.glob("*.token"):
        assert token.stat().st_mode & 0o777 == 0o600
        assert token.read_text() not in sent
    assert paused.value.approval_id in widget.card["link"]
    assert ward.colleague("deny").said() == "denied"


def test_the_front_end_sends_nothing_and_sets_text_as_text() -> None:
    script = re.sub(r"//.*", "", (STATIC / "approval.js").read_text("utf-8"))
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "XMLHttpRequest", "model.send",
                 "model.set", "save_changes", "localStorage", "document.cookie", "postMessage", "<input", "<iframe"):  # fmt: skip
        assert word not in script, word


def test_no_page_of_the_service_may_be_framed(ward: Practice) -> None:
    reply = httpx.get(f"{ward.service().url}/signin", timeout=60)
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
    assert reply.headers["x-frame-options"] == "DENY"
    assert reply.headers["cross-origin-opener-policy"] == "same-origin"


def test_a_card_whose_guard_is_closed_stays_as_it_was(ward: Practice, shown: list[ApprovalWidget]) -> None:
    guard = Guard.from_config(ward.config)
    session = guard.session(caller=caller(ward), suspend="raise")
    with pytest.raises(Suspended) as paused:
        session.call(export_cohort, asked("closed"), call_id="closed")
    inline = Inline(guard, ward.service().url)
    widget = inline.show(ward.tenant, paused.value.approval_id)
    guard.close()
    end = time.monotonic() + 10
    while inline._thread is not None and time.monotonic() < end:
        time.sleep(0.05)
    assert inline._thread is None, "its thread is gone"
    assert widget.card["state"] == "pending"
    assert ward.colleague("deny").said() == "denied"


def test_what_is_not_there_is_not_drawn(ward: Practice, guard: Guard, shown: list[ApprovalWidget]) -> None:
    with pytest.raises(NotFoundError):
        show_approval(guard.session(caller=caller(ward)), "0" * 32, ward.service().url)
    assert not shown


def test_the_journal_is_verified_by_guard_and_by_configuration(ward: Practice, guard: Guard) -> None:
    guard.session(caller=caller(ward)).explain(export_cohort, asked("nothing"))
    by_guard, by_file = verified(guard), verified(ward.config)
    assert by_guard.ok
    assert by_file.ok
    assert by_guard.records == by_file.records > 0


def test_what_the_documentation_shows_runs(
    ward: Practice, shown: list[ApprovalWidget], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "notebooks.md").read_text("utf-8")
    (block,) = re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(ward.folder)
    names: dict[str, Any] = {}
    exec(compile(block, "notebooks.md", "exec"), names)
    with names["guard"] as guard, pytest.raises(Suspended):
        guard.session(caller=caller(ward), suspend="raise").call(export_cohort, asked("shown"))
    assert len(shown) == 1
    assert ward.colleague("deny").said() == "denied"


def test_a_service_that_runs_is_used_and_left_running(ward: Practice) -> None:
    with start_service(ward.config) as found:
        assert not found.ours
        assert found.url == ward.service().url
    assert httpx.get(f"{ward.service().url}/healthz", timeout=60).is_success


def test_a_child_ends_with_its_owner_and_outlives_an_interrupted_cell(tmp_path: Path) -> None:
    code = f"""
import os, signal
from toolguard_notebook import practice
ward = practice({str(tmp_path / "ward")!r})
service = ward.service()
assert os.getsid(service.pid) != os.getsid(0)
print(service.url, service.pid)
"""
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=180, check=True)
    url, _ = made.stdout.split()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz", timeout=60)


def test_a_service_that_cannot_start_says_why(tmp_path: Path) -> None:
    with practice(tmp_path / "ward") as ward:
        (ward.folder / "service.key").unlink()
        with pytest.raises(ConfigError, match=r"did not start: .*service\.key"):
            ward.service()


def test_a_second_ward_in_one_folder_is_refused(ward: Practice) -> None:
    with pytest.raises(ConfigError, match="holds an installation already"):
        practice(ward.folder)


def test_without_its_extra_it_says_which_one(tmp_path: Path) -> None:
    code = "import sys; sys.modules['anywidget'] = None\ntry:\n    import toolguard_notebook\nexcept ImportError as e:\n    print(e)"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert "toolguard-middleware[notebook]" in made.stdout
