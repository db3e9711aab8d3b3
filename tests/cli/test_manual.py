"""Every command's help is a manual page; every command fails with one prefix; shells complete; nothing is cut in a pipe."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from cli.healthy import Home
from toolguard.cli import main as entry
from toolguard.cli._manual import _CODES, GROUPS, MANUAL, codes_of, exit_table

TOOLGUARD = Path(sys.executable).with_name("toolguard")
ROOT = Path(__file__).parents[2]
TOP = sorted({*entry._OWN, *entry._FIRST_PARTY})


@cache
def commands() -> dict[str, Any]:
    """Every command by its whole name, but for those of adapters that are not installed."""
    found: dict[str, Any] = {}

    def walk(command: Any, path: str) -> None:
        inner = getattr(command, "commands", None)
        if inner is None:
            found[path] = command
        for name, each in (inner or {}).items():
            walk(each, f"{path} {name}")

    for name in TOP:
        walk(get_command(entry.build([name])).commands[name], name)  # type: ignore[attr-defined] # it is a group
    return found


def run(*arguments: str, code: int = 0, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("TOOLGUARD", "NO_COLOR", "FORCE_COLOR", "COLUMNS"))
    }
    done = subprocess.run([TOOLGUARD, *arguments], capture_output=True, text=True, env={**kept, **environ}, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def page(command: str) -> str:
    """A command's help as it is shown."""
    name = command.split(" ")[0]
    shown = CliRunner().invoke(entry.build([name]), [*command.split(" "), "--help"])
    assert shown.exit_code == 0, shown.output
    return shown.output


# --- the pages


def test_every_command_stands_in_the_manual_and_nothing_else() -> None:
    assert sorted(MANUAL) == sorted(commands())
    assert sorted(name for names in GROUPS.values() for name in names) == TOP


@pytest.mark.parametrize("command", sorted(MANUAL))
def test_a_page_says_what_it_does_with_examples_exit_codes_and_what_is_related(command: str) -> None:
    shown = page(command)
    assert re.search(r"^  [A-Z\"].*", shown.partition("\n")[2], re.MULTILINE), "it begins with a sentence"
    assert f"toolguard {command.split(' ')[0]}" in shown.partition("xample")[2], "it has an example of itself"
    assert re.search(r"[Ee]xit\s+codes?:?\s", shown)
    assert "See also:" in shown


@pytest.mark.parametrize("command", sorted(MANUAL))
def test_examples_use_options_that_there_are(command: str) -> None:
    known = {option for p in commands()[command].params for option in (*p.opts, *p.secondary_opts)} | {"--help"}
    for example in MANUAL[command].examples:
        assert example.startswith(command)
        used = set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", re.sub(r"\"[^\"]*\"|'[^']*'", "", example[len(command) :])))
        assert used <= known, used - known


def test_what_is_related_is_there() -> None:
    known = {*commands(), *TOP, *(c.rpartition(" ")[0] for c in commands())}
    assert {name for each in MANUAL.values() for name in each.related} <= known
    assert all(any(c == k or c.startswith(k + " ") for c in commands()) for k in _CODES)


def test_codes_in_a_commands_own_words_are_those_of_the_table() -> None:
    for command, about in commands().items():
        said = re.search(r"Exit codes: (.*?)\.(?:\s|$)", about.help or "", re.DOTALL)
        if said is not None:
            own = set(map(int, re.findall(r"(?:^|[,·]\s+)(\d)\s", said[1])))
            assert own <= set(codes_of(command)), command


def test_the_table_of_the_documentation_is_the_commands() -> None:
    shown = (ROOT / "docs" / "cli.md").read_text("utf-8")
    assert exit_table(sorted(commands())) in shown, "write it anew: python -m toolguard.cli._manual"


def test_the_first_page_lists_every_command_by_what_it_is_for() -> None:
    shown = run("--help").stdout
    for title, names in GROUPS.items():
        section = shown.partition(f"{title}:\n")[2].partition("\n\n")[0]
        assert [line.split()[0] for line in section.splitlines() if re.match(r"  \S", line)] == list(names)
    assert not re.search(r"\w\.\.\.", shown)


def test_a_groups_page_cuts_no_sentence() -> None:
    assert not re.search(r"\w\.\.\.", CliRunner().invoke(entry.build(["policy"]), ["policy", "--help"]).output)


# --- errors


