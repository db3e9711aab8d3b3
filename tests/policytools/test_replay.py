"""Recorded decisions under another policy: told where the record tells, named where it does not, never guessed."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from policytools.made import APPROVALS, HEAD, make
from policytools.support import run, write

TOOLS = "tools:\n  find_patient: {risk: low}\n  send_letter: {risk: medium}\n  delete_chart: {}\n"
BASE = APPROVALS + TOOLS
CALLS = [
    ("find_patient", {"name": "Mary Smith", "limit": 5}),
    ("find_patient", {"name": "Mary Smith", "limit": 500}),
    ("send_letter", {"template": "visit", "body": "come at ten"}),
    ("send_letter", {"template": "visit", "body": "Mary Smith, SSN 123-45-6789"}),
    ("delete_chart", {"chart": "7"}),
]


def rule(text: str) -> str:
    return f"rules:\n  - {{id: r, because: So., {text}}}\n"


def replayed(folder: Path, url: str, candidate: str, *words: str) -> Any:
    file = write(folder, "new.yaml", HEAD + candidate)
    done = run("replay", file, "--store", url, "--json", *words)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return make(tmp_path, BASE, CALLS)


def changes(report: Any) -> dict[tuple[str, str, str], int]:
    return {(t["tool"], t["before"], t["after"]): t["calls"] for t in report["tools"]}


TOLD = {
    "nothing": ("", {}),
    "a tool": (rule("effect: deny, match: {tool: send_letter}"), {("send_letter", "allow", "deny"): 2}),
    "a role": (rule("effect: deny, match: {tool: find_patient, role: nurse}"), {("find_patient", "allow", "deny"): 2}),
    "another role": (rule("effect: deny, match: {role: clerk}"), {}),
    "an agent": (rule("effect: deny, match: {agent: 'ward-*', tool: find_*}"), {("find_patient", "allow", "deny"): 2}),
    "an environment": (rule("effect: deny, match: {environment: test}"), {}),
    "types of identifiers": (rule("effect: deny, match: {tool: send_letter, data: [US_SSN, SSN]}"), {("send_letter", "allow", "deny"): 1}),
    "a kind of effect": (rule("effect: deny, match: {category: destructive}"), {("delete_chart", "require_approval", "deny"): 1}),
    "who is behind it": (rule("effect: deny, match: {tool: send_letter}, when: caller.subject == \"ada\""), {("send_letter", "allow", "deny"): 2}),
    "identifiers anywhere": (rule("effect: deny, match: {tool: send_letter}, when: phi(args).size() > 0"), {("send_letter", "allow", "deny"): 1}),
    "values that reach the tool": (rule("effect: deny, match: {tool: send_letter}, when: reveals(args).size() > 0"), {}),
    "the hour": (rule("effect: deny, match: {tool: send_letter}, when: hour >= 0"), {("send_letter", "allow", "deny"): 2}),
    "risk": (rule("effect: deny, when: risk.level == \"medium\""), {("send_letter", "allow", "deny"): 2}),
}  # fmt: skip


@pytest.mark.parametrize(("candidate", "expected"), TOLD.values(), ids=TOLD)
def test_what_rules_ask_besides_arguments_is_told(
    tmp_path: Path, url: str, candidate: str, expected: dict[tuple[str, str, str], int]
) -> None:
    report = replayed(tmp_path, url, BASE + candidate)
    assert (report["calls"], report["not_replayed"]) == (5, 0)
    assert changes(report) == expected


def test_an_allow_replaces_the_default(tmp_path: Path, url: str) -> None:
    report = replayed(tmp_path, url, BASE + rule("effect: allow, match: {tool: delete_chart}"))
    assert changes(report) == {("delete_chart", "require_approval", "allow"): 1}


def test_a_tool_that_is_no_longer_named_is_unknown(tmp_path: Path, url: str) -> None:
    report = replayed(tmp_path, url, APPROVALS + TOOLS.replace("  delete_chart: {}\n", ""))
    assert changes(report) == {("delete_chart", "require_approval", "deny"): 1}


def test_a_tool_from_elsewhere_is_refused(tmp_path: Path, url: str) -> None:
    report = replayed(tmp_path, url, APPROVALS + TOOLS.replace("send_letter: {", "send_letter: {source: 'mcp:*', "))
    assert changes(report) == {("send_letter", "allow", "deny"): 2}
    same = replayed(
        tmp_path, url, APPROVALS + TOOLS.replace("send_letter: {", "send_letter: {source: 'ward.tools:*', ")
    )
    assert changes(same) == {}


UNTOLD = {
    "an argument": ("when: args.limit > 100", "it reads args.limit"),
    "an argument that may be missing": ("when: has(args.limit) && args.limit > 100", "it reads args.limit"),
    "identifiers in one argument": ("when: phi(args.name).size() > 0", "it asks phi() of the arguments"),
    "what stands in it": ("when: 'mentions(args, \"Mary\")'", "it asks mentions() of the arguments"),
    "the session": ("when: session.calls > 3", "it reads session"),
}


@pytest.mark.parametrize(("condition", "why"), UNTOLD.values(), ids=UNTOLD)
def test_what_depends_on_arguments_is_named_and_not_guessed(tmp_path: Path, url: str, condition: str, why: str) -> None:
    report = replayed(tmp_path, url, BASE + rule(f"effect: deny, match: {{tool: find_patient}}, {condition}"))
    assert report["not_replayed"] == 2
    assert changes(report) == {}
    assert report["same"] == 3
    assert report["why_not"] == {f"r: {why}": 2}


def test_an_answer_that_does_not_depend_on_the_argument_is_told(tmp_path: Path, url: str) -> None:
    text = BASE + (
        "rules:\n"
        "  - {id: all, because: No., effect: deny, match: {tool: find_patient}}\n"
        "  - {id: many, because: No., effect: require_approval, match: {tool: find_patient}, when: args.limit > 100}\n"
    )
    report = replayed(tmp_path, url, text)
    assert report["not_replayed"] == 0
    assert changes(report) == {("find_patient", "allow", "deny"): 2}


def test_with_the_policy_in_force_its_own_rules_are_told_by_the_record(tmp_path: Path) -> None:
    old = BASE + rule("effect: deny, match: {tool: find_patient}, when: args.limit > 100")
    store = make(tmp_path, old, CALLS)
    base = write(tmp_path, "old.yaml", HEAD + old)
    new = old.replace("effect: deny", "effect: require_approval, approval: other")
    assert replayed(tmp_path, store, new)["not_replayed"] == 2
    report = replayed(tmp_path, store, new, "--base", str(base))
    assert report["not_replayed"] == 0
    assert changes(report) == {("find_patient", "deny", "require_approval"): 1}
    elsewhere = write(tmp_path, "else.yaml", HEAD + old + "  # another file\n")
    assert replayed(tmp_path, store, new, "--base", str(elsewhere))["not_replayed"] == 2


NEIGHBOURS = {
    "narrower, where the rule did not match": ("args.limit > 100", "args.limit > 1000", 1, {}),
    "wider, where the rule matched": ("args.limit > 100", "args.limit > 1", 1, {}),
    "narrower by something else": ("args.limit > 100", "args.limit > 100 && hour == 12", 1, {}),
    "neither": ("args.limit > 100", 'args.name == "x"', 2, {}),
    "one that may fail where the old one did not": ("args.limit > 100", "args.limit > 1000 || args.age > 3", 2, {}),
}


@pytest.mark.parametrize(("was", "now", "unknown", "expected"), NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_of_a_rule_made_narrower_or_wider_the_record_tells_a_part(
    tmp_path: Path, was: str, now: str, unknown: int, expected: dict[tuple[str, str, str], int]
) -> None:
    old = BASE + rule(f"effect: deny, match: {{tool: find_patient}}, when: '{was}'")
    store = make(tmp_path, old, CALLS)
    base = write(tmp_path, "old.yaml", HEAD + old)
    report = replayed(tmp_path, store, old.replace(was, now), "--base", str(base))
    assert report["not_replayed"] == unknown
    assert changes(report) == expected


def test_the_record_does_not_tell_of_a_rule_once_the_tool_is_filed_otherwise(tmp_path: Path) -> None:
    old = BASE + rule("effect: deny, match: {category: privilege}, when: has(args.limit)")
    store = make(tmp_path, old, CALLS)
    base = write(tmp_path, "old.yaml", HEAD + old)
    new = old.replace("find_patient: {risk: low}", "find_patient: {risk: low, category: privilege}")
    report = replayed(tmp_path, store, new, "--base", str(base))
    assert report["not_replayed"] == 2


def test_replayed_under_the_policy_in_force_nothing_changes(tmp_path: Path) -> None:
    text = (
        "include: pack:hipaa\n"
        'approvals: {privacy: {approvers: ["group:office"]}, security: {approvers: ["group:office"]}}\n' + TOOLS
    )
    store = make(tmp_path, text, CALLS)
    base = write(tmp_path, "base.yaml", HEAD + text)
    report = replayed(tmp_path, store, text, "--base", str(base))
    assert report["same"] == report["calls"] == 5


def test_what_a_tool_itself_suggests_is_not_on_record_where_the_policy_said_its_risk(tmp_path: Path, url: str) -> None:
    report = replayed(tmp_path, url, APPROVALS + TOOLS.replace("{risk: medium}", "{}"))
    assert report["not_replayed"] == 2
    assert any("what the tool itself suggests is not on record" in why for why in report["why_not"])
    said = replayed(tmp_path, url, APPROVALS + TOOLS.replace("{risk: medium}", "{risk: critical}"))
    assert changes(said) == {("send_letter", "allow", "deny"): 2}


def test_records_of_before_are_counted_and_left_alone(tmp_path: Path, url: str) -> None:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as store:
        for (trigger,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            store.execute(f"DROP TRIGGER {trigger}")
        store.execute("UPDATE records SET body = replace(body, 'toolguard.risk.found', 'toolguard.risk.other')")
    report = replayed(tmp_path, url, BASE)
    assert report["unusable"] == {"it was recorded before records said what rules ask": 5}


def test_a_call_no_policy_was_asked_of_is_counted_and_left_alone(tmp_path: Path) -> None:
    text = BASE + "rules:\n  - {id: r, because: Ask., effect: require_approval, match: {tool: find_patient}}\n"
    url = make(tmp_path, text, [("find_patient", {"limit": float("nan")}), ("find_patient", {"limit": 1})])
    report = replayed(tmp_path, url, text)
    assert report["unusable"] == {"it was refused before any policy was asked": 1}
    assert report["same"] == 1


def test_older_calls_are_left_out(tmp_path: Path, url: str) -> None:
    assert replayed(tmp_path, url, BASE, "--since", "1m")["calls"] == 0


def test_no_value_of_an_argument_is_on_record_or_shown(tmp_path: Path, url: str) -> None:
    file = write(tmp_path, "new.yaml", HEAD + BASE + rule("effect: deny"))
    said = run("replay", file, "--store", url).output + run("replay", file, "--store", url, "--json").output
    held = (tmp_path / "ward.db").read_bytes()
    for value in ("Smith", "123-45-6789", "come at ten"):
        assert value not in said
        assert value.encode() not in held


def test_the_terminal_form_says_what_changes_and_what_cannot_be_told(tmp_path: Path, url: str) -> None:
    text = BASE + (
        "rules:\n"
        "  - {id: no, because: No., effect: deny, match: {tool: send_letter}}\n"
        "  - {id: many, because: No., effect: deny, match: {tool: find_patient}, when: args.limit > 100}\n"
    )
    done = run("replay", write(tmp_path, "new.yaml", HEAD + text), "--store", url)
    assert "5 recorded calls: 3 replayed, 1 come out the same" in done.output
    assert "allow → deny: 2 calls" in done.output
    assert "2 calls cannot be replayed:" in done.output
    assert "many: it reads args.limit" in done.output


@pytest.mark.parametrize(
    ("effect", "fail_on", "code"),
    [("deny", "none", 0), ("deny", "loosen", 0), ("deny", "change", 1), ("allow", "loosen", 1), ("allow", "none", 0)],
)
def test_what_fails_is_the_users_to_say(tmp_path: Path, url: str, effect: str, fail_on: str, code: int) -> None:
    file = write(tmp_path, "new.yaml", HEAD + BASE + rule(f"effect: {effect}, match: {{tool: delete_chart}}"))
    assert run("replay", file, "--store", url, "--fail-on", fail_on).exit_code == code


def test_a_store_that_cannot_be_read_ends_in_3(tmp_path: Path) -> None:
    file = write(tmp_path, "new.yaml", HEAD + BASE)
    assert run("replay", file, "--store", f"sqlite:///{tmp_path / 'gone.db'}").exit_code == 3
    assert run("replay", tmp_path / "gone.yaml", "--store", "memory:").exit_code == 3
    assert run("replay", file, "--store", "memory:", "--since", "soon").exit_code == 2
