"""What docs/remote.md shows works: its files are written down, its commands are run, its guard waits for a person."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from toolguard.config import Config

PAGE = (Path(__file__).parents[2] / "docs" / "remote.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder as the page leaves it, with the service running on a free port."""
    monkeypatch.chdir(tmp_path)
    for language, text in BLOCKS:
        if language in ("toml", "yaml"):
            file = Path(re.match(r"# (\S+)\n", text)[1])
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, "utf-8")
    commands = "\n".join(text for language, text in BLOCKS if language == "sh")
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with Path("said.txt").open("wb") as said:
        ran = subprocess.run(["bash", "-e", "-c", commands], env=env, stdout=said, stderr=said, timeout=120)
    assert ran.returncode == 0, Path("said.txt").read_text()
    until = time.monotonic() + 60
    while not Path("ready.json").exists():
        assert time.monotonic() < until, Path("said.txt").read_text()
        time.sleep(0.05)
    ready = json.loads(Path("ready.json").read_text())
    config = Path("guard/toolguard.toml")
    config.write_text(config.read_text().replace("http://127.0.0.1:8790", ready["url"]))
    yield ready["url"]
    os.kill(ready["pid"], signal.SIGTERM)
    while Path("ready.json").exists():
        assert time.monotonic() < until + 60
        time.sleep(0.05)


def test_the_page_from_top_to_bottom(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    headers = {"Authorization": "Bearer " + Path("wei.token").read_text().strip()}

    def wei() -> None:
        with httpx.Client(base_url=place, headers=headers, timeout=60) as client:
            for _ in range(400):
                if found := client.get("/v1/approvals", params={"state": "pending"}).json()["items"]:
                    body = {
                        "answer": "approve",
                        "reason": "as every month",
                        "seen_call_digest": found[0]["call_digest"],
                        "seen_view_digest": found[0]["view_digest"],
                    }
                    path = f"/v1/approvals/{found[0]['id']}/decision"
                    client.post(path, json=body, headers={"If-Match": f'"{found[0]["version"]}"'}).raise_for_status()
                    return
                time.sleep(0.05)

    person = threading.Thread(target=wei)
    person.start()
    (code,) = [text for language, text in BLOCKS if language == "python"]
    exec(compile(code, "remote.md", "exec"), {"__name__": "remote"})
    person.join()
    assert capsys.readouterr().out == "written\n"
    kept = {file.name for file in Path("guard").rglob("*")}
    assert "service.key" not in kept
    assert "tokens.json" not in kept


def test_every_key_of_the_page_is_one() -> None:
    service = set(Config.model_fields["service"].annotation.model_fields)
    named = set(re.findall(r"`service\.(\w+)", PAGE))
    assert {"remote", "ca", "freeze_within"} <= named <= service
