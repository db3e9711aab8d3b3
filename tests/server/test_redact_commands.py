"""Redaction and legal hold from a terminal, against the running service; and reading what is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from typer.testing import CliRunner

from authority.ward import asked_record
from server.process import Running
from server.test_act_commands import said
from toolguard._core.audit import CONTENT_ID, Kind
from toolguard._core.steps import Change
from toolguard.cli.audit import app as audit
from toolguard.keys import SecretKey, write_key
from toolguard.keys.content import keep_contents

TEXT = json.dumps({"gen_ai.tool.call.arguments": '{"to":"<EMAIL>"}'})
WHY = ("--reason", "the patient asked")


def kept(running: Running) -> str:
    """A call beside whose record content is kept; its id."""
    ward = running.ward
    request = ward.ask().request
    plain = asked_record(request)
    draft = replace(plain, kind=Kind.CALL_DECIDED, keep=TEXT, body={**plain.body, "toolguard.tenant": "st-marys"})
    ward.store.commit(keep_contents(Change(tenant="st-marys", records=(draft,)), ward.ring.sealer("st-marys")))
    return request.call


def shown(running: Running, call: str, *more: str, exits: int = 0) -> str:
    config = running.ward.folder / "read.toml"
    key = running.ward.folder / "read.key"
    if not key.exists():
        write_key(key, running.ward.ring.oldest)
    url = running.ward.store_url
    config.write_text(f'[guard]\npolicy = "p.yaml"\n[store]\nurl = "{url}"\n[keys]\nfile = "{key.name}"\n', "utf-8")
    done = CliRunner().invoke(audit, ["show", call, "--config", str(config), *more], env={"COLUMNS": "200"})
    assert done.exit_code == exits, done.output
    return done.output


def contents(running: Running, call: str) -> int:
    names = [str(r.draft.body[CONTENT_ID]) for r in running.ward.store.records(call=call) if CONTENT_ID in r.draft.body]
    return len(running.ward.store.contents("st-marys", names))


def test_one_proposes_another_confirms_and_show_says_who(running: Running) -> None:
    call = kept(running)
    out = said(running, "sid", audit, "redact", "--call", call, *WHY)
    assert "a second person confirms" in out
    (waiting,) = json.loads(said(running, "tess", audit, "redact", "--json"))
    confirm = ("redact", "--confirm", waiting["id"], *WHY)
    assert "second_person" in said(running, "sid", audit, *confirm, exits=1)
    assert "not_on_duty" in said(running, "ada", audit, *confirm, exits=1)
    assert contents(running, call) == 1
    assert "1 contents and their keys are deleted" in said(running, "tess", audit, *confirm)
    assert contents(running, call) == 0
    told = shown(running, call)
    assert "redacted on" in told
    assert "by sid and tess" in told
    assert TEXT not in shown(running, call, "--content")


def test_a_hold_stops_it_and_two_persons_lift_it(running: Running) -> None:
    call = kept(running)
    hold = json.loads(said(running, "rena", audit, "hold", "add", "--call", call, "--reason", "case 7", "--json"))
    assert "on_hold" in said(running, "sid", audit, "redact", "--call", call, *WHY, exits=5)
    lift = ("hold", "lift", hold["id"], "--reason", "closed")
    assert "a second person" in said(running, "rena", audit, *lift)
    assert "second_person" in said(running, "rena", audit, *lift, exits=1)
    assert hold["id"] in said(running, "sid", audit, "hold", "list", "--json")
    assert "lifted" in said(running, "tess", audit, *lift)
    assert "nothing is under legal hold" in said(running, "sid", audit, "hold", "list")
    said(running, "sid", audit, "redact", "--call", call, *WHY)


def test_what_is_not_named_or_named_twice_is_wrong_usage(running: Running) -> None:
    said(running, "sid", audit, "redact", "--call", "a", "--session", "b", *WHY, exits=2)
    said(running, "sid", audit, "hold", "add", "--reason", "x", exits=2)
    said(running, "sid", audit, "hold", "add", "--tenant", "--call", "a", "--reason", "x", exits=2)
    assert "not_found" in said(running, "sid", audit, "redact", "--call", "unknown", *WHY, exits=4)


def test_content_is_opened_with_the_key_and_that_is_on_record(running: Running) -> None:
    call = kept(running)
    assert "kept, sealed" in shown(running, call)
    opened = [r for r in running.ward.store.records(call=call) if r.draft.kind is Kind.CONTENT_OPENED]
    assert opened == []
    assert '{"to":"<EMAIL>"}' in shown(running, call, "--content")
    (record,) = [r for r in running.ward.store.records(call=call) if r.draft.kind is Kind.CONTENT_OPENED]
    assert record.draft.body["toolguard.content.opened"] == 1
    assert str(record.draft.body["toolguard.actor.id"])
    lines = [json.loads(line) for line in shown(running, call, "--content", "--json").splitlines()]
    assert [line["content"] for line in lines if "content" in line] == [json.loads(TEXT)]


def test_another_key_opens_nothing_and_nothing_is_recorded(running: Running, tmp_path: Path) -> None:
    call = kept(running)
    config = tmp_path / "other.toml"
    write_key(tmp_path / "other.key", SecretKey.generate(running.ward.ring.oldest.purpose))
    config.write_text(
        f'[guard]\npolicy = "p.yaml"\n[store]\nurl = "{running.ward.store_url}"\n[keys]\nfile = "other.key"\n',
        "utf-8",
    )
    done = CliRunner().invoke(audit, ["show", call, "--config", str(config), "--content"])
    assert done.exit_code == 3
    assert "restore that key" in done.output
    assert Kind.CONTENT_OPENED not in {r.draft.kind for r in running.ward.store.records(call=call)}
