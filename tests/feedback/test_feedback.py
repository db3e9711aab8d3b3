"""Reports of missed and wrong findings: they count from then on, and no file holds what was reported."""

import datetime as dt
import json

import pytest
import yaml
from typer.testing import CliRunner

from toolguard.cli.main import build
from toolguard.config import load_parts
from toolguard.detection import DefaultDetector
from toolguard.errors import ConfigError
from toolguard.feedback import FeedbackFile, Kind
from toolguard.keys import Purpose, SecretKey, write_key
from toolguard.ports import Origin

KEY = SecretKey.generate(Purpose.SEAL)
TODAY = dt.date(2026, 11, 22)


@pytest.fixture
def file(tmp_path):
    return FeedbackFile(tmp_path / "phi-feedback.yaml", KEY)


def found(file, value):
    """Types and texts that the rules and the reports find."""
    findings = DefaultDetector(feedback=file.load()).session().inspect(value, origin=Origin.RESULT)

    def leaf(path):
        at = value
        for step in path:
            at = at[step]
        return str(at)

    return [(f.type, leaf(f.path)[f.start : f.end]) for f in findings]


@pytest.mark.parametrize(
    ("type", "value", "text", "there"),
    [
        ("PERSON", "qwaxil brontum", "the man, qwaxil brontum, left", "qwaxil brontum"),
        ("ID", "tin lantern", "the TIN  LANTERN left", "TIN  LANTERN"),
        ("PERSON", "Qwaxil Brontum", "qwaxil-brontum left", "qwaxil-brontum"),
        ("PERSON", "Qwaxil", "so qwaxil, left", "qwaxil"),
        ("ID", "zk 44 b", "under zk44b today", "zk44b"),
        ("ID", "zk44b", "under ZK-44-B today", "ZK-44-B"),
        ("ID", "zk44b", "under zk４４b today", "zk４４b"),
        ("FACILITY", "the old brick by the sea", "in the old brick by the sea now", "the old brick by the sea"),
    ],
)
def test_what_was_missed_is_found_in_any_spelling(file, type, value, text, there):
    assert there not in [t for _, t in found(file, text)]
    file.report(Kind.MISSED, type, value, today=TODAY)
    assert (type, there) in found(file, text)


@pytest.mark.parametrize(
    "text",
    ["qwaxil left, brontum stayed", "brontum qwaxil", "qwaxilbrontum", "qwaxil of brontum", "zk44", "zk44bc", ""],
)
def test_what_is_only_like_it_is_not(file, text):
    file.report(Kind.MISSED, "PERSON", "qwaxil brontum", today=TODAY)
    file.report(Kind.MISSED, "ID", "zk44b", today=TODAY)
    assert found(file, text) == []


def test_it_is_found_in_fields_and_codes_too(file):
    file.report(Kind.MISSED, "ID", "zk44b", today=TODAY)
    assert found(file, {"status": "zk44b", "note": ["on zk44b", '{"code": "zk44b"}']}) == [("ID", "zk44b")] * 3


def test_what_was_wrong_stays_and_nothing_like_it(file):
    text = "SSN 219-09-9999"
    assert found(file, text) == [("SSN", "219-09-9999")]
    file.report(Kind.WRONG, "SSN", "219 09 9999", today=TODAY)
    assert found(file, text) == []
    assert found(file, "SSN 219-09-9998") == [("SSN", "219-09-9998")]


def test_reports_are_kept_once_and_never_say_two_things(file):
    first, new = file.report(Kind.MISSED, "PERSON", "Qwaxil Brontum", today=TODAY)
    assert new
    assert file.report(Kind.MISSED, "PERSON", "qwaxil  brontum", today=TODAY) == (first, False)
    for kind, type in ((Kind.WRONG, "PERSON"), (Kind.MISSED, "ID")):
        with pytest.raises(ConfigError, match="forget that one first"):
            file.report(kind, type, "qwaxil brontum", today=TODAY)
    assert len(file.load().cases) == 1


@pytest.mark.parametrize("value", ["", "a", "..", "ab", "x" * 300, "w " * 20])
def test_a_value_that_other_text_would_be_taken_for_is_refused(file, value):
    with pytest.raises(ConfigError, match="report the identifier alone"):
        file.report(Kind.MISSED, "PERSON", value, today=TODAY)


def test_a_type_that_is_none_is_refused(file):
    with pytest.raises(ConfigError, match="no type of identifier"):
        file.report(Kind.MISSED, "not a type", "qwaxil", today=TODAY)


def test_another_key_or_tenant_does_not_read_it(file, tmp_path):
    file.report(Kind.MISSED, "PERSON", "Qwaxil Brontum", today=TODAY)
    path = tmp_path / "phi-feedback.yaml"
    for other in (FeedbackFile(path, SecretKey.generate(Purpose.SEAL)), FeedbackFile(path, KEY, "other")):
        with pytest.raises(ConfigError, match="name the ones it was made with"):
            other.load()


