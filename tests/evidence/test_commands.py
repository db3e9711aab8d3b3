"""``toolguard audit export | sample | review | show --html`` and ``toolguard report``, from a terminal."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from evidence.hospital import CANARIES, Hospital, june
from toolguard.cli.main import build
from toolguard.evidence import verify
from toolguard.keys import NoteSigner, Purpose, SecretKey, write_key
from toolguard.stores import open_store

PERIOD = ["--from", "2026-06-01", "--to", "2026-07-01"]
NOTHING = ["--from", "2025-01-01", "--to", "2025-02-01"]


class Desk:
    """A store on disk, a configuration beside it, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hospital: Hospital = june(folder, rounds=1)
        self.hospital.store.close()
        self.url = f"sqlite:///{folder / 'toolguard.db'}"

    def run(self, *arguments: str, store: bool = True) -> Result:
        given = [*arguments, *(["--store", self.url] if store else [])]
        return CliRunner().invoke(build(given), given)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture(scope="module")
def configured(desk: Desk) -> Path:
    """The configuration of someone who signs and anchors."""
    key = desk.folder / "audit.key"
    private = SecretKey(id=desk.hospital.audit.public_key.id, secret=desk.hospital.audit._private.private_bytes_raw())
    write_key(key, private)
    config = desk.folder / "toolguard.toml"
    config.write_text(
        f"""
[guard]
policy = "policy.yaml"
[store]
url = "sqlite:///toolguard.db"
[audit]
signing_key = "audit.key"
trusted = ["{desk.hospital.audit.public_key.line}"]
anchors = ["elsewhere.anchor"]
"""
    )
    return config


def test_a_pack_is_exported_signed_anchored_and_verifies(desk: Desk, configured: Path, tmp_path: Path) -> None:
    out = tmp_path / "june.zip"
    given = ["audit", "export", *PERIOD, "--out", str(out), "--config", str(configured), "--by", "Rena Ito"]
    done = desk.run(*given, "--sample-seed", "7", "--sample-n", "3", store=False)
    assert done.exit_code == 0, done.output
    assert "waiting for a review" in done.stdout
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    anchor = str(desk.hospital.anchor)
    assert verify.verify(str(out), [desk.hospital.audit.public_key.line], [anchor]).exit_code == 0
    again = tmp_path / "again.zip"
    other = [str(again) if word == str(out) else word for word in given]
    desk.run(*other, "--sample-seed", "7", "--sample-n", "3", store=False)
    assert again.read_bytes() == out.read_bytes()
    told = desk.run(*given, "--json", store=False)
    assert json.loads(told.stdout)["totals"]["calls"] > 20
    assert json.loads(told.stdout)["sample"] is None


def test_an_export_whose_checkpoints_are_of_another_key_says_so(desk: Desk, tmp_path: Path) -> None:
    write_key(tmp_path / "other.key", SecretKey.generate(Purpose.AUDIT))
    done = desk.run(
        *["audit", "export", *PERIOD, "--out", str(tmp_path / "x.zip"), "--signing-key", str(tmp_path / "other.key")]
    )
    assert done.exit_code == 1
    assert "changed: a checkpoint is signed by none of the keys" in done.stderr


def test_an_empty_period_is_exit_2_everywhere_and_says_none(desk: Desk, configured: Path, tmp_path: Path) -> None:
    out = tmp_path / "empty.zip"
    done = desk.run("audit", "export", *NOTHING, "--out", str(out), "--config", str(configured), store=False)
    assert (done.exit_code, out.exists()) == (2, True)
    assert "evidence of nothing" in done.stderr
    drawn = desk.run("audit", "sample", *NOTHING, "--seed", "1")
    assert (drawn.exit_code, "none: no call" in drawn.stderr) == (2, True)
    shown = desk.run("report", "--control", "hipaa", *NOTHING)
    assert shown.exit_code == 2
    assert shown.stdout.count("none") > 10
    page = tmp_path / "empty.html"
    assert desk.run("report", "--control", "hipaa", *NOTHING, "--html", str(page)).exit_code == 2
    assert "No call was judged in this period." in page.read_text()
    read = json.loads(desk.run("report", "--control", "soc2", *NOTHING, "--json").stdout)
    assert {row["evidence"] for row in read["controls"]} == {"none"}


def test_an_empty_store_is_evidence_of_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    open_store(url).close()
    write_key(tmp_path / "audit.key", SecretKey.generate(Purpose.AUDIT))
    given = ["audit", "export", *PERIOD, "--out", str(tmp_path / "p.zip"), "--signing-key", str(tmp_path / "audit.key")]
    done = CliRunner().invoke(build(given), [*given, "--store", url])
    assert done.exit_code == 2, done.output
    given = ["report", "--control", "nist", *PERIOD, "--store", url]
    assert CliRunner().invoke(build(given), given).exit_code == 2


