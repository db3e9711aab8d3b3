"""Attackers who change a policy so that nobody notices, and tool lists that are to become policy."""

import json

import pytest

from attacks.den import HEAD, rule
from policytools.support import run
from toolguard.config import ANALYSES
from toolguard.policyfile import load_policy, read_pack
from toolguard.policytools.difference import Turn, difference

OPENS = {Turn.LOOSENS, Turn.MAY_LOOSEN}


def policy(tools=None, rules=(), **head):
    return load_policy(json.dumps({**HEAD, "tools": tools or {}, "rules": list(rules), **head}), functions=ANALYSES)


def turns(old, new):
    return {c.turn for c in difference(old, new)}


# --- what a change is to hide

PACK = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: p, version: 1}
tools: {"fhir.*": {risk: low}, "*": {}}
"""
ASK = rule("require_approval", {"tool": "send"})
HIDDEN = {
    "a tool that a wider pattern still names loses its own entry": (
        {"tools": {"*": {}, "send": {"risk": "critical"}}},
        {"tools": {"*": {}}},
    ),
    "a tool that a wider pattern still names loses its source": (
        {"tools": {"se*": {}, "send": {"source": "mcp:good"}}},
        {"tools": {"se*": {}}},
    ),
    "a pattern that a wider one covers goes": (
        {"tools": {"*": {}, "send_*": {"results": "mask", "category": ["communication"]}}},
        {"tools": {"*": {}}},
    ),
    "a pattern that another one crosses goes": (
        {"tools": {"*_mail": {}, "send_*": {"risk": "critical"}}},
        {"tools": {"*_mail": {}}},
    ),
    "a tool's text is trusted now": ({"tools": {"web": {}}}, {"tools": {"web": {"content": "trusted"}}}),
    "a tool's patients are no longer counted": ({"tools": {"a": {"patient": ["id"]}}}, {"tools": {"a": {}}}),
    "another argument is the patient": ({"tools": {"a": {"subject": "id"}}}, {"tools": {"a": {"subject": "x"}}}),
    "more patients": (
        {"rules": [rule("deny", {"patients": {"more_than": 30, "per": "1d"}})]},
        {"rules": [rule("deny", {"patients": {"more_than": 300, "per": "1d"}})]},
    ),
    "a shorter time": (
        {"rules": [rule("deny", {"patients": {"more_than": 30, "per": "1d"}})]},
        {"rules": [rule("deny", {"patients": {"more_than": 30, "per": "1m"}})]},
    ),
    "counted for each session": (
        {"rules": [rule("deny", {"tool": "a", "more_than": {"calls": 3, "per": "1d", "by": "person"}})]},
        {"rules": [rule("deny", {"tool": "a", "more_than": {"calls": 3, "per": "1d", "by": "session"}})]},
    ),
    "one label fewer": (
        {"rules": [rule("deny", {"label": ["phi", "unknown"]})]},
        {"rules": [rule("deny", {"label": ["phi"]})]},
    ),
    "another taint": (
        {"rules": [rule("deny", {"taint": ["untrusted"]})]},
        {"rules": [rule("deny", {"taint": ["phi"]})]},
    ),
    "an origin fewer": (
        {"rules": [rule("deny", {"origin": ["result", "model"]})]},
        {"rules": [rule("deny", {"origin": ["result"]})]},
    ),
    "an origin more for an allow": (
        {"rules": [rule("allow", {"origin": ["user"]})]},
        {"rules": [rule("allow", {"origin": ["user", "result"]})]},
    ),
    "only while it is annotated so": (
        {"rules": [rule("deny", {"tool": "a"})]},
        {"rules": [rule("deny", {"tool": "a", "annotations": {"destructive": True}})]},
    ),
    "another time zone": (
        {"rules": [rule("deny", {"time": {"hours": "22:00-06:00", "utc_offset": "+01:00"}})]},
        {"rules": [rule("deny", {"time": {"hours": "22:00-06:00", "utc_offset": "+09:00"}})]},
    ),
    "a minute less": (
        {"rules": [rule("deny", {"time": {"hours": "22:00-06:00"}})]},
        {"rules": [rule("deny", {"time": {"hours": "22:00-05:59"}})]},
    ),
    "a deny that is only tried out": (
        {"rules": [rule("deny", {"tool": "a"})]},
        {"rules": [rule("deny", {"tool": "a"}, shadow=True)]},
    ),
    "a deny that is tried out and an allow beside it": (
        {"rules": [rule("deny", {"tool": "a"}, shadow=True)]},
        {"rules": [rule("deny", {"tool": "a"}, shadow=True), rule("allow", {"tool": "a"}, id="s")]},
    ),
    "an allow that was only tried out": (
        {"rules": [rule("allow", {"tool": "a"}, shadow=True)]},
        {"rules": [rule("allow", {"tool": "a"})]},
    ),
    "a rule is renamed and widened": (
        {"rules": [rule("deny", {"tool": "a"})]},
        {"rules": [rule("deny", {"tool": "ab"}, id="r2")]},
    ),
    "what a rule withholds": (
        {"rules": [rule("mask", {"tool": "a"}, args={"*": "mask"})]},
        {"rules": [rule("mask", {"tool": "a"}, args={"x": "mask"})]},
    ),
    "a longer list": (
        {"rules": [rule("allow", {"tool": "a"}, max_results=5)]},
        {"rules": [rule("allow", {"tool": "a"}, max_results=50)]},
    ),
    "milder where it cannot be told": (
        {"rules": [rule("require_approval", {"tool": "a"}, when="args.x > 3", on_error="deny")]},
        {"rules": [rule("require_approval", {"tool": "a"}, when="args.x > 3")]},
    ),
    "milder where nothing can be told": (
        {"on_error": "deny", "rules": [rule("mask", {"tool": "a"}, when="args.x > 3")]},
        {"on_error": "require_approval", "rules": [rule("mask", {"tool": "a"}, when="args.x > 3")]},
    ),
    "a condition that swallows what is missing": (
        {"rules": [rule("deny", {"tool": "a"}, when="args.x > 3")]},
        {"rules": [rule("deny", {"tool": "a"}, when="has(args.x) && args.x > 3")]},
    ),
    "a condition turned round": (
        {"rules": [rule("deny", {"tool": "a"}, when="args.x > 3 || args.y == 'b'")]},
        {"rules": [rule("deny", {"tool": "a"}, when="args.x > 3 && args.y == 'b'")]},
    ),
    "a pattern with a hole": (
        {"rules": [rule("deny", {"tool": "a"}, when="args.x.matches('drop|delete')")]},
        {"rules": [rule("deny", {"tool": "a"}, when="args.x.matches('dr0p|delete')")]},
    ),
    "a letter that looks alike": (
        {"rules": [rule("deny", {"tool": "a"}, when="mentions(args, 'secret')")]},
        {"rules": [rule("deny", {"tool": "a"}, when="mentions(args, 's.cret')")]},
    ),
    "a text that never is an identifier": ({}, {"masking": {"allow": ["Ann"]}}),
    "an operator that shows more": ({}, {"masking": {"operators": {"ZIP": "zip3"}}}),
    "fields that cannot carry a token": ({"masking": {"typed": "refuse"}}, {"masking": {"typed": "surrogate"}}),
    "a quicker profile": ({"masking": {"profile": "accurate"}}, {"masking": {"profile": "fast"}}),
    "a shape that finds less": (
        {"masking": {"shapes": [{"name": "b", "type": "BADGE", "pattern": "ZQ\\d{3,6}"}]}},
        {"masking": {"shapes": [{"name": "b", "type": "BADGE", "pattern": "ZQ\\d{6}"}]}},
    ),
    "other people": (
        {"approvals": {"default": {"approvers": ["group:a"]}}},
        {"approvals": {"default": {"approvers": ["group:b"]}}},
    ),
    "somebody to fall back on": (
        {"approvals": {"default": {"approvers": ["group:a"]}}},
        {"approvals": {"default": {"approvers": ["group:a"], "fallback": ["person:eve"]}}},
    ),
    "a no that holds for less long": (
        {"approvals": {"default": {"approvers": ["group:a"], "denial_memory": "1d"}}},
        {"approvals": {"default": {"approvers": ["group:a"], "denial_memory": "1m"}}},
    ),
    "a yes that waits for longer": (
        {"approvals": {"default": {"approvers": ["group:a"], "claim_ttl": "1m"}}},
        {"approvals": {"default": {"approvers": ["group:a"], "claim_ttl": "1d"}}},
    ),
    "approvers need not see": (
        {"approvals": {"default": {"approvers": ["group:a"]}}},
        {"approvals": {"default": {"approvers": ["group:a"], "reveal": False}}},
    ),
    "somebody later, sooner": (
        {"approvals": {"default": {"approvers": ["group:a"], "escalate": [{"after": "30m", "approvers": ["group:b"]}]}}},
        {"approvals": {"default": {"approvers": ["group:a"], "escalate": [{"after": "1m", "approvers": ["group:b"]}]}}},
    ),
    "a stage fewer": (
        {"approvals": {"default": {"approvers": ["group:a"], "then": [{"approvers": ["group:b"]}]}}},
        {"approvals": {"default": {"approvers": ["group:a"]}}},
    ),
    "a stage twice becomes once": (
        {"approvals": {"default": {"approvers": ["group:a"], "then": [{"approvers": ["group:b"]}, {"approvers": ["group:b"]}]}}},
        {"approvals": {"default": {"approvers": ["group:a"], "then": [{"approvers": ["group:b"]}]}}},
    ),
    "more questions": ({"defaults": {**HEAD["defaults"], "per_person": 3}}, {"defaults": {**HEAD["defaults"], "per_person": 300}}),
    "one risk milder and one stricter": (
        {"defaults": {"by_risk": {"low": "deny", "high": "deny"}}, "rules": [ASK]},
        {"defaults": {"by_risk": {"low": "deny", "high": "allow"}}, "rules": [ASK]},
    ),
    "another approval by default": (
        {"approvals": {"a": {"approvers": ["group:a"]}, "b": {"approvers": ["group:b"]}}, "defaults": {"approval": "a"}},
        {"approvals": {"a": {"approvers": ["group:a"]}, "b": {"approvers": ["group:b"]}}, "defaults": {"approval": "b"}},
    ),
    "results in clear by default": (
        {"defaults": {**HEAD["defaults"], "results": "mask"}},
        {"defaults": {**HEAD["defaults"], "results": "pass"}},
    ),
    "shadow": ({"mode": "enforce"}, {"mode": "shadow"}),
}  # fmt: skip


@pytest.mark.parametrize("name", HIDDEN)
def test_no_change_that_opens_something_passes_for_one_that_does_not(name):
    before, after = HIDDEN[name]
    assert turns(policy(**before), policy(**after)) & OPENS


@pytest.mark.parametrize(
    "change", [{"risk": "low"}, {"trusted_for": ["PERSON", "MRN"]}, {"results": "pass"}, {"content": "trusted"}]
)
@pytest.mark.parametrize("pattern", ["fhir.*", "FHIR.*", "*"])
def test_what_a_policy_says_of_a_pattern_that_its_pack_names_too_is_compared(pattern, change):
    def loaded(entry):
        text = json.dumps({**HEAD, "include": ["pack:p"], "tools": {pattern: {"risk": "high", **entry}}})
        return load_policy(text, functions=ANALYSES, packs=lambda name: PACK.encode())

    assert turns(loaded({}), loaded(change)) & OPENS


def test_a_pack_that_is_left_out_opens_something():
    old = policy(include=["pack:hipaa"], approvals={"privacy": {"approvers": ["group:a"]}, "security": {"approvers": ["group:a"]}, "default": {"approvers": ["group:a"]}})  # fmt: skip
    new = policy(approvals={"privacy": {"approvers": ["group:a"]}, "security": {"approvers": ["group:a"]}, "default": {"approvers": ["group:a"]}})  # fmt: skip
    assert turns(old, new) & OPENS
    assert read_pack("hipaa")


def test_what_may_loosen_fails_a_build_that_asks_for_it(tmp_path):
    for name, (before, after) in HIDDEN.items():
        for file, said in (("old.yaml", before), ("new.yaml", after)):
            (tmp_path / file).write_text(json.dumps({**HEAD, **said}))
        answer = run("diff", tmp_path / "old.yaml", tmp_path / "new.yaml", "--fail-on", "loosen")
        assert answer.exit_code == 1, name


# --- tools that would be policy, or write on a terminal

EVIL = ["\x1b[2J\x1b[1;1Hall is well", "find\r\nOK 0 errors", "\u202egnihton", "a\x07b", "\x9b31m"]


@pytest.mark.parametrize("text", EVIL)
@pytest.mark.parametrize("where", ["name", "description", "argument", "source"])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_hostile_tool_list_writes_nothing_on_a_terminal_but_text(tmp_path, text, where, form):
    tool = {
        "name": "find",
        "description": "Finds.",
        "source": "mcp:x",
        "input_schema": {"type": "object", "properties": {}},
    }
    if where == "argument":
        tool["input_schema"]["properties"][text] = {"type": "string", "description": text}
    else:
        tool[where] = text
    (tmp_path / "tools.json").write_text(json.dumps([tool]))
    answer = run("scan", tmp_path / "tools.json", *form)
    assert not any(c != "\n" and not c.isprintable() for c in answer.output)


@pytest.mark.parametrize("text", EVIL)
def test_nor_does_a_hostile_policy_or_case(tmp_path, text):
    said = json.dumps(text)
    policy_file, cases = tmp_path / "p.yaml", tmp_path / "p.cases.yaml"
    policy_file.write_text(
        json.dumps(
            {**HEAD, "tools": {text: {}}, "rules": [rule("deny", {"tool": text}, id="r", when="args.x")], "x": text}
        )
    )
    cases.write_text(
        f"apiVersion: toolguard/v1\nkind: PolicyCases\npolicy: p.yaml\ncases: [{{name: {said}, tool: {said}, expect: {{effect: {said}}}}}]\n"
    )
    for words in (
        ["check", policy_file],
        ["lint", policy_file],
        ["test", policy_file],
        ["diff", policy_file, policy_file],
    ):
        answer = run(*words)
        assert answer.exit_code
        assert not any(c != "\n" and not c.isprintable() for c in answer.output), words


REACHES = {
    "a file elsewhere": "../../../../etc/passwd",
    "an absolute path": "/etc/passwd",
    "an address": "https://evil.example/p.yaml",
    "a pack that is a path": "pack:../../../../etc/passwd",
    "a device": "/dev/zero",
    "nothing": "",
}


@pytest.mark.parametrize("name", REACHES)
def test_a_hostile_case_file_shows_nothing_of_what_it_points_at(tmp_path, name):
    (tmp_path / "p.cases.yaml").write_text(
        f"apiVersion: toolguard/v1\nkind: PolicyCases\npolicy: {json.dumps(REACHES[name])}\ncases: [{{name: a, tool: t, expect: {{effect: deny}}}}]\n"
    )
    answer = run("test", tmp_path / "p.cases.yaml")
    assert answer.exit_code
    assert "root:" not in answer.output
