"""A rule about the time before a call can be tried in a case beside the policy, without anything having run."""

from pathlib import Path

import pytest

from history.conftest import HEAD
from history.test_rules import rule
from toolguard.policytools.cases import read_cases, run_files

CASES = """\
apiVersion: toolguard/v1
kind: PolicyCases
policy: ward.yaml
cases:
"""
TRIED = {
    "taint": ({"taint": ["untrusted"]}, "taint: [untrusted]", "taint: [phi]"),
    "label": ({"label": ["phi"]}, "label: [unknown, phi]", "label: [unknown]"),
    "calls": ({"more_than": {"calls": 20, "per": "1h"}}, "calls: 20", "calls: 19"),
    "patients": ({"patients": {"more_than": 30, "per": "1d"}}, "patients: 30", "patients: 29"),
    "after": ({"after": {"tool": "fetch_*"}}, "after: true", "calls: 99"),
}


@pytest.mark.parametrize("name", TRIED)
def test_a_case_says_what_was_before(tmp_path: Path, name: str) -> None:
    match, then, else_ = TRIED[name]
    (tmp_path / "ward.yaml").write_text(f"{HEAD}rules: [{rule(match | {'tool': 'chart'})}]\n", "utf-8")
    lines = [
        f"  - {{name: case {n}, tool: chart, args: {{patient: '7'}}, before: {{{before}}}, expect: {{effect: {effect}}}}}\n"
        for n, (before, effect) in enumerate([(then, "deny"), (else_, "allow"), ("", "allow")])
    ]
    (tmp_path / "ward.cases.yaml").write_text(CASES + "".join(lines), "utf-8")
    results = list(run_files([read_cases(str(tmp_path / "ward.cases.yaml"))]))
    assert [list(result.differences) for _, result in results] == [[], [], []]
