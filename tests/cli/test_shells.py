"""Completion in the shells themselves: what bash, zsh and fish make of a press of Tab."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from npm import program
from toolguard.cli.completion import WORDS, answer, index_of, words_of
from toolguard.cli.main import whole

TOOLGUARD = Path(sys.executable).with_name("toolguard")
COMPLETED = {
    "toolguard do": "toolguard doctor",
    "toolguard policy li": "toolguard policy lint",
    "toolguard doctor --off": "toolguard doctor --offline",
    "toolguard approvals standing e": "toolguard approvals standing end",
    "toolguard completion f": "toolguard completion fish",
    "toolguard mask --profile a": "toolguard mask --profile accurate",
    "toolguard mask --profile=a": "toolguard mask --profile=accurate",
    "toolguard doctor --config there": "toolguard doctor --config there.toml",
    "toolguard doctor --config=there": "toolguard doctor --config=there.toml",
    f"{TOOLGUARD} do": f"{TOOLGUARD} doctor",
}
"""What stands on the line when Tab is pressed, and after it."""
SEVERAL = {
    "toolguard policy s": {"scan", "schema", "shadow", "sign", "simulate"},
    "toolguard --": {"--version", "--help"},
}
"""What is offered where more than one fits; nothing that is not there."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a file to complete; the command is on the path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{TOOLGUARD.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "there.toml").touch()
    return tmp_path


def test_bash_completes(place: Path) -> None:
    script = """
source <(toolguard completion bash)
complete -p toolguard > /dev/null || exit 1
while IFS= read -r line; do
  COMP_WORDS=(${line//=/ = }); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
  _toolguard "${COMP_WORDS[0]}"; echo "${COMPREPLY[@]}"
done
"""
    lines = [*COMPLETED, *SEVERAL]
    shown = _said(["bash", "-c", script], "\n".join(lines) + "\n").split("\n")
    for line, found in zip(lines, shown, strict=False):
        if line in SEVERAL:
            assert set(found.split()) == SEVERAL[line]
        elif ".toml" not in COMPLETED[line]:  # files are completed by the shell itself, where nothing is answered
            assert found == COMPLETED[line].replace("=", " ").split(" ")[-1]
        else:
            assert found == ""


def test_fish_completes(place: Path) -> None:
    fish = program("fish", "fish")
    script = "toolguard completion fish | source\nwhile read -l line\n complete -C $line\n echo @@\nend\n"
    lines = [*COMPLETED, *SEVERAL]
    shown = _said([fish, "--no-config", "-c", script], "\n".join(lines) + "\n").split("@@\n")
    for line, found in zip(lines, shown, strict=False):
        offered = {row.split("\t")[0]: row.partition("\t")[2] for row in found.splitlines()}
        assert set(offered) == SEVERAL.get(line, {COMPLETED.get(line, "").split(" ")[-1]}), line
        assert not any("..." in told for told in offered.values())
    assert "doctor\tLook at everything this installation needs, say what is wrong and how to mend it." in shown[0]


def test_zsh_completes(place: Path) -> None:
    (place / ".zshrc").write_text(
        "PS1='> '; unset zle_bracketed_paste; setopt no_beep list_ambiguous\n"
        "autoload -Uz compinit; compinit -u -D; source <(toolguard completion zsh)\n"
        "note() { print -r -- $BUFFER >> noted; BUFFER= }; zle -N note; bindkey '^X' note\n",
        "utf-8",
    )
    lines = [*COMPLETED, *SEVERAL]
    with _terminal([program("zsh", "zsh"), "-d", "-i"]) as (ours, read):
        for number, line in enumerate(lines, 1):
            os.write(ours, f"{line}\t\x18".encode())
            shown = read(lambda n=number: _lines(place / "noted") >= n)
            if line in SEVERAL:
                assert {w for w in shown.split() if w in SEVERAL[line]} == SEVERAL[line]
                assert "install-completion" not in shown
        noted = (place / "noted").read_text().splitlines()
    assert [n.rstrip() for n in noted[: len(COMPLETED)]] == list(COMPLETED.values())


def test_the_index_is_of_the_commands_as_they_are() -> None:
    file = Path(__file__).parents[2] / "src/toolguard/cli/words.json"
    assert index_of(whole()) == file.read_text("utf-8"), "write it anew: python -m toolguard.cli.completion"


ANSWERS = {
    "an option that was given is not offered again": ("bash", "doctor --offline --off", []),
    "one that may be repeated is": ("bash", "doctor --tools x --to", ["--tools"]),
    "a value is not taken for a command": ("bash", "policy lint --tools do", []),
    "an option's value is one of those it takes": ("fish", "mask --profile=a", ["--profile=accurate\t"]),
    "what an option is for stands beside it, with nothing in it cut or taken for markup": (
        "zsh", "serve --ho", ["--host:Address to listen on; the one of [service] url by default."],
    ),
    "where the word is none of ours, nothing is offered": ("zsh", "bogus x", []),
}  # fmt: skip


@pytest.mark.parametrize("what", ANSWERS)
def test_what_is_answered(what: str) -> None:
    shell, typed, lines = ANSWERS[what]
    words = "\n".join(["toolguard", *typed.split(" ")])
    assert list(answer({"_TOOLGUARD_COMPLETE": shell, WORDS: words})) == lines


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["toolguard"], [""]),
        (["toolguard", ""], [""]),
        (["toolguard", "mask", "--profile", "=", "a"], ["mask", "--profile", "a"]),
        (["toolguard", "mask", "--profile", "="], ["mask", "--profile", ""]),
        (["toolguard", "mask", "--profile=a"], ["mask", "--profile=a"]),
        (["toolguard", "risk", "sql", "="], ["risk", "sql", "="]),
    ],
)
def test_words_are_taken_as_each_shell_parts_them(typed: Sequence[str], words: Sequence[str]) -> None:
    assert words_of({WORDS: "\n".join(typed)}) == words


def _said(command: Sequence[str], typed: str) -> str:
    done = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _lines(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


@contextlib.contextmanager
def _terminal(command: Sequence[str]) -> Iterator[tuple[int, object]]:
    """A shell in a terminal of 200 columns: what to write to, and how to read until something is so."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    environ = {**os.environ, "TERM": "dumb", "ZDOTDIR": str(Path.cwd())}
    shell = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, start_new_session=True)
    os.close(theirs)

    def read(until) -> str:
        shown, end = b"", time.monotonic() + 60
        while not until():
            assert time.monotonic() < end, shown
            if select.select([ours], [], [], 0.05)[0]:
                shown += os.read(ours, 65536)
        while select.select([ours], [], [], 0.2)[0]:
            shown += os.read(ours, 65536)
        return shown.decode("utf-8", "replace")

    try:
        yield ours, read
    finally:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
        os.close(ours)
