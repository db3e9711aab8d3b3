"""The journal against a log that others keep: what ran past the guard, and what ran by it and left no trace there (T28)."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from toolguard import Caller
from toolguard.cli.audit import app
from toolguard.errors import DeniedError, ToolguardError
from toolguard.guard import Guard
from toolguard.journal.outside import Effect, read_effects, reconcile_effects
from toolguard.running import current_call
from toolguard.stores import open_store
from toolguard.testing import NoDetector

RUN = CliRunner()
POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: effects, version: 1, owner: privacy@general.example}
approvals:
  default: {approvers: ["group:privacy-office"], quorum: 1, expires: 1h}
tools:
  order: {risk: low}
  note: {risk: low}
  wipe: {risk: critical}
"""
ANA = Caller.of("ana", agent="discharge-agent", tenant="general")


class Ehr:
    """A system that logs what was done to it, guarded or not."""

    def __init__(self) -> None:
        self.log: list[dict[str, Any]] = []

    def order(self, what: str) -> str:
        """Order something."""
        self.did("order", current_call().id)
        return "ordered"

    def note(self, text: str) -> str:
        """Write a note."""
        return "written"

    def wipe(self) -> str:
        """Delete everything."""
        self.did("wipe", "")
        return "gone"

    def did(self, action: str, key: str) -> None:
        now = dt.datetime.now(dt.UTC)
        self.log.append({"event": {"key": key, "action": action}, "time": now.isoformat(), "patient": "Zebedee Quill"})


@pytest.fixture
def ehr() -> Ehr:
    return Ehr()


@pytest.fixture
def url(tmp_path: Path, ehr: Ehr) -> str:
    from toolguard.keys import KeyRing, Purpose, SecretKey

    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")
    url = f"sqlite:///{tmp_path / 'store.db'}"
    keys = KeyRing([SecretKey.generate(Purpose.SEAL)])
    with Guard(tmp_path / "policy.yaml", store=url, keys=keys, detector=NoDetector()) as guard:
        with guard.session(caller=ANA) as session:
            for n in range(5):
                session.call(ehr.order, {"what": f"test {n}"})
            session.call(ehr.note, {"text": "x"})
            with pytest.raises(DeniedError):
                session.call(ehr.wipe, {})
    return url


def _log(tmp_path: Path, ehr: Ehr) -> Path:
    file = tmp_path / "ehr.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in ehr.log), "utf-8")
    return file


BY_ID = "call_id=event.key,tool=event.action,at=time"
BY_TIME = "tool=event.action,at=time"


def _run(url: str, file: Path, columns: str, *more: str) -> Any:
    return RUN.invoke(app, ["reconcile", "--store", url, "--log", str(file), "--map", columns, *more])


@pytest.mark.parametrize("columns", [BY_ID, BY_TIME])
def test_each_effect_has_its_record_and_each_execution_its_effect(
    url: str, ehr: Ehr, tmp_path: Path, columns: str
) -> None:
    done = _run(url, _log(tmp_path, ehr), columns)
    assert done.exit_code == 0, done.output
    assert "5 of 5 effects have a record, of 5 executions in that time" in done.output, "notes are not in that log"
    assert "this speaks of guarded calls" in done.output


@pytest.mark.parametrize("columns", [BY_ID, BY_TIME])
def test_what_ran_past_the_guard_is_found(url: str, ehr: Ehr, tmp_path: Path, columns: str) -> None:
    ehr.did("order", "by-hand")
    done = _run(url, _log(tmp_path, ehr), columns)
    assert done.exit_code == 2
    assert "an effect no record stands behind" in done.output
    assert "line 6" in done.output
    assert "Zebedee" not in done.output


@pytest.mark.parametrize("columns", [BY_ID, BY_TIME])
def test_what_left_no_trace_there_is_found(url: str, ehr: Ehr, tmp_path: Path, columns: str) -> None:
    del ehr.log[2]
    data = json.loads(_run(url, _log(tmp_path, ehr), columns, "--json").output)
    assert [(f["code"], f["tool"]) for f in data["findings"]] == [("without_effect", "order")]
    assert (data["exit_code"], data["matched"]) == (2, 4)