UNUSABLE = [
    (["audit", "export", *PERIOD, "--out", "x.zip"], "a pack is signed with the audit key"),
    (["audit", "export", "--from", "2026-07-01", "--to", "2026-06-01", "--out", "x.zip"], "signed with the audit key"),
    (
        ["report", "--control", "hipaa", "--from", "2026-07-01", "--to", "2026-06-01"],
        "the period ends before it begins",
    ),
    (["audit", "sample", "--from", "2026-07-01", "--to", "2026-07-01", "--seed", "1"], "the period ends before"),
]


@pytest.mark.parametrize(("arguments", "said"), UNUSABLE, ids=range(len(UNUSABLE)))
def test_exit_3_says_what_to_do(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = desk.run(*arguments)
    assert (done.exit_code, said in done.stderr) == (3, True), done.output
    assert not (tmp_path / "x.zip").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "--control", "gdpr", *PERIOD],
        ["report", "--control", "hipaa", "--from", "yesterday"],
        ["audit", "sample", *PERIOD],
        ["audit", "sample", *PERIOD, "--seed", "1", "--n", "0"],
        ["audit", "review", "ab" * 16, "--finding", "justified"],
    ],
)
def test_exit_2_where_it_is_used_wrongly(desk: Desk, arguments: list[str]) -> None:
    assert desk.run(*arguments).exit_code == 2


def test_a_sample_is_the_same_for_everyone_with_the_seed(desk: Desk) -> None:
    def drawn(seed: str) -> list[str]:
        told = desk.run("audit", "sample", *PERIOD, "--seed", seed, "--n", "5", "--json")
        return [row["call"] for row in json.loads(told.stdout)["sample"]]

    assert drawn("a") == drawn("a") != drawn("b")
    assert drawn("a")[0] in desk.run("audit", "sample", *PERIOD, "--seed", "a", "--n", "5").stdout


def test_what_waits_for_a_review_is_listed(desk: Desk) -> None:
    done = desk.run("audit", "review", "--json")
    assert done.exit_code == 2
    waiting = json.loads(done.stdout)
    assert [w["kind"] for w in waiting] == ["standing_approval", "let_through"]
    assert waiting[1]["subject"] == desk.hospital.calls["let through"]
    assert waiting[0]["subject"] in desk.run("audit", "review").stdout
    assert desk.run("audit", "review", "--from", "2026-07-01").stdout == "nothing waits for a review\n"


@pytest.mark.parametrize("control", ["hipaa", "soc2", "iso27001", "nist", "eu-ai-act"])
def test_the_report_of_every_framework_is_shown(desk: Desk, configured: Path, control: str) -> None:
    done = desk.run("report", "--control", control, *PERIOD, "--config", str(configured), store=False)
    assert done.exit_code == 0, done.output
    assert "The journal holds together" in done.stdout
    assert "approve each other: ana (1) and chen (2)" in done.stdout
    assert "complian" not in done.stdout.lower()


def test_a_report_over_an_edited_journal_is_exit_1(tmp_path: Path) -> None:
    import sqlite3

    edited = Desk(tmp_path)
    with sqlite3.connect(tmp_path / "toolguard.db") as db:
        triggers = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for name in triggers:
            db.execute(f'DROP TRIGGER "{name}"')
        db.execute("UPDATE records SET body = replace(body, 'local:general:ben', 'local:general:ana') WHERE seq = 100")
    db.close()
    done = edited.run("report", "--control", "hipaa", *PERIOD)
    assert (done.exit_code, "The journal was changed" in done.stdout) == (1, True), done.output


def test_the_page_of_one_call_is_written(desk: Desk, tmp_path: Path) -> None:
    out = tmp_path / "call.html"
    done = desk.run("audit", "show", desk.hospital.calls["cohort"][:12], "--html", str(out))
    assert (done.exit_code, done.stdout) == (0, f"wrote {out}\n")
    page = out.read_text()
    assert "chen said yes" in page
    assert "with the arguments that were judged" in page
    assert "A signed checkpoint covers these records" in page
    assert not any(canary in page for canary in CANARIES)


def test_a_page_that_cannot_be_written_leaves_nothing_behind(desk: Desk, tmp_path: Path) -> None:
    done = desk.run("audit", "show", desk.hospital.calls["cohort"], "--html", str(tmp_path / "no" / "call.html"))
    assert done.exit_code == 3
    assert "cannot be written" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_signer_of_the_configuration_is_the_one_that_signs(desk: Desk, configured: Path) -> None:
    assert NoteSigner.load(desk.folder / "audit.key").public_key == desk.hospital.audit.public_key