ERRORS = {
    "an unknown command": (["bogus"], 2),
    "a missing argument": (["policy", "lint"], 2),
    "an option that is not there": (["doctor", "--bogus"], 2),
    "a policy that is not there": (["policy", "lint", "no.yaml"], 3),
    "a store that is not there": (["audit", "tail", "--store", "sqlite:///no.db"], 3),
    "a trace of a store that is not there": (["trace", "x", "--store", "sqlite:///no.db"], 3),
    "no configuration": (["store", "status", "--config", "no.toml"], 3),
    "a key that is not there": (["keys", "show", "no.key"], 3),
    "no token": (["approvals", "list"], 3),
    "no directory": (["people", "token", "ana"], 3),
    "a file that is not there": (["mask", "no.txt", "--out", "masked"], 3),
    "a list of tools that is not there": (["risk", "tools", "no.jsonl"], 3),
    "a policy that cannot be signed": (
        ["policy", "sign", "no.yaml", "--key", "k", "--signer", "a", "--author", "b"],
        1,
    ),
    "a service that cannot start": (["serve", "--config", "no.toml"], 3),
    "a report of nothing": (["report", "--control", "hipaa", "--from", "2026-01-01", "--store", "sqlite:///no.db"], 3),
}


@pytest.mark.parametrize("what", ERRORS)
def test_every_error_begins_alike_and_goes_to_standard_error(what: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, code = ERRORS[what]
    done = run(*arguments, code=code)
    assert done.stderr.startswith("toolguard: error: "), done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr
    if code == 2:
        assert "--help'" in done.stderr


def test_no_command_has_a_prefix_of_its_own() -> None:
    for file in [*(ROOT / "src/toolguard/cli").glob("*.py"), ROOT / "adapters/toolguard_server/cli.py"]:
        text = file.read_text("utf-8")
        assert not re.search(r'echo\(\s*f?"(error|Error|toolguard): (?!error: |warning: )', text), file


# --- what programs read


def test_in_a_pipe_a_trace_is_not_cut_at_80_columns(home: Home) -> None:
    from toolguard import Caller, Guard

    def find_patient(name: str) -> str:
        """Find a patient."""
        return name

    run_name = "a-run-whose-name-is-" + "very-" * 20 + "long"
    with Guard.from_config(home.file) as guard:
        with guard.session(caller=Caller.of("ana", agent="ward-assistant", tenant="general"), run=run_name) as session:
            with pytest.raises(Exception):  # noqa: B017 - the tool is another than the policy means; that is on record
                session.call(find_patient, {"name": "x"}, call_id="c")
    shown = run("trace", run_name).stdout
    assert run_name in shown
    assert "…" not in shown
    lines = json.loads(run("trace", run_name, "--json").stdout)
    assert {"kind", "at", "call"} <= set(lines[0])


def test_in_a_pipe_a_table_is_not_cut_at_80_columns(home: Home) -> None:
    name = "Professor " + "von " * 30 + "Hohenheim"
    text = home.at("directory.yaml").read_text("utf-8").replace("name: Wei,", f"name: {name},")
    home.at("directory.yaml").write_text(text, "utf-8")
    assert name in run("people", "list").stdout
    rows = json.loads(run("people", "list", "--json").stdout)
    assert name in {row["name"] for row in rows}
    assert {t["audience"] for row in rows for t in row["tokens"]} == {"decide", "service"}


def test_keys_can_be_read_by_a_program_without_the_secret(home: Home) -> None:
    shown = run("keys", "show", "service.key", "--json").stdout
    (key,) = json.loads(shown)
    assert key["purpose"] == "sign"
    assert key["public"] in home.toml["keys"]["trusted"]
    assert home.at("service.key").read_text().strip().rpartition(":")[2] not in shown


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {}])
def test_no_escape_reaches_a_pipe(home: Home, environ: dict[str, str]) -> None:
    assert "\x1b" not in run("doctor", "--offline", **environ).stdout


def test_no_color_holds_at_a_terminal(home: Home) -> None:
    import pty

    ours, theirs = pty.openpty()
    environ = {**os.environ, "NO_COLOR": "1", "TERM": "xterm-256color"}
    done = subprocess.Popen(
        [TOOLGUARD, "doctor", "--offline", "--quiet"], stdout=theirs, stderr=subprocess.DEVNULL, env=environ
    )
    os.close(theirs)
    shown = b""
    with pytest.raises(OSError, match="error"):  # Linux: the other side has closed
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    assert done.wait() == 0
    assert b"separation" in shown
    assert not re.search(rb"\x1b\[[0-9;]*3[0-9]m", shown), "no colour; bold may be"
