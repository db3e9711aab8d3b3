"""What shadow would have done to calls that were made; what a policy would do to calls that are written down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from policytools.made import APPROVALS, make
from policytools.support import WARD, run, write

TOOLS = "tools: {find_patient: {risk: low}, send_letter: {risk: medium}, delete_chart: {risk: high}}\n"
CALLS = [("find_patient", {})] * 2 + [("send_letter", {"template": "visit"})] * 3 + [("delete_chart", {})]


def test_a_rule_in_shadow_is_reported_with_what_it_alone_would_change(tmp_path: Path) -> None:
    rules = (
        "rules:\n"
        "  - {id: letters, because: No., effect: deny, match: {tool: send_letter}, shadow: true}\n"
        "  - {id: gone, because: Ask., effect: require_approval, match: {tool: delete_chart}, shadow: true}\n"
        "  - {id: open, because: Fine., effect: allow, match: {tool: delete_chart}, shadow: true}\n"
        "  - {id: live, because: Live., effect: mask, match: {tool: find_patient}}\n"
    )
    url = make(tmp_path, APPROVALS + TOOLS + rules, CALLS)
    told = json.loads(run("shadow", "--store", url, "--json").stdout)
    assert told["calls"] == 6
    assert told["rules"] == [
        {"id": "gone", "matched": 1, "changed": [], "tools": {"delete_chart": 1}},
        {
            "id": "letters",
            "matched": 3,
            "changed": [{"was": "allow", "would": "deny", "calls": 3}],
            "tools": {"send_letter": 3},
        },
        {
            "id": "open",
            "matched": 1,
            "changed": [{"was": "require_approval", "would": "allow", "calls": 1}],
            "tools": {"delete_chart": 1},
        },
    ]
    said = run("shadow", "--store", url).output
    assert "rule letters: matched 3 calls, would have changed 3" in said
    assert "allow → deny: 3 calls" in said


def test_a_policy_in_shadow_mode_is_reported_with_what_it_would_have_done(tmp_path: Path) -> None:
    text = "mode: shadow\n" + APPROVALS + TOOLS
    url = make(tmp_path, text, CALLS)
    told = json.loads(run("shadow", "--store", url, "--json").stdout)
    assert told["mode"] == [{"did": "mask", "would": "require_approval", "calls": 1}]
    assert "Policies in shadow mode would have changed:" in run("shadow", "--store", url).output


def test_with_nothing_in_shadow_that_is_said(tmp_path: Path) -> None:
    url = make(tmp_path, APPROVALS + TOOLS, CALLS)
    assert "nothing in shadow spoke" in run("shadow", "--store", url).output


@pytest.fixture
def ward(tmp_path: Path) -> Path:
    return write(tmp_path, "ward.yaml", WARD)


LINES = [
    {"tool": "send_letter", "args": {"body": "Mary Smith"}, "hour": 3},
    {"tool": "send_letter", "args": {}, "caller": {"roles": "nurse"}, "id": "call-7"},
    {"tool": {"name": "find_patient", "source": "ward:ehr"}, "args": {"limit": 500}},
    {"tool": {"name": "find_patient", "source": "ward:ehr"}, "args": {"limit": 5}},
]


def calls(folder: Path, *lines: object) -> Path:
    return write(folder, "calls.jsonl", "".join(json.dumps(line) + "\n" for line in lines))


def test_calls_are_judged_with_their_arguments(tmp_path: Path, ward: Path) -> None:
    told = json.loads(run("simulate", ward, calls(tmp_path, *LINES), "--json").stdout)
    assert [(c["effect"], c["rules"]) for c in told] == [
        ("deny", ["by-day"]),
        ("require_approval", ["nurses"]),
        ("deny", ["big"]),
        ("allow", []),
    ]
    said = run("simulate", ward, calls(tmp_path, *LINES)).output
    assert "4 calls: 1 allow, 1 require_approval, 2 deny" in said
    assert "Smith" not in said


def test_two_policies_are_compared_call_by_call(tmp_path: Path, ward: Path) -> None:
    new = write(tmp_path, "new.yaml", WARD.replace("args.limit > 100", "args.limit > 1000"))
    file = calls(tmp_path, *LINES)
    said = run("simulate", new, file, "--against", ward, "--fail-on", "loosen")
    assert said.exit_code == 1
    assert "deny → allow: 1 call" in said.output
    told = json.loads(run("simulate", new, file, "--against", ward, "--json").stdout)
    assert [c["line"] for c in told if c["changed"]] == [3]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"tool": "x", "args": ["Mary Smith"]}', "calls.jsonl:1: 'args' does not fit"),
        ('{"args": {}}', "'tool' does not fit"),
        ("Mary Smith", "calls.jsonl:1: is not JSON"),
    ],
)
def test_a_line_that_does_not_fit_is_named_without_its_values(tmp_path: Path, ward: Path, line: str, told: str) -> None:
    done = run("simulate", ward, write(tmp_path, "calls.jsonl", line + "\n"))
    assert done.exit_code == 3
    assert told in done.stderr
    assert "Smith" not in done.stderr