def test_one_call_with_two_effects_is_found(url: str, ehr: Ehr, tmp_path: Path) -> None:
    ehr.log.append(ehr.log[1])
    data = json.loads(_run(url, _log(tmp_path, ehr), BY_ID, "--json").output)
    assert [(f["code"], f["call"]) for f in data["findings"]] == [("unrecorded", ehr.log[1]["event"]["key"])]


def test_an_effect_of_a_call_that_was_denied_is_the_worst(url: str, ehr: Ehr, tmp_path: Path) -> None:
    store = open_store(url, read_only=True)
    denied = next(r.draft.call for r in store.records() if r.draft.body.get("gen_ai.tool.name") == "wipe")
    store.close()
    ehr.did("wipe", denied)
    done = _run(url, _log(tmp_path, ehr), BY_ID)
    assert done.exit_code == 1
    assert "by the journal, never ran" in done.output


def test_by_time_the_nearest_is_taken_and_none_twice(url: str) -> None:
    store = open_store(url, read_only=True)
    records = list(store.records())
    store.close()
    ran = [r.draft.at for r in records if r.draft.kind.value == "call.returned" and "order" in str(r.draft.body)]
    effects = [Effect(line=n, at=at + 2.0, tool="order") for n, at in enumerate(ran)]
    assert reconcile_effects(records, effects, within=5.0).matched == 5
    assert reconcile_effects(records, effects * 2, within=5.0).matched == 5
    assert reconcile_effects(records, effects, within=0.1).matched == 0


def test_an_empty_log_is_no_evidence(url: str, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("", "utf-8")
    done = _run(url, tmp_path / "empty.jsonl", BY_ID)
    assert (done.exit_code, "no evidence" in done.output) == (2, True)


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("2026-11-22T10:00:00Z", 1795341600.0),
        ("2026-11-22T11:00:00+01:00", 1795341600.0),
        ("2026-11-22 10:00:00", 1795341600.0),
        (1795341600, 1795341600.0),
        ("1795341600.5", 1795341600.5),
        (1795341600123, 1795341600.123),
        (1795341600123456, 1795341600.123456),
    ],
)
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_times_are_read_as_they_come(tmp_path: Path, value: object, at: float, kind: str) -> None:
    file = tmp_path / f"log.{kind}"
    line = json.dumps({"tool": "order", "at": value}) if kind == "jsonl" else f"tool,at\norder,{value}\n"
    file.write_text(line, "utf-8")
    (effect,) = read_effects(file, {"tool": "tool", "at": "at"})
    assert effect.at == pytest.approx(at)
    assert effect.tool == "order"


@pytest.mark.parametrize(
    ("text", "columns", "why"),
    [
        ('{"at": 1}\nZebedee Quill\n', "tool=tool,at=at", "line 2 of the log is not JSON"),
        ('{"when": "Zebedee Quill"}\n', "tool=tool,at=at", "line 1 of the log has no 'at'"),
        ('{"at": "Zebedee Quill"}\n', "tool=tool,at=at", "line 1 of the log has no time"),
        ('{"at": 1}\n', "tool=tool", "needs its columns"),
        ('{"at": 1}\n', "at=at", "needs its columns"),
        ('{"at": 1}\n', "person=x,tool=t,at=at", "needs its columns"),
        ('{"at": 1}\n', "nonsense", "NAME=VALUE"),
    ],
)
def test_a_log_that_cannot_be_read_ends_with_3_and_shows_nothing_of_it(
    url: str, tmp_path: Path, text: str, columns: str, why: str
) -> None:
    (tmp_path / "log.jsonl").write_text(text, "utf-8")
    done = _run(url, tmp_path / "log.jsonl", columns)
    assert (done.exit_code, why in done.output, "Zebedee" in done.output) == (3, True, False), done.output
    with pytest.raises(ToolguardError):
        list(read_effects(tmp_path / "not-there.jsonl", {"tool": "t", "at": "at"}))
