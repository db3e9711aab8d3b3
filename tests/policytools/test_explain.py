"""``toolguard policy explain``: what a decision binds a call to, who approves in turn, and what rules read, masked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policytools.support import HEAD, run, write

TEXT = HEAD + (
    "approvals:\n"
    '  default: {approvers: ["group:nurses"], then: [{approvers: ["group:office", "person:lee"], quorum: 2}], expires: 2h}\n'
    "tools: {mail: {risk: low, args: {to: pass, body: unmask}}, show: {risk: low, results: pass}}\n"
    "rules:\n"
    "  - {id: list, because: Lists., effect: require_approval, match: {tool: mail},"
    " when: 'has(args.to) && args.to.exists(t, t == \"bob@x.example\")'}\n"
    "  - {id: note, because: Notes., effect: mask, match: {tool: mail}, args: {cc: mask}, max_result_chars: 9, max_results: 5,"
    " when: 'phi(args.body).size() > 0'}\n"
    "  - {id: weekend, because: Rest., effect: deny, match: {time: {days: [sat, sun]}}}\n"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path, "p.yaml", TEXT)


def explained(file: Path | str, tool: str, args: object, *words: str) -> Any:
    done = run("explain", file, "--tool", tool, "--args", json.dumps(args), "--json", *words)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_what_a_call_is_bound_to_is_told(file: Path) -> None:
    told = explained(file, "mail", {"to": [], "body": "SSN 123-45-6789"})
    assert told["obligations"] == [
        "Identifiers are withheld in args.cc.",
        "Its result is masked.",
        "A result of more than 9 characters is withheld.",
        "A result with more than 5 items in a list is withheld.",
    ]
    assert set(told["obligations"]) <= set(told["texts"]["auditor"].splitlines())
    assert explained(file, "show", {})["obligations"] == ["Its result goes to the model as it is."]
    assert explained(file, "gone", {})["obligations"] == []


def test_stages_of_an_approval_are_told_in_turn(file: Path) -> None:
    told = explained(file, "mail", {"to": ["bob@x.example"], "body": ""})
    assert told["approvers"] == ["default: one of group:nurses, then 2 of group:office, person:lee within 2 hours"]


def test_values_in_lists_and_in_questions_are_shown_masked(file: Path) -> None:
    told = explained(file, "mail", {"to": ["bob@x.example", "eve@x.example"], "body": "SSN 123-45-6789"})
    assert {path.removesuffix(".*") for path in told["values"]} == {"args.to", "args.body"}
    assert "123-45" not in json.dumps(told)
    assert "bob@" not in json.dumps(told)
    assert told["values"]["args.body"] == "SSN <SSN_M1>"


def test_the_time_may_be_a_day_and_an_hour(file: Path) -> None:
    assert explained(file, "show", {}, "--at", "2026-11-22T10:00")["effect"] == "deny"
    assert explained(file, "show", {}, "--at", "2026-11-23T10:00")["effect"] == "allow"


def test_a_pack_is_explained_as_policies_include_it() -> None:
    told = explained("pack:hipaa", "fhir.read", {"path": "/Patient/$export"})
    assert told["effect"] == "deny"
    assert "hipaa/no-bulk-export" in {rule["id"] for rule in told["rules"]}


def test_what_the_spec_of_an_explanation_asks_is_all_there(file: Path) -> None:
    told = explained(file, "mail", {"to": 5, "body": "SSN 123-45-6789"})
    assert len(told["policy"]["sha256"]) == 64
    assert {r["id"]: r["because"] for r in told["rules"]} == {"list": "Lists.", "note": "Notes."}
    assert told["rules"][0]["error"] == "wrong_type"
    assert told["evidence"]
    assert set(told["texts"]) == {"auditor", "approver", "model"}
    assert "wrong_type" in told["texts"]["auditor"]
    assert "could not be evaluated" in told["texts"]["approver"]
    assert "list" not in told["texts"]["model"]
