"""``toolguard audit archive --prune`` and ``prune``, what keep_for means, and what other commands say of a store whose old records
are elsewhere.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from audit_keep.shelf import DAY, Shelf
from journal.insiders import KEY, SIGNER
from journal.lives import asked, decided, executed, executing, read
from toolguard.cli.audit import app
from toolguard.cli.policy_past import replay, shadow
from toolguard.cli.report import app as report
from toolguard.cli.trace import app as trace
from toolguard.config import ageing_of, load_config
from toolguard.errors import ConfigError
from toolguard.journal import recover
from toolguard.keys import write_key

RUN = CliRunner()
POLICY = """
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: ward, version: 1}
approvals:
  default: {approvers: ["group:privacy-office"]}
rules:
  - {id: no-letters, because: Nobody reads them., match: {tool: mail.send}, effect: deny}
"""
OLD, NEW = 4, 2  # decisions of the calls of both times
BEFORE = ("--before", "2027-03-01")
"""Fifty days after the old calls: the tests' clock begins on 15 January 2027."""


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path)
    write_key(tmp_path / "audit.key", KEY)
    configure(shelf)
    yield shelf
    shelf.close()


def configure(shelf: Shelf, **more: str) -> None:
    lines = [f'{name} = "{value}"' for name, value in more.items()]
    (shelf.path.parent / "toolguard.toml").write_text(
        "\n".join(
            [
                '[guard]\npolicy = "pack:x"\n[store]',
                f'url = "sqlite:///{shelf.path}"',
                f'[audit]\nsigning_key = "audit.key"\ntrusted = ["{SIGNER.public_key.line}"]',
                f'anchors = ["{shelf.anchor_path}"]',
                *lines,
            ]
        ),
        "utf-8",
    )


def run(shelf: Shelf, *words: str) -> tuple[int, str]:
    done = RUN.invoke(app, [*words, "--config", str(shelf.path.parent / "toolguard.toml")])
    return done.exit_code, done.output


def data(shelf: Shelf, *words: str) -> tuple[int, Any]:
    code, said = run(shelf, *words, "--json")
    return code, json.loads(said)


def test_archive_and_prune_in_one_go(shelf: Shelf) -> None:
    code, said = run(shelf, "archive", *BEFORE, "--to", str(shelf.folder), "--prune", "--by", "rita")
    assert (code, "taken out of the store" in said, "keep until 2033-" in said) == (0, True, True), said
    code, said = run(shelf, "verify")
    assert (code, "which were not looked at" in said) == (2, True), said
    code, said = run(shelf, "verify", "--segments", str(shelf.folder))
    assert code == 0, said


def test_what_would_happen_is_said_and_not_done(shelf: Shelf) -> None:
    before = shelf.rows()
    code, found = data(shelf, "archive", *BEFORE, "--to", str(shelf.folder), "--dry-run")
    assert (code, len(found) > 0, list(shelf.folder.iterdir())) == (0, True, [])
    run(shelf, "archive", *BEFORE, "--to", str(shelf.folder))
    code, said = run(shelf, "prune", *BEFORE, "--segments", str(shelf.folder), "--dry-run")
    assert (code, "would be taken" in said) == (0, True), said
    left = shelf.rows()
    assert {log: rows[: len(before[log])] for log, rows in left.items() if log in before} == before


def test_json_says_what_keeps_each_log(shelf: Shelf) -> None:
    run(shelf, "archive", *BEFORE, "--to", str(shelf.folder))
    shelf.service.advance("otlp:jaeger", shelf.guards_log, 2)
    code, found = data(shelf, "prune", *BEFORE, "--segments", str(shelf.folder))
    kept = {log["log"]: (log["kept_by"], log["what"]) for log in found["logs"]}
    assert (code, kept[shelf.guards_log]) == (0, ("open", "plain-one"))  # its decision was delivered, its end not
    code, said = run(shelf, "prune", *BEFORE, "--segments", str(shelf.folder), "--without-sink", "otlp:jaeger")
    assert (code, "nothing here deletes those" in said) == (0, True), said


def test_the_configuration_says_how_long_and_where(shelf: Shelf) -> None:
    configure(shelf, segments=str(shelf.folder), keep_for="30d")
    now = shelf.clock.now()
    assert now > time.time()  # the store's own time counts, not this machine's
    code, said = run(shelf, "archive", "--prune")
    assert (code, "taken out of the store" in said) == (0, True), said
    assert shelf.rows()[shelf.guards_log][0] > 1
    code, said = run(shelf, "verify")
    assert code == 0, said
    code, said = run(shelf, "show", "plain-one")
    assert (code, "call.returned" in said) == (0, True), said


