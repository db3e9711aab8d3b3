"""What programs of others say of our evidence: AgentAck of approvals, compliance-trestle of OSCAL."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from agentack.engine import evaluate_events
from agentack.models import TraceEvent
from agentack.parser import read_jsonl
from agentack.policy import Policy

from evidence.hospital import Hospital
from toolguard._core.audit import AuditRecord, Kind
from toolguard.evidence import Pack
from toolguard.evidence.agentack import POLICY, traces
from toolguard.journal import timeline

Records = list[AuditRecord]


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    path = tmp_path_factory.mktemp("agentack") / "agentack.toml"
    path.write_text(POLICY)
    return Policy.from_toml(path)


def findings(records: Sequence[AuditRecord], rules: Policy) -> set[str]:
    found = set()
    for trace in traces(records).values():
        events = [TraceEvent.from_dict(json.loads(line)) for line in trace.splitlines()]
        found |= {f.rule_id for f in evaluate_events(events, policy=rules).findings}
    return found


def test_agentack_finds_nothing_in_a_month_of_good_runs(tmp_path: Path, pack: Pack, rules: Policy) -> None:
    runs = sorted(name for name in pack.members if name.startswith("agentack/run-"))
    assert len(runs) > 10
    seen = set()
    for name in runs:
        path = tmp_path / "run.jsonl"
        path.write_bytes(pack.members[name])
        events = read_jsonl(path)
        report = evaluate_events(events, policy=rules)
        assert (report.status, report.findings) == ("PASS", ()), (name, report.findings)
        seen |= {event.type for event in events}
    assert seen == {
        *("action_proposed", "approval_requested", "approval_decision", "action_executed", "action_blocked"),
        "session_end",
    }


def story(hospital: Hospital, name: str) -> Records:
    return list(timeline(hospital.store, hospital.calls[name]))


def kind(records: Records, wanted: Kind) -> AuditRecord:
    return next(r for r in records if r.draft.kind is wanted)


def without(records: Records, *kinds: Kind) -> Records:
    return [r for r in records if r.draft.kind not in kinds]


def said(record: AuditRecord, **changes: Any) -> AuditRecord:
    body = {**record.draft.body, **{key.replace("__", "."): value for key, value in changes.items()}}
    return replace(record, draft=replace(record.draft, body={k: v for k, v in body.items() if v is not None}))


def later(record: AuditRecord, seconds: float) -> AuditRecord:
    return replace(record, draft=replace(record.draft, at=record.draft.at + seconds))


def changed(records: Records, old: AuditRecord, *new: AuditRecord) -> Records:
    return [one for r in records for one in (new if r is old else (r,))]


def planted(name: str, change: Callable[[Records], Records]) -> Callable[[Hospital], Records]:
    return lambda hospital: change(story(hospital, name))


def _executing(**body: Any) -> Callable[[Records], Records]:
    def change(records: Records) -> Records:
        began = kind(records, Kind.CALL_EXECUTING)
        return changed(records, began, said(began, **body))

    return change


def _ran_twice(records: Records) -> Records:
    began = kind(records, Kind.CALL_EXECUTING)
    return [*records, replace(later(began, 5.0), seq=began.seq + 1000)]


def _denied_ran(records: Records) -> Records:
    ended = kind(records, Kind.APPROVAL_RESOLVED)
    return changed(records, ended, said(ended, toolguard__decision__outcome="denied"))


def _too_late(records: Records) -> Records:
    ended = kind(records, Kind.APPROVAL_RESOLVED)
    return changed(records, ended, said(ended, toolguard__approval__grant_expires_at=ended.draft.at + 1.0))


def _ran_before(records: Records) -> Records:
    began = kind(records, Kind.CALL_EXECUTING)
    asked = kind(records, Kind.APPROVAL_REQUESTED)
    moved = replace(later(began, asked.draft.at - began.draft.at), seq=asked.seq)
    return [r for r in changed(records, asked, asked, moved) if r is not began]


def _shown_other(records: Records) -> Records:
    asked = kind(records, Kind.APPROVAL_REQUESTED)
    return changed(records, asked, said(asked, toolguard__args__hmac="v1:" + "0" * 64))


PLANTED: list[tuple[str, Callable[[Hospital], Records], str]] = [
    (
        "a call ran without the approval it needed",
        planted("cohort", _executing(toolguard__approval__id=None)),
        "ACK001",
    ),
    ("a denied call ran", planted("cohort", _denied_ran), "ACK002"),
    ("other arguments ran", planted("cohort", _executing(toolguard__args__hmac="v1:" + "1" * 64)), "ACK003"),
    ("people were shown other arguments", planted("cohort", _shown_other), "ACK003"),
    ("one yes ran twice", planted("cohort", _ran_twice), "ACK004"),
    ("a yes was used after it had run out", planted("cohort", _too_late), "ACK005"),
    ("a call ran before anybody had answered", planted("cohort", _ran_before), "ACK006"),
    ("nobody decided", planted("cohort", lambda r: without(r, Kind.APPROVAL_RESOLVED)), "ACK009"),
    ("nobody asked", planted("cohort", lambda r: without(r, Kind.APPROVAL_REQUESTED)), "ACK009"),
    ("nothing was decided", planted("cohort", lambda r: without(r, Kind.CALL_DECIDED)), "ACK009"),
]


@pytest.mark.parametrize(("what", "made", "rule"), PLANTED, ids=[p[0] for p in PLANTED])
def test_agentack_finds_what_was_planted(
    hospital: Hospital, rules: Policy, what: str, made: Callable[[Hospital], Records], rule: str
) -> None:
    assert findings(story(hospital, "cohort"), rules) == set()
    assert rule in findings(made(hospital), rules)


TRESTLE = """
import sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
from trestle.oscal.assessment_results import AssessmentResults
try:
    read = AssessmentResults.oscal_read(Path(sys.argv[1]))
except Exception as error:
    sys.exit(f"refused: {type(error).__name__}")
result = read.results[0]
print(len(result.observations), result.findings, result.risks, read.metadata.oscal_version.root.root)
"""


def trestle(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", TRESTLE, str(path)], capture_output=True, text=True, timeout=120)


def test_oscal_assessment_results_are_valid_and_hold_observations_only(tmp_path: Path, pack: Pack) -> None:
    path = tmp_path / "assessment-results.json"
    path.write_bytes(pack.members["oscal/assessment-results.json"])
    done = trestle(path)
    assert (done.returncode, done.stdout.split()) == (0, ["50", "None", "None", "1.2.1"]), done.stderr
    data = json.loads(path.read_text())
    hrefs = {r["rlinks"][0]["href"] for r in data["assessment-results"]["back-matter"]["resources"] if "rlinks" in r}
    assert hrefs <= set(pack.members)
    data["assessment-results"]["results"][0]["observations"][0]["uuid"] = "no uuid"
    path.write_text(json.dumps(data))
    assert trestle(path).returncode == 1
