"""``toolguard audit verify`` and ``anchor`` with checkpoints and anchors: what they say, and how they end."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from journal.insiders import KEY, SIGNER, Place
from toolguard.cli import proof
from toolguard.cli.audit import app
from toolguard.cli.keys import app as keys
from toolguard.journal import read_anchor
from toolguard.keys import NoteSigner, PublicKey, Purpose, SecretKey, read_keys, write_key

RUN = CliRunner()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.live("one")
    place.tick()
    place.live("two")
    place.close()
    write_key(tmp_path / "audit.key", KEY)
    (tmp_path / "toolguard.toml").write_text(
        '[guard]\npolicy = "policy.yaml"\n[store]\nurl = "sqlite:///store.db"\n'
        f'[audit]\nsigning_key = "audit.key"\ntrusted = ["{SIGNER.public_key.line}"]\nanchors = ["elsewhere.anchor"]\n'
    )
    return place


def run(place: Place, *arguments: str) -> tuple[int, str]:
    done = RUN.invoke(app, [*arguments, "--config", str(place.path.with_name("toolguard.toml"))])
    assert "Traceback" not in done.output
    return done.exit_code, done.output


def test_verify_consults_what_the_configuration_names(place: Place) -> None:
    code, said = run(place, "verify")
    assert (code, "held against 3 anchored checkpoints" in said) == (0, True), said
    assert "no anchor outside" not in said
    assert "were not checked" not in said


def test_a_missing_anchor_is_incomplete_coverage(place: Place) -> None:
    """T21."""
    place.anchor_path.unlink()
    code, said = run(place, "verify")
    assert (code, "cannot be read, or is not there yet" in said) == (2, True), said


def test_what_is_wrong_with_a_log_is_said_in_a_sentence(place: Place) -> None:
    with sqlite3.connect(place.path) as base:
        base.execute("UPDATE records SET body = replace(body, 'one', 'eno') WHERE kind = 'approval.verdict'")
    base.close()
    code, said = run(place, "verify")
    assert code == 1
    assert "is not what its hash says: it was edited" in said


def test_settings_that_a_remark_names_are_not_taken_for_markup(place: Place) -> None:
    code, said = run(place, "verify", "--store", f"sqlite:///{place.path}")
    assert (code, "no audit key is pinned (--key, or [audit] trusted)" in said) == (0, True), said


def test_anchor_makes_what_is_due_now_and_says_the_stamp(place: Place, tmp_path: Path) -> None:
    to = tmp_path / "stick.anchor"
    code, said = run(place, "anchor", "--to", str(to))
    assert code == 0, said
    stamp = said.splitlines()[-1]
    assert len(read_anchor(to).notes) >= 3, "a new anchor gets the newest checkpoint of every log"
    assert run(place, "verify", "--stamp", stamp)[0] == 0
    assert run(place, "verify", "--anchor", str(to))[0] == 0


def test_a_new_file_gets_the_newest_note_of_every_log_that_another_anchor_has_already(
    place: Place, tmp_path: Path
) -> None:
    assert run(place, "anchor")[0] == 0
    to = tmp_path / "stick.anchor"
    assert run(place, "anchor", "--to", str(to))[0] == 0
    held = read_anchor(place.anchor_path).notes
    assert {note.partition("\n")[0] for note in held} == {note.partition("\n")[0] for note in read_anchor(to).notes}
    assert len(set(held)) == len(held), "what an anchor holds it does not get again"


def test_a_cut_is_found_by_a_copy_on_a_stick_and_by_a_stamp_in_a_mailbox(place: Place, tmp_path: Path) -> None:
    older = shutil.copy(place.path, tmp_path / "older.db")
    stamp = run(place, "anchor", "--to", str(tmp_path / "stick.anchor"))[1].splitlines()[-1]
    shutil.copy(older, place.path)
    place.anchor_path.unlink()
    (tmp_path / "toolguard.toml").write_text(
        (tmp_path / "toolguard.toml").read_text().replace('anchors = ["elsewhere.anchor"]\n', "")
    )
    code, said = run(place, "verify")
    assert (code, "an older database put in its place" in said.replace("\n", " ")) == (0, True), said
    assert run(place, "verify", "--anchor", str(tmp_path / "stick.anchor"))[0] == 2, "a log is not there at all"
    assert run(place, "verify", "--stamp", stamp)[0] == 2


def test_verify_takes_the_key_on_the_command_line_for_a_store_by_its_url(place: Place, tmp_path: Path) -> None:
    url = f"sqlite:///{place.path}"
    bare = RUN.invoke(app, ["verify", "--store", url])
    assert (bare.exit_code, "no audit key is pinned" in bare.output) == (0, True)
    (tmp_path / "audit.pub").write_text(SIGNER.public_key.line + "\n")
    for key in (SIGNER.public_key.line, str(tmp_path / "audit.pub")):
        done = RUN.invoke(app, ["verify", "--store", url, "--key", key, "--anchor", str(place.anchor_path)])
        assert (done.exit_code, "were not checked" in done.output) == (0, False), done.output
    other = NoteSigner(SecretKey.generate(Purpose.AUDIT)).public_key.line
    done = RUN.invoke(app, ["verify", "--store", url, "--key", other])
    assert (done.exit_code, "signature at" in done.output) == (1, True)


def test_verify_since_reads_what_is_newer(place: Place) -> None:
    code, said = run(place, "verify", "--since", str(place.anchor_path))
    assert (code, "holds together after 9" in said) == (0, True), said
    assert "held against its root only" in said


def test_verify_speaks_json_of_checkpoints_and_anchors(place: Place) -> None:
    said = json.loads(run(place, "verify", "--json")[1])
    assert said["checkpoints"] == {"count": 2, "signatures_checked": True}
    assert said["anchors"][0]["notes"] == 3
    assert said["registry"] == []


def test_several_processes_read_a_long_journal(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "_LONG", 1)
    assert run(place, "verify", "--jobs", "2")[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--key", "nonsense"],
        ["--key", "toolguard-pub:v1:audit-00:AAAA"],
        ["--stamp", "nonsense"],
        ["--since", "/no/such/file"],
    ],
)
def test_input_that_cannot_be_used_ends_with_three(place: Place, arguments: list[str]) -> None:
    assert run(place, "verify", *arguments)[0] == 3


def test_anchor_without_a_key_or_a_folder_says_what_to_do(place: Place, tmp_path: Path) -> None:
    code, said = run(place, "anchor", "--to", str(tmp_path / "not-mounted" / "x.anchor"))
    assert (code, "no folder to stand in" in said) == (3, True)
    config = tmp_path / "toolguard.toml"
    config.write_text(config.read_text().replace('signing_key = "audit.key"\n', ""))
    code, said = run(place, "anchor")
    assert (code, "toolguard keys audit" in said) == (3, True)


def test_anchor_of_an_empty_store_has_nothing_to_do(place: Place) -> None:
    for file in place.path.parent.glob("store.db*"):
        file.unlink()
    place.anchor_path.unlink()
    code, said = run(place, "anchor")
    assert (code, "nothing to do" in said) == (0, True)


def test_anchor_on_a_store_that_was_set_back_signs_nothing_and_ends_with_one(place: Place, tmp_path: Path) -> None:
    older = shutil.copy(place.path, tmp_path / "older.db")
    assert run(place, "anchor")[0] == 0
    shutil.copy(older, place.path)
    code, said = run(place, "anchor")
    assert (code, "does not go on from its last one" in said) == (1, True), said


def test_keys_audit_makes_a_key_and_prints_what_to_pin(tmp_path: Path) -> None:
    done = RUN.invoke(keys, ["audit", str(tmp_path / "audit.key")])
    assert done.exit_code == 0, done.output
    (key,) = read_keys(tmp_path / "audit.key", purpose=Purpose.AUDIT)
    assert PublicKey.of(key).line in done.output
    assert key.line not in done.output
    assert RUN.invoke(keys, ["audit", str(tmp_path / "audit.key")]).exit_code == 3
