"""A call that begins to wait while no approval service is there says so, once, and waits no shorter or longer for it."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time

import pytest

from cli.healthy import Home, answering, free_port
from server.process import start, stop, wait_for
from toolguard import Caller, Guard
from toolguard.confirm import ServiceLook
from toolguard.errors import NotAllowedError

CALLER = Caller.of("ana", agent="ward-assistant", tenant="general")


def export_cohort(cohort: str) -> str:
    """Export a cohort for a study."""
    return f"exported {cohort}"


@pytest.fixture
def patient(monkeypatch) -> None:
    """Whoever looks for the service gives it a minute: a busy machine is no missing service."""
    monkeypatch.setitem(ServiceLook.__init__.__kwdefaults__, "timeout", 60.0)


def ask(home: Home, *, wait: float = 0.4) -> float:
    """Make a call nobody answers, in block mode; how long it took."""
    with Guard.from_config(home.file) as guard, guard.session(caller=CALLER, wait=wait) as session:
        began = time.monotonic()
        with pytest.raises(NotAllowedError):
            session.call(export_cohort, {"cohort": "heart failure"}, call_id="c")
        return time.monotonic() - began


def warned(caplog, *, seconds: float = 30.0) -> list[str]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = [
            r.getMessage() for r in caplog.records if r.name == "toolguard" and "no approval service" in r.getMessage()
        ]
        if found:
            return found
        time.sleep(0.02)
    return []


def test_without_a_service_whoever_waits_is_told_what_to_do(home: Home, caplog) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    home.set("service", url=url)
    ask(home)
    (said,) = warned(caplog)
    assert url in said
    assert "toolguard serve" in said
    with Guard.from_config(home.file) as guard:
        (asked,) = guard.parts.store.list("general")
    assert asked.id in said
    assert "heart" not in said


def test_the_same_on_an_event_loop(home: Home, caplog) -> None:
    home.set("service", url=f"http://127.0.0.1:{free_port()}")

    async def make() -> None:
        with Guard.from_config(home.file) as guard, guard.session(caller=CALLER, wait=0.4) as session:
            with pytest.raises(NotAllowedError):
                await session.acall(export_cohort, {"cohort": "heart failure"}, call_id="c")

    asyncio.run(make())
    assert len(warned(caplog)) == 1


def test_with_the_real_service_nothing_is_said(home: Home, caplog, patient) -> None:
    port = free_port()
    home.set("service", url=f"http://127.0.0.1:{port}")
    process = start(home.folder, "--ready-file", str(home.at("ready.json")))
    try:
        assert wait_for(process, home.folder) == f"http://127.0.0.1:{port}"
        assert home.wrong(online=True) == set(), "and doctor finds it: ready, of this store, of this version, on time"
        ask(home)
        assert warned(caplog, seconds=1.5) == []
    finally:
        stop(process)


def test_something_else_at_the_address_is_no_service(home: Home, caplog) -> None:
    with answering({"/healthz": (200, "text/html", b"<h1>It works</h1>")}) as url:
        home.set("service", url=url)
        ask(home)
        assert len(warned(caplog)) == 1


def test_an_address_that_never_answers_delays_nobody(home: Home, caplog, patient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        home.set("service", url=f"http://127.0.0.1:{deaf.getsockname()[1]}")
        assert ask(home, wait=0.2) < 30
    assert len(warned(caplog)) == 1  # now that it hung up


def test_it_looks_once_a_minute_at_most(caplog) -> None:
    now = [0.0]
    look = ServiceLook(f"http://127.0.0.1:{free_port()}", clock=lambda: now[0])
    looks: list[str] = []
    look.look = lambda approval: looks.append(approval)  # type: ignore[method-assign] # what the thread does
    for at, approval in ((0, "a"), (1, "b"), (59.9, "c"), (60, "d"), (61, "e")):
        now[0] = at
        look(approval)
    for thread in threading.enumerate():
        if thread.name == "toolguard-service":
            thread.join(5)
    assert looks == ["a", "d"]


def test_whoever_is_told_may_fail(home: Home, caplog) -> None:
    def fail(approval: str) -> None:
        raise RuntimeError("a value")

    with Guard.from_config(home.file, on_wait=fail) as guard, guard.session(caller=CALLER, wait=0.2) as session:
        with pytest.raises(NotAllowedError):
            session.call(export_cohort, {"cohort": "heart failure"}, call_id="c")
    assert "RuntimeError" in caplog.text
    assert "a value" not in caplog.text


def test_in_raise_mode_nobody_waits_and_nothing_is_said(home: Home, caplog) -> None:
    from toolguard import Suspended

    caplog.set_level(logging.WARNING)
    home.set("service", url=f"http://127.0.0.1:{free_port()}")
    with Guard.from_config(home.file) as guard, guard.session(caller=CALLER, suspend="raise") as session:
        with pytest.raises(Suspended):
            session.call(export_cohort, {"cohort": "heart failure"}, call_id="c")
    assert warned(caplog, seconds=0.3) == []
