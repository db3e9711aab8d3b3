"""The SDK's own ResponsesToolRunner over a box's functions: gated, masked, and waiting in place."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.openai.conftest import open_ward
from adapters.openai.ward import (
    MRN,
    NAME,
    RAN,
    USER,
    Ward,
    ana,
    assert_masked,
    export_all,
    fails,
    look_up,
    send_letter,
    write_note,
)
from toolguard import Guard
from toolguard.errors import ConfigError
from toolguard.testing.openai_server import ModelRequest, Reply, Use, say, use
from toolguard_openai import CustomTool, ToolBox


@pytest.fixture(params=["sync", "async"])
async def desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ward]:
    ward = open_ward(tmp_path, "responses", sync=request.param == "sync")
    yield ward
    await ward.close()


async def alook_up(mrn: str) -> dict[str, Any]:
    """Look a patient up by record number."""
    return look_up(mrn)


def model(*calls: Use) -> Any:
    def script(request: ModelRequest) -> Reply:
        return say(" | ".join(request.outputs)) if request.outputs else use(*calls)

    return script


async def run(ward: Ward, guard: Guard, script: Any, **session: Any) -> tuple[str, Any]:
    """What the model said at the end, and the server."""
    server = ward.server(script)
    client = ward.client(server, guard)
    found = {"look_up": look_up if ward.sync else alook_up}
    box = ToolBox(found, send_letter, export_all, fails, guard=guard)
    with ana(guard, **session):
        if ward.sync:
            response = box.runner().run(client, {"model": "m", "input": USER}, max_steps=4)
        else:
            response = await box.async_runner().run(client, {"model": "m", "input": USER}, max_steps=4)
    return response.output_text, server


LETTER = Use("send_letter", {"to": "<PERSON_1>", "body": "Dear patient"})


@pytest.mark.holds("S3", "S4", "S5", "S7", adapter="openai", mode="block", path="ResponsesToolRunner")
async def test_calls_are_gated_and_everything_stays_masked(desk: Ward) -> None:
    calls = (Use("look_up", {"mrn": "<MRN_1>"}), Use("export_all", {"path": "x"}), Use("fails", {"mrn": "1"}))
    text, server = await run(desk, desk.guard(), model(*calls))
    assert RAN == [("look_up", MRN), ("fails", "1")]
    assert "<PERSON_1> may go home." in text
    assert "refused by policy" in text
    assert "The tool failed: no record for <PERSON_1>" in text
    assert_masked(server.seen)


@pytest.mark.holds("S8", "S12", adapter="openai", mode="block", path="ResponsesToolRunner")
async def test_a_call_that_needs_a_person_waits_where_it_is_whatever_the_session_says(desk: Ward) -> None:
    guard = desk.guard(suspend="raise")

    def decide() -> None:
        for _ in range(1000):
            waiting = desk.desk.store.list("general")
            if waiting:
                desk.desk.approve(waiting[0].id)
                return
            time.sleep(0.01)

    person = threading.Thread(target=decide)
    person.start()
    text, _ = await run(desk, guard, model(LETTER), suspend="raise", wait=20.0)
    person.join()
    assert text == "sent to <PERSON_1>"
    assert RAN == [("send_letter", NAME, "Dear patient")]
    assert len(desk.desk.store.list("general")) == 1


@pytest.mark.holds("S13", adapter="openai", mode="block", path="ResponsesToolRunner")
async def test_after_the_wait_the_call_is_refused_and_a_late_yes_runs_nothing(desk: Ward) -> None:
    text, server = await run(desk, desk.guard(), model(LETTER), wait=0.1)
    assert RAN == []
    assert "did not run" in text
    (approval,) = desk.desk.store.list("general")
    assert approval.state.value == "withdrawn"
    assert_masked(server.seen)


async def test_s16_the_runner_needs_a_session_and_takes_functions_only(desk: Ward) -> None:
    guard = desk.guard()
    box = ToolBox(look_up, guard=guard)
    server = desk.server(model())
    client = desk.client(server, guard)
    with pytest.raises(RuntimeError):  # the runner says no more than that it stopped
        if desk.sync:
            box.runner().run(client, {"model": "m", "input": USER})
        else:
            await box.async_runner().run(client, {"model": "m", "input": USER})
    assert server.requests == []
    custom = ToolBox(CustomTool(function=write_note), guard=guard)
    with pytest.raises(ConfigError, match="functions only"):
        custom.runner()
    with pytest.raises(ConfigError, match="async_runner"):
        ToolBox({"Visit": alook_up}, guard=guard).runner()


async def test_s10_eager_streams_and_threads_run_each_call_once(desk: Ward) -> None:
    server, guard = desk.server(model(Use("look_up", {"mrn": "<MRN_1>"}), LETTER)), desk.guard()
    client = desk.client(server, guard)
    box = ToolBox({"look_up": look_up if desk.sync else alook_up}, send_letter, guard=guard)
    with ana(guard, wait=0.1):
        given: dict[str, Any] = {"stream": True, "eager": True, "max_steps": 3}
        if desk.sync:
            box.runner().run(client, {"model": "m", "input": USER}, **given)
        else:
            await box.async_runner().run(client, {"model": "m", "input": USER}, **given)
    assert RAN == [("look_up", MRN)]
    assert_masked(server.seen)


async def test_two_runs_at_once_do_not_share_a_call(desk: Ward) -> None:
    guard = desk.guard()
    if desk.sync:
        results: list[str] = []
        threads = [threading.Thread(target=lambda: results.append(_one(desk, guard))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    else:
        results = [text for text, _ in await asyncio.gather(*(run(desk, guard, model(_USE)) for _ in range(2)))]
    assert len(results) == 2
    assert RAN.count(("look_up", "1")) == 2


_USE = Use("look_up", {"mrn": "1"}, id="the-same")


def _one(ward: Ward, guard: Guard) -> str:
    client = ward.client(ward.server(model(_USE)), guard)
    with ana(guard):
        return ToolBox(look_up, guard=guard).runner().run(client, {"model": "m", "input": USER}).output_text