@pytest.mark.parametrize("words", [("archive",), ("prune",)])
def test_without_a_time_or_a_folder_it_says_what_to_give(shelf: Shelf, words: tuple[str, ...]) -> None:
    code, said = run(shelf, *words, *BEFORE)
    assert (code, "[audit] segments" in said) == (3, True), said
    configure(shelf, segments=str(shelf.folder))
    code, said = run(shelf, *words)
    assert (code, "keep_for" in said) == (3, True), said


def test_without_the_audit_key_nothing_is_taken_out(shelf: Shelf) -> None:
    run(shelf, "archive", *BEFORE, "--to", str(shelf.folder))
    path = shelf.path.parent / "toolguard.toml"
    path.write_text(path.read_text("utf-8").replace('signing_key = "audit.key"\n', ""), "utf-8")
    code, said = run(shelf, "prune", *BEFORE, "--segments", str(shelf.folder))
    assert (code, "signing_key" in said) == (3, True), said


def test_a_segment_that_was_altered_is_exit_1(shelf: Shelf) -> None:
    run(shelf, "archive", *BEFORE, "--to", str(shelf.folder))
    path = next(shelf.folder.glob("*.gz"))
    path.write_bytes(path.read_bytes()[:-5])
    before = shelf.rows()
    code, said = run(shelf, "prune", *BEFORE, "--segments", str(shelf.folder))
    assert (code, "nothing was taken out" in said) == (1, True), said
    assert shelf.rows() == before


def test_other_commands_say_where_to_look(shelf: Shelf) -> None:
    run(shelf, "archive", *BEFORE, "--to", str(shelf.folder), "--prune")
    code, said = run(shelf, "show", "plain-one")
    assert (code, "--segments" in said) == (3, True), said
    out = shelf.path.parent / "june.zip"
    code, said = run(shelf, "export", "--from", "2027-01-01", "--to", "2027-03-01", "--out", str(out))
    assert (code, "--segments" in said, out.exists()) == (3, True, False), said
    code, said = run(
        shelf,
        "export",
        "--from",
        "2027-01-01",
        "--to",
        "2027-03-01",
        "--out",
        str(out),
        "--segments",
        str(shelf.folder),
    )
    assert (code, out.exists()) == (0, True), said
    code, said = run(shelf, "sample", "--from", "2027-01-01", "--seed", "1")
    assert code == 3
    code, said = run(shelf, "review")
    assert (code, "not looked at" in said) == (2, True), said
    effects = shelf.path.parent / "effects.jsonl"
    effects.write_text('{"call_id": "plain-one", "tool": "mail.send", "at": "2027-01-15T08:00:00Z"}\n')
    code, said = run(shelf, "reconcile", "--log", str(effects))
    assert (code, "--segments" in said) == (3, True), said
    code, said = run(shelf, "tail", "-n", "3")
    assert code == 0
    command = Typer()
    command.command()(report)
    config = str(shelf.path.parent / "toolguard.toml")
    done = RUN.invoke(command, ["--control", "hipaa", "--from", "2027-01-01", "--config", config])
    assert (done.exit_code, "--segments" in done.output) == (3, True)


def _alone(command: Any) -> Typer:
    wrapped = Typer()
    wrapped.command()(command)
    return wrapped


def told(command: Any, *words: str) -> tuple[int, str]:
    done = RUN.invoke(_alone(command), words)
    return done.exit_code, done.output


def test_trace_draws_a_call_that_stands_in_segments(shelf: Shelf) -> None:
    store = ("--store", f"sqlite:///{shelf.path}")
    before = told(trace, "plain-one", *store, "--json")
    whole_run = told(trace, "run-1", *store, "--json")
    shelf.shelve()
    assert not list(shelf.service.records(call="plain-one"))
    code, said = told(trace, "plain-one", *store)
    assert (code, "--segments" in said) == (3, True), said
    assert told(trace, "plain-one", *store, "--segments", str(shelf.folder), "--json") == before
    assert told(trace, "run-1", *store, "--segments", str(shelf.folder), "--json") == whole_run
    part = RUN.invoke(_alone(trace), ["run-1", *store])
    assert (part.exit_code, "may be a part" in part.stderr) == (0, True), part.output
    configure(shelf, segments=str(shelf.folder))
    code, said = told(trace, "plain-on", "--config", str(shelf.path.parent / "toolguard.toml"))
    assert (code, "executed" in said) == (0, True), said


