"""The demonstration is the main job: it runs as a newcomer runs it, and every promise has to hold."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

TOOLGUARD = Path(sys.executable).with_name("toolguard")


def finished(process: subprocess.Popen[bytes], screen: int, seconds: float) -> bytes:
    """Everything the program writes to its terminal until it ends."""
    said, until = b"", time.monotonic() + seconds
    while time.monotonic() < until:
        ready, _, _ = select.select([screen], [], [], 0.2)
        if ready:
            try:
                said += os.read(screen, 65536)
            except OSError:  # the terminal is closed: the program has ended
                break
        if process.poll() is not None and not ready:
            break
        yield_decisions(said)
    return said


DECIDED: set[str] = set()


def yield_decisions(said: bytes) -> None:
    """Do what the screen says: copy each printed command and run it, as the second person would."""
    text = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", said).decode("utf-8", "replace").replace("\r", "")
    for command in re.findall(
        r"toolguard approvals approve [0-9a-f]{32} --reason 'agreed' --url \S+ --token-file \S+", text
    ):
        if command not in DECIDED:
            DECIDED.add(command)
            words = command.replace("'agreed'", "agreed").split()
            done = subprocess.run([TOOLGUARD, *words[1:], "--yes"], capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_with_auto_every_promise_holds(tmp_path):
    done = subprocess.run(
        [TOOLGUARD, "demo", "--auto", "--keep", tmp_path / "kept"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=170,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "NOT KEPT" not in done.stdout
    assert "no approval service" not in done.stderr, "the demo's service took a free port, and its guards know it"
    kept, all_ = re.search(r"(\d+) of (\d+) promises held", done.stdout).groups()
    assert kept == all_
    assert int(all_) >= 25
    for store in (tmp_path / "kept").glob("toolguard.db*"):
        assert b"Kowalczyk" not in store.read_bytes()
    verified = subprocess.run(
        [TOOLGUARD, "audit", "verify", "--config", tmp_path / "kept" / "toolguard.toml"], capture_output=True, text=True
    )
    assert verified.returncode == 0, verified.stdout


@pytest.mark.slow
def test_at_a_terminal_it_waits_for_the_command_it_prints(tmp_path):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [TOOLGUARD, "demo"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"COLUMNS": "200", "TERM": "xterm"},
    )
    os.close(theirs)
    try:
        said = finished(process, ours, 170).decode("utf-8", "replace")
    finally:
        process.kill() if process.poll() is None else None
        process.wait()
        os.close(ours)
    assert process.returncode == 0, said[-3000:]
    assert len(DECIDED) >= 2
    assert "/signin#" in said


def test_a_broken_promise_is_seen(monkeypatch):
    from rich.console import Console

    from toolguard_demo.show import Promises, Screen

    promises = Promises()
    screen = Screen(Console(quiet=True), promises)
    assert not promises.all_held, "nothing promised is nothing held"
    screen.promise("one", True)
    assert promises.all_held
    screen.promise("two", False)
    assert not promises.all_held