def test_one_value_has_another_digest_under_another_key_and_tenant(tmp_path):
    files = [
        FeedbackFile(tmp_path / "a", KEY),
        FeedbackFile(tmp_path / "b", KEY, "other"),
        FeedbackFile(tmp_path / "c", SecretKey.generate(Purpose.SEAL)),
    ]
    digests = {f.report(Kind.MISSED, "PERSON", "Qwaxil Brontum", today=TODAY)[0].digest for f in files}
    assert len(digests) == 3


@pytest.mark.parametrize("content", ["[", "kind: Other", "a: 1", "\udcff"])
def test_a_damaged_file_is_an_error_and_not_an_empty_one(file, tmp_path, content):
    path = tmp_path / "phi-feedback.yaml"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="cannot be read"):
        file.load()


def test_a_guard_reads_the_file_its_configuration_names(file, tmp_path):
    file.report(Kind.MISSED, "ID", "tin lantern", today=TODAY)
    write_key(tmp_path / "guard.key", KEY)
    text = '[guard]\npolicy = "pack:hipaa"\nfeedback = "phi-feedback.yaml"\n[store]\nurl = "memory:"\n'
    (tmp_path / "toolguard.toml").write_text(text + '[keys]\nfile = "guard.key"\n', "utf-8")
    parts = load_parts(tmp_path / "toolguard.toml")
    (finding,) = parts.detector.session().inspect("a tin lantern", origin=Origin.RESULT)
    assert (finding.type, finding.source) == ("ID", "feedback")
    parts.close()
    (tmp_path / "toolguard.toml").write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=r"keys\.file"):
        load_parts(tmp_path / "toolguard.toml")


# --- the command

VALUES = [
    ("missed", "PERSON", "Qwaxil Brontum"),
    ("missed", "ID", "ZK-44-19033"),
    ("missed", "ADDRESS", "the old brick by the sea"),
    ("wrong", "SSN", "219-09-9999"),
]


@pytest.fixture
def phi(tmp_path):
    write_key(tmp_path / "guard.key", KEY)

    def command(*arguments, given="", ok=(0,)):
        options = ("--file", str(tmp_path / "phi-feedback.yaml"), "--key", str(tmp_path / "guard.key"))
        result = CliRunner().invoke(build(["phi"]), ["phi", *arguments, *options], input=given)
        assert result.exit_code in ok, (result.output, result.exception)
        return result

    return command


def test_no_file_and_no_output_holds_a_value_in_clear(phi, tmp_path):
    shown = "".join(phi("report", kind, "--type", type, given=value + "\n").output for kind, type, value in VALUES)
    shown += phi("list").output
    shown += phi("report", "missed", "--type", "NOT A TYPE", given="Qwaxil Brontum", ok=(3,)).output
    shown += phi("report", "wrong", "--type", "PERSON", given="Qwaxil Brontum", ok=(3,)).output
    files = [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()]
    assert len(files) >= 2
    for content in (*files, shown.encode()):
        folded = content.lower()
        for _, _, value in VALUES:
            for word in value.lower().replace("-", " ").split():
                if len(word) > 3:
                    assert word.encode() not in folded
    assert (tmp_path / "phi-feedback.yaml").stat().st_mode & 0o777 == 0o600
    cases = yaml.safe_load((tmp_path / "phi-feedback.yaml").read_text())["cases"]
    assert [c["written"] for c in cases] == ["Aa Aa", "A-9-9", "a a a a a a", "9-9-9"]


def test_the_value_is_no_argument(phi):
    result = phi("report", "missed", "Qwaxil Brontum", "--type", "PERSON", ok=(2,))
    assert "unexpected" in result.output.lower()


def test_cases_are_checked_where_they_stand(phi, tmp_path):
    for kind, type, value in VALUES[:2] + VALUES[3:]:
        phi("report", kind, "--type", type, given=value)
    texts = tmp_path / "texts.jsonl"
    texts.write_text(
        json.dumps({"text": "so qwaxil brontum came"})
        + "\n"
        + json.dumps({"data": {"note": ["SSN 219-09-9999", "SSN 219 09 9999"]}})
        + "\n",
        "utf-8",
    )
    result = phi("check", str(texts), "--json")
    rows = {row["type"]: row for row in json.loads(result.stdout)}
    assert (rows["PERSON"]["seen"], rows["PERSON"]["right"]) == (1, 1)
    assert rows["ID"]["seen"] == 0
    assert (rows["SSN"]["seen"], rows["SSN"]["right"], rows["SSN"]["by_itself"]) == (2, 2, 0)
    assert "Qwaxil" not in phi("check", str(texts)).output


def test_a_case_that_fails_is_exit_code_1(phi, tmp_path):
    phi("report", "wrong", "--type", "SSN", given="09-9999")
    (tmp_path / "t.txt").write_text("SSN 219-09-9999", "utf-8")
    result = phi("check", str(tmp_path / "t.txt"), ok=(1,))
    assert "fails" in result.output


def test_a_report_can_be_taken_back(phi):
    said = phi("report", "missed", "--type", "PERSON", given="Qwaxil Brontum").stdout
    phi("forget", said.split()[0])
    assert phi("list").stdout == "0 cases\n"
    phi("forget", "00000000", ok=(3,))