def test_replay_judges_calls_that_stand_in_segments(shelf: Shelf, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY, "utf-8")
    words = (str(policy), "--store", f"sqlite:///{shelf.path}", "--json")
    long, short = ("--since", "365d"), ("--since", "30d")
    kept = ("--segments", str(shelf.folder))
    before = told(replay, *words, *long)
    looked_at = [json.loads(told(replay, *words, *since)[1])["unusable"] for since in (long, short)]
    assert [sum(found.values()) for found in looked_at] == [OLD + NEW, NEW]
    shelf.shelve()
    assert told(replay, *words, *long, *kept) == before
    for command in (replay, shadow):
        given = words if command is replay else words[1:]
        code, said = told(command, *given, *long)
        assert (code, "--segments" in said) == (3, True), said
        assert told(command, *given, *short)[0] == 0
    for path in shelf.folder.glob("*.gz"):
        path.write_bytes(b"not read")
    assert told(replay, *words, *short, *kept)[0] == 0, "what is newer needs no segment"


def test_a_folder_that_is_still_empty_is_no_fault(shelf: Shelf) -> None:
    configure(shelf, segments=str(shelf.folder), keep_for="30d")
    code, said = run(shelf, "verify")
    assert code == 0, said
    assert (
        run(shelf, "verify", "--segments", str(shelf.folder))[0] == 2
    )  # asked for by name, nothing there is incomplete


def test_several_processes_read_store_and_segments(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolguard.cli.proof._LONG", 1)
    run(shelf, "archive", *BEFORE, "--to", str(shelf.folder), "--prune")
    code, found = data(shelf, "verify", "--segments", str(shelf.folder), "--jobs", "2")
    assert (code, found["unseen"], found["ok"]) == (0, 0, True)
    assert sum(log["pruned"] for log in found["logs"]) > 0


def test_space_is_given_back(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, old=[f"o{n}" for n in range(60)])
    write_key(tmp_path / "audit.key", KEY)
    configure(shelf)
    shelf.archive()
    shelf.close()

    def free() -> int:
        with closing(sqlite3.connect(shelf.path)) as db:
            return int(db.execute("PRAGMA freelist_count").fetchone()[0])

    code, said = run(shelf, "prune", *BEFORE, "--segments", str(shelf.folder))
    assert (code, free() > 20) == (0, True), said
    before = shelf.path.stat().st_size
    code, said = run(shelf, "prune", *BEFORE, "--segments", str(shelf.folder), "--compact")
    assert (code, free()) == (0, 0), said
    assert shelf.path.stat().st_size < before
    assert shelf.exit() == 0


def test_a_service_that_runs_does_it_by_itself(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(shelf, segments=str(shelf.folder), keep_for="30d")
    done: list[object] = []
    monkeypatch.setattr("toolguard.config.audit.Ageing", lambda work, close: done.append(work()))
    settings = load_config(shelf.path.parent / "toolguard.toml")
    ageing_of(settings, shelf.service)
    assert done
    assert shelf.rows()[shelf.guards_log][0] > 1
    assert shelf.exit() == 0


def test_what_keeps_old_records_is_said_where_one_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = Shelf(tmp_path, old=(), new=())
    lost = executing(shelf.guard, decided(shelf.guard, asked(shelf.guard, "lost")))
    shelf.clock.advance(3600.0)
    recover(shelf.service)
    shelf.live("after")
    shelf.tick()
    shelf.clock.advance(100 * DAY)
    shelf.live("now")
    write_key(tmp_path / "audit.key", KEY)
    configure(shelf, segments=str(shelf.folder), keep_for="30d")
    shelf.archive(before=shelf.clock.now() - 30 * DAY)
    code, said = run(shelf, "prune", "--dry-run")
    assert (code, f"toolguard approvals resolve {lost.id}" in said, "records are old enough and stay" in said) == (
        0,
        True,
        True,
    ), said
    code, found = data(shelf, "prune", "--dry-run")
    assert found["unfinished"][0]["state"] == "indeterminate"
    assert found["held"] > 3
    jobs: list[Any] = []
    monkeypatch.setattr("toolguard.config.audit.Ageing", lambda work, close: jobs.append(work))
    kept: list[Any] = []
    monkeypatch.setattr("toolguard.telemetry.observe_kept", kept.append)
    ageing_of(load_config(shelf.path.parent / "toolguard.toml"), shelf.service)
    assert kept[0]() is None, "before the first round there is no figure"
    with caplog.at_level("WARNING", "toolguard.journal"):
        jobs[0]()
    assert kept[0]() == found["held"]
    assert f"toolguard approvals resolve {lost.id}" in caplog.text
    executed(shelf.service, read(shelf.service, lost.id))
    shelf.tick()
    shelf.clock.advance(40 * DAY)
    jobs[0]()
    assert kept[0]() == 0
    shelf.close()


def test_a_service_says_at_its_start_what_it_lacks(shelf: Shelf) -> None:
    configure(shelf, keep_for="30d")
    with pytest.raises(ConfigError, match="keep_for needs segments"):
        ageing_of(load_config(shelf.path.parent / "toolguard.toml"), shelf.service)
