"""The end of a service: who waits is answered, who listens is let go, and nothing is cut off. And what it logs."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from authority.ward import Ward
from server.process import configure, start, wait_for
from server.test_rest import problem
from server.visitors import BASE, Visitors, app_of
from toolguard.directory import Audience
from toolguard_server.logs import JsonLines


async def test_who_waits_and_who_listens_is_let_go_at_once(tmp_path: Path) -> None:
    ward = configure(tmp_path)
    visitors = Visitors(ward)
    long = "from toolguard_server import cli\ncli._GRACE = 60"  # so that nobody is let go because it is over
    process = start(tmp_path, "--port", "0", "--log-json", "--ready-file", str(tmp_path / "ready.json"), before=long)
    asked = ward.ask()
    async with httpx.AsyncClient(base_url=wait_for(process, tmp_path), timeout=90) as client:
        guard, ada = visitors.bearer("ward-guard", Audience.SERVICE), visitors.bearer("ada")
        waiting = [
            asyncio.ensure_future(client.get(f"/v1/approvals/{asked.id}/wait?timeout=60", headers=guard))
            for _ in range(20)
        ]

        heard = asyncio.Semaphore(0)

        async def listen() -> str:
            said = ""
            async with client.stream("GET", "/v1/stream", headers=ada) as stream:
                async for text in stream.aiter_text():
                    if asked.id in text and asked.id not in said:
                        heard.release()
                    said += text
            return said

        listening = [asyncio.ensure_future(listen()) for _ in range(3)]
        for _ in listening:
            await asyncio.wait_for(heard.acquire(), 30)
        await asyncio.sleep(1.0)
        assert (await client.get("/healthz")).status_code == 200  # what was sent before has come
        assert not any(task.done() for task in (*waiting, *listening))
        process.send_signal(signal.SIGTERM)
        replies = await asyncio.wait_for(asyncio.gather(*waiting), 30)
        assert [r.status_code for r in replies] == [204] * 20
        for text in await asyncio.wait_for(asyncio.gather(*listening), 30):
            assert asked.id in text
    said = (await asyncio.to_thread(process.communicate, timeout=60))[1]
    assert process.returncode == 0, said
    assert "Traceback" not in said
    ward.store.close()


async def test_a_service_that_stops_is_alive_but_not_ready(ward: Ward) -> None:
    app = app_of(ward)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        assert (await client.get("/readyz")).json() == {"status": "ready"}
        app.state.closing.set()
        refused = await client.get("/readyz")
        problem(refused, 503, "unavailable")
        assert refused.headers["retry-after"]
        assert (await client.get("/healthz")).status_code == 200


CANARY = "Maria Canarywood"


def _record(error: Exception | None) -> logging.LogRecord:
    info = None
    if error is not None:
        try:
            raise error
        except Exception as raised:
            info = (type(raised), raised, raised.__traceback__)
    return logging.LogRecord("uvicorn.error", logging.ERROR, __file__, 1, "it failed\n%s", ("again",), info)


def test_a_json_line_is_one_line_and_holds_no_exceptions_text() -> None:
    line = JsonLines().format(_record(ValueError(CANARY)))
    said = json.loads(line)
    assert "\n" not in line
    assert "Canarywood" not in line
    assert set(said) == {"at", "level", "logger", "message", "error"}
    assert (said["level"], said["logger"], said["message"]) == ("error", "uvicorn.error", "it failed\nagain")
    assert said["error"].startswith("ValueError at ")
    assert "error" not in json.loads(JsonLines().format(_record(None)))


@pytest.mark.parametrize("json_lines", [True, False])
def test_a_service_logs_no_text_of_exceptions(json_lines: bool) -> None:
    code = (
        "import logging; from toolguard_server.logs import start_logging\n"
        f"start_logging(json_lines={json_lines})\n"
        f"try: raise ValueError({CANARY!r})\n"
        "except ValueError: logging.getLogger('httpx').exception('it failed')\n"
        "logging.getLogger('x').info('not said')"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    assert "ValueError at <string>:3" in said
    assert "Canarywood" not in said
    assert "not said" not in said
    assert said.count("\n") == 1
