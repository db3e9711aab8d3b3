"""``toolguard audit``: what it prints and how it ends."""

from __future__ import annotations

import io
import json
import sqlite3
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from journal.lives import allowed, asked, decided, draft, executed, executing
from toolguard._core.audit import Kind
from toolguard._core.steps import Change
from toolguard.cli.audit import app, render_trace
from toolguard.stores.memory import MemoryStore
from toolguard.stores.sqlite import SqliteStore
from toolguard.testing.store_contract import ContractClock

RUN = CliRunner()


@pytest.fixture
def url(tmp_path: Path) -> str:
    path = tmp_path / "store.db"
    store = SqliteStore(path, ContractClock())
    allowed(store, "aaaa1111-first")
    executed(store, executing(store, decided(store, asked(store, "ran"))))
    store.close()
    return f"sqlite:///{path}"


def edit(url: str, statement: str) -> None:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as db:
        db.execute(statement)
    db.close()


@pytest.mark.parametrize(
    ("statement", "code", "said"),
    [
        ("SELECT 1", 0, "ok: 9 records in 1 log, 1 approval"),
        ("UPDATE records SET at = at + 1 WHERE seq = 3", 1, "hash at 3"),
        ("UPDATE approvals SET state = 'approved'", 1, "the records say it went further"),
        ("DELETE FROM records", 2, "missing at 0"),
    ],
)
def test_verify_ends_with_the_code_of_what_it_found(url: str, statement: str, code: int, said: str) -> None:
    edit(url, statement)
    done = RUN.invoke(app, ["verify", "--store", url])
    assert (done.exit_code, said in done.output) == (code, True), done.output


def test_verify_says_what_it_cannot_see(url: str) -> None:
    assert "no anchor outside the store was consulted" in RUN.invoke(app, ["verify", "--store", url]).output


def test_verify_of_nothing_says_there_is_no_evidence(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "empty.db").close()
    done = RUN.invoke(app, ["verify", "--store", f"sqlite:///{tmp_path}/empty.db"])
    assert "no evidence" in done.output
    assert done.exit_code == 2


@pytest.mark.parametrize("url", ["sqlite:////no/such/store.db", "nonsense:", "sqlite:///{folder}/not-a-store"])
@pytest.mark.parametrize("command", [["verify"], ["tail"], ["show", "abcdef"]])
def test_unusable_input_ends_with_three(url: str, command: list[str], tmp_path: Path) -> None:
    (tmp_path / "not-a-store").write_text("hello" * 500)
    done = RUN.invoke(app, [*command, "--store", url.format(folder=tmp_path)])
    assert done.exit_code == 3
    assert "toolguard: " in done.output
    assert "Traceback" not in done.output


def test_looking_makes_no_store(tmp_path: Path) -> None:
    RUN.invoke(app, ["verify", "--store", f"sqlite:///{tmp_path}/typo.db"])
    assert list(tmp_path.iterdir()) == []


def test_the_store_can_come_from_the_configuration(url: str, tmp_path: Path) -> None:
    config = tmp_path / "toolguard.toml"
    config.write_text('[guard]\npolicy = "policy.yaml"\n[store]\nurl = "sqlite:///store.db"\n')
    done = RUN.invoke(app, ["verify", "--config", str(config)])
    assert (done.exit_code, "ok: 9 records" in done.output) == (0, True), done.output


def test_verify_speaks_json(url: str) -> None:
    edit(url, "UPDATE records SET call = 'x' WHERE seq = 2")
    done = RUN.invoke(app, ["verify", "--json", "--store", url])
    said = json.loads(done.output)
    assert (said["ok"], said["tampered"], said["records"]) == (False, True, 9)
    assert said["logs"][0]["faults"] == [{"seq": 2, "code": "hash"}]


def test_tail_shows_the_newest_records(url: str) -> None:
    done = RUN.invoke(app, ["tail", "-n", "2", "--store", url])
    assert [line.split()[2] for line in done.output.splitlines()] == ["call.executing", "call.returned"]
    lines = RUN.invoke(app, ["tail", "--json", "--store", url]).output.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, 10))


def test_show_tells_the_story_of_one_call(url: str) -> None:
    done = RUN.invoke(app, ["show", "call-ran", "--store", url])
    for part in ("mail.send", "asked for approval", "bo said approve", "executed", "toolguard.approval.id"):
        assert part in done.output, done.output
    assert RUN.invoke(app, ["show", "aaaa11", "--store", url]).exit_code == 0
    assert "no record of this call" in RUN.invoke(app, ["show", "bbbbbbbb", "--store", url]).output


def test_a_run_is_drawn_as_a_tree() -> None:
    clock = ContractClock()
    store = MemoryStore(clock)
    allowed(store, "one")
    waiting = asked(store, "two")
    clock.advance(42.0)
    executed(store, executing(store, decided(store, waiting)))
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(render_trace(store.records()))
    lines = [line.rstrip() for line in console.export_text().splitlines()]
    assert lines[0].startswith("run run-1  2")
    assert [line for line in lines if line.startswith(("├── mail", "└── mail"))] == [
        "├── mail.send  executed  one",
        "└── mail.send  executed  call-two",
    ]


def test_nothing_in_a_record_can_steer_the_terminal() -> None:
    store = MemoryStore(ContractClock())
    nasty = {"gen_ai.tool.name": "mail\x1b[2J\u202e[red]send[/red]"}
    store.commit(Change(tenant="north", records=(draft(Kind.CALL_DECIDED, "c", at=1.0, **nasty),)))
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(render_trace(store.records()))
    shown = console.export_text()
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "mail\\u001b[2J\\u202e[red]send[/red]" in shown
