"""From nothing: ``toolguard init``, the service, the first guarded call, its approval; as somebody new would go."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.healthy import files, free_port
from server.process import stop, wait_for
from toolguard.cli.main import build
from toolguard.health import Level, examine

TOOLGUARD = Path(sys.executable).with_name("toolguard")
RUN = CliRunner()
EXPLAINED = {
    "policy.development": "nobody signs it yet",
    "tokens.nobody": "the next command makes the token",
    "separation.none": "one user runs everything",
    "audit.anchors": "there is one machine",
}
"""What doctor warns of after ``init``, and why that is so in the first hour."""


def toolguard(*arguments: str, code: int = 0, **environ: str) -> str:
    ran = subprocess.run(
        [TOOLGUARD, *arguments], capture_output=True, text=True, env={**os.environ, **environ}, check=False, timeout=60
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
    return ran.stdout


def init(*arguments: str):
    return RUN.invoke(build(["init"]), ["init", *arguments])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("TOOLGUARD_CONFIG", "TOOLGUARD_TOKEN", "TOOLGUARD_SERVICE_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def warnings(folder: Path) -> set[str]:
    found = examine(folder / "toolguard.toml", online=False)
    assert not [f for f in found if f.level is Level.FAULT]
    return {f.code for f in found if f.level is Level.WARNING}


TOOLS = '''
def find_patient(name: str) -> dict:
    """Find a patient by name."""
    return {}

def delete_record(record_id: str, reason: str = "") -> None:
    """Delete a record for good."""

def run_query(sql: str) -> list:
    """Run a statement against the warehouse."""
    return []

TOOLS = [find_patient, delete_record, run_query]
'''


def test_what_it_writes_passes_check_lint_test_and_doctor(place: Path) -> None:
    assert init("--yes", "--person", "ana", "--approver", "wei").exit_code == 0
    for command in ("check", "lint", "test"):
        arguments = [] if command == "test" else ["policy.yaml"]
        assert RUN.invoke(build(["policy"]), ["policy", command, *arguments]).exit_code == 0
    assert warnings(place) == set(EXPLAINED)


def test_the_policy_is_about_the_tools_that_are_named(place: Path, monkeypatch) -> None:
    (place / "ward_tools.py").write_text(TOOLS, "utf-8")
    monkeypatch.syspath_prepend(place)
    done = init("home", "--yes", "--tools", "ward_tools:TOOLS", "--person", "ana", "--approver", "wei")
    assert done.exit_code == 0, done.output
    policy = (place / "home" / "policy.yaml").read_text("utf-8")
    assert all(name in policy for name in ("find_patient", "delete_record", "run_query"))
    assert not (place / "home" / "first_call.py").exists()
    arguments = [
        "policy",
        "lint",
        "home/policy.yaml",
        "--tools",
        "ward_tools:TOOLS",
        "--directory",
        "home/directory.yaml",
    ]
    linted = RUN.invoke(build(["policy"]), arguments)
    assert linted.exit_code == 0, linted.output
    tried = RUN.invoke(build(["policy"]), ["policy", "test", "home", "--tools", "ward_tools:TOOLS"])
    assert tried.exit_code == 0, tried.output
    assert "4 cases passed" in tried.output
    assert warnings(place / "home") == set(EXPLAINED)


def test_tools_in_a_file_will_do(place: Path) -> None:
    listed = [
        {"name": "send_letter", "description": "Send a letter", "input_schema": {"type": "object", "properties": {}}}
    ]
    (place / "tools.json").write_text(json.dumps(listed), "utf-8")
    assert init("home", "--yes", "--tools", "tools.json").exit_code == 0
    assert RUN.invoke(build(["policy"]), ["policy", "test", "home"]).exit_code == 0


@pytest.mark.parametrize("there", ["toolguard.toml", "policy.yaml", "policy.cases.yaml", "directory.yaml", "tokens.json", "keys/guard.key", "first_call.py"])  # fmt: skip
def test_nothing_is_overwritten_and_nothing_half_written(place: Path, there: str) -> None:
    (place / "keys").mkdir()
    (place / there).write_text("mine", "utf-8")
    before = files(place)
    done = init("--yes")
    assert isinstance(done.exception, Exception)
    assert there in str(done.exception)
    assert files(place) == before


def test_secrets_are_their_owners_alone_and_never_printed(place: Path) -> None:
    shown = init("--yes").output
    for path in (place / "keys").iterdir():
        assert path.stat().st_mode & 0o077 == 0
        assert path.read_text().strip() not in shown
    assert (place / "tokens.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--approver", "me", "--person", "me"],
        ["--person", "a b"],
        ["--name", "x\n"],
        ["--tenant", "../up"],
    ],
)
def test_what_cannot_be_an_id_is_refused(place: Path, arguments: list[str]) -> None:
    assert init("--yes", *arguments).exit_code == 2
    assert list(place.iterdir()) == []


def test_where_nobody_can_be_asked_it_says_so(place: Path) -> None:
    done = init()
    assert done.exit_code == 2
    assert "--yes" in done.output
    assert list(place.iterdir()) == []


def test_a_program_can_read_what_was_written(place: Path) -> None:
    said = json.loads(init("home", "--json", "--approver", "wei").stdout)
    assert all((place / "home" / name).exists() for name in said["written"])
    assert said["next"][0] == "cd home"


def test_at_a_terminal_it_asks(place: Path) -> None:
    ours, theirs = pty.openpty()
    asked = subprocess.Popen([TOOLGUARD, "init"], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    os.write(ours, b"\nward\nana\nwei\ngeneral\n")
    assert asked.wait(timeout=60) == 0
    os.close(ours)
    assert "ana" in (place / "directory.yaml").read_text()
    assert "general" in (place / "directory.yaml").read_text()
    assert "name: ward" in (place / "policy.yaml").read_text()


def test_the_first_hour(place: Path) -> None:
    toolguard("init", "--yes", "--person", "ana", "--approver", "wei")
    url = f"http://127.0.0.1:{free_port()}"
    settings = place / "toolguard.toml"
    settings.write_text(settings.read_text("utf-8").replace("http://127.0.0.1:8790", url), "utf-8")
    token = toolguard("people", "token", "wei", "--audience", "decide").strip()
    service = subprocess.Popen(
        [TOOLGUARD, "serve", "--ready-file", "ready.json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    call = None
    try:
        wait_for(service, place)
        healthy = json.loads(toolguard("doctor", "--json"))
        assert {f["code"] for f in healthy["findings"] if f["level"] != "ok"} == set(EXPLAINED) - {"tokens.nobody"}
        call = subprocess.Popen(
            [sys.executable, "first_call.py"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        waiting: list[dict[str, str]] = []
        until = time.monotonic() + 60
        while not waiting and time.monotonic() < until:
            assert call.poll() is None, call.communicate()
            waiting = json.loads(toolguard("approvals", "list", "--mine", "--json", TOOLGUARD_TOKEN=token))
        said = ["approvals", "approve", waiting[0]["id"], "--reason", "as agreed", "--yes"]
        assert "approved once" in toolguard(*said, TOOLGUARD_TOKEN=token)
        out, err = call.communicate(timeout=60)
        assert call.returncode == 0, err
        assert out.endswith("exported 'spring figures'\n")
        assert err == ""
    finally:
        if call is not None and call.poll() is None:
            call.send_signal(signal.SIGTERM)
            call.communicate()
        stop(service)
