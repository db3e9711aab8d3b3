"""What a change of a policy means: every kind of change, and which way it goes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from policytools.made import APPROVALS, make
from policytools.support import HEAD, run, write

OLD = """\
mode: enforce
defaults: {unknown_tool: deny, by_risk: {high: require_approval}, per_run: 10}
approvals:
  default: {approvers: ["group:office"], quorum: 2, expires: 1h, step_up: true, budget: 5}
  other: {approvers: ["group:office"], expires: 1h}
tools:
  find: {source: "ward:*", risk: high, trusted_for: [PERSON], args: {note: mask}, decisive: [to], category: [read]}
  mail: {results: pass}
masking: {allow: [Fenwick], deny: {Heron: PROJECT}}
rules:
  - {id: no, because: No., effect: deny, match: {tool: "find*", role: clerk}, when: args.n > 5}
  - {id: ask, because: Ask., effect: require_approval, match: {tool: mail}, max_result_chars: 100}
  - {id: yes, because: Yes., effect: allow, match: {tool: [mail, find]}}
  - {id: try, because: Try., effect: deny, shadow: true}
"""
LOOSE, MAYBE, TIGHT, NONE = "loosens", "may loosen", "tightens", "neither"
CHANGES = [
    # before, after, the part and name, the field, which way
    ("mode: enforce", "mode: shadow", "policy mode", "", LOOSE),
    ("unknown_tool: deny", "unknown_tool: require_approval", "default unknown_tool", "", LOOSE),
    ("{high: require_approval}", "{high: deny}", "default by_risk", "", TIGHT),
    ("{high: require_approval}", "{high: allow}", "default by_risk", "", LOOSE),
    ("per_run: 10", "per_run: 20", "default per_run", "", LOOSE),
    ('default: {approvers: ["group:office"]', 'default: {approvers: ["group:office", "person:eve"]', "approval default", "approvers", LOOSE),
    ('default: {approvers: ["group:office"]', 'default: {approvers: ["group:board"]', "approval default", "approvers", MAYBE),
    ("quorum: 2", "quorum: 1", "approval default", "quorum", LOOSE),
    ("quorum: 2", "quorum: 3", "approval default", "quorum", TIGHT),
    ("quorum: 2, expires: 1h", "quorum: 2, expires: 8h", "approval default", "expires", LOOSE),
    ("step_up: true, ", "", "approval default", "step_up", LOOSE),
    ("budget: 5", "budget: 0", "approval default", "budget", LOOSE),
    ("budget: 5", "budget: 3", "approval default", "budget", TIGHT),
    ("budget: 5", "budget: 5, channel: teams", "approval default", "channel", NONE),
    ("budget: 5", "budget: 5, break_glass: person:eve", "approval default", "break_glass", LOOSE),
    ("budget: 5", "budget: 5, standing: {for: 1d, uses: 3}", "approval default", "standing", LOOSE),
    ("trusted_for: [PERSON]", "trusted_for: [PERSON, MRN]", "tool find", "trusted_for", LOOSE),
    ("trusted_for: [PERSON]", "trusted_for: []", "tool find", "trusted_for", TIGHT),
    ('source: "ward:*", ', "", "tool find", "source", LOOSE),
    ('"ward:*"', '"ward:ehr"', "tool find", "source", TIGHT),
    ('"ward:*"', '"*"', "tool find", "source", LOOSE),
    ("risk: high", "risk: low", "tool find", "risk", LOOSE),
    ("{note: mask}", "{note: unmask}", "tool find", "args", LOOSE),
    ("decisive: [to]", "decisive: [to, cc]", "tool find", "decisive", TIGHT),
    ("mail: {results: pass}", "mail: {results: mask}", "tool mail", "results", TIGHT),
    ("  mail: {results: pass}", "  mail: {results: pass}\n  new: {}", "tool new", "", LOOSE),
    ("  mail: {results: pass}\n", "", "tool mail", "", TIGHT),
    ("allow: [Fenwick]", "allow: [Fenwick, Kestrel]", "masking allow", "", LOOSE),
    ("deny: {Heron: PROJECT}", "deny: {}", "masking deny", "", LOOSE),
    ("id: no, because: No., effect: deny", "id: no, because: No., effect: mask", "rule no", "effect", LOOSE),
    ("role: clerk", "role: [clerk, nurse]", "rule no", "match", TIGHT),
    ('"find*", role: clerk', '"find", role: clerk', "rule no", "match", LOOSE),
    ("role: clerk", "role: nurse", "rule no", "match", MAYBE),
    (", when: args.n > 5", "", "rule no", "when", TIGHT),
    ("args.n > 5", "args.n > 50", "rule no", "when", LOOSE),
    ("args.n > 5", "args.n > 4", "rule no", "when", TIGHT),
    ("args.n > 5", "args.n > 5 && hour > 3", "rule no", "when", LOOSE),
    ("args.n > 5", "args.n > 5 || hour > 3", "rule no", "when", TIGHT),
    ("args.n > 5", "args.m > 5", "rule no", "when", MAYBE),
    ("role: clerk", "role: clerk, time: {hours: '08:00-18:00'}", "rule no", "match", LOOSE),
    ("args.n > 5", "args.n > 5, shadow: true", "rule no", "shadow", LOOSE),
    ("args.n > 5", "args.n > 5, on_error: deny", "rule no", "on_error", TIGHT),
    ("max_result_chars: 100", "max_result_chars: 50", "rule ask", "max_result_chars", TIGHT),
    (", max_result_chars: 100", "", "rule ask", "max_result_chars", LOOSE),
    ("match: {tool: mail}, max", "match: {tool: mail}, approval: other, max", "rule ask", "approval", MAYBE),
    ("because: Ask.", "because: Ask the office.", "rule ask", "because", NONE),
    ("tool: [mail, find]", "tool: mail", "rule yes", "match", TIGHT),
    ("tool: [mail, find]", "tool: '*'", "rule yes", "match", LOOSE),
    ("  - {id: yes, because: Yes., effect: allow, match: {tool: [mail, find]}}\n", "", "rule yes", "", TIGHT),
    ("  - {id: ask, because: Ask., effect: require_approval, match: {tool: mail}, max_result_chars: 100}\n", "", "rule ask", "", LOOSE),
    ("shadow: true}\n", "shadow: true}\n  - {id: more, because: M., effect: deny}\n", "rule more", "", TIGHT),
    ("shadow: true}\n", "shadow: true}\n  - {id: more, because: M., effect: allow}\n", "rule more", "", LOOSE),
    ("shadow: true}\n", "shadow: true}\n  - {id: more, because: M., effect: deny, shadow: true}\n", "rule more", "", NONE),
    ("effect: deny, shadow: true", "effect: deny", "rule try", "shadow", TIGHT),
    ("effect: deny, shadow: true", "effect: allow, shadow: true", "rule try", "effect", NONE),
]  # fmt: skip


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return write(tmp_path, "old.yaml", HEAD + OLD)


@pytest.mark.parametrize(
    ("before", "after", "what", "field", "turn"), CHANGES, ids=[f"{b}>{a}" for b, a, *_ in CHANGES]
)
def test_a_change_is_told_with_which_way_it_goes(
    tmp_path: Path, old: Path, before: str, after: str, what: str, field: str, turn: str
) -> None:
    assert OLD.count(before) == 1
    new = write(tmp_path, "new.yaml", HEAD + OLD.replace(before, after))
    found = json.loads(run("diff", old, new, "--json").stdout)["changes"]
    assert [(f"{c['part']} {c['name']}", c["field"], c["turn"]) for c in found] == [(what, field, turn)]


def test_order_and_layout_are_no_change(tmp_path: Path, old: Path) -> None:
    head, _, rules = OLD.partition("rules:\n")
    turned = "".join(reversed(rules.splitlines(keepends=True)))
    new = write(tmp_path, "new.yaml", HEAD + "# later\n" + head + "rules:\n" + turned)
    said = run("diff", old, new, "--fail-on", "change")
    assert said.exit_code == 0
    assert "the two policies say the same" in said.output


@pytest.mark.parametrize(
    ("before", "after", "fail_on", "code"),
    [
        ("quorum: 2", "quorum: 1", "loosen", 1),
        ("quorum: 2", "quorum: 3", "loosen", 0),
        ("quorum: 2", "quorum: 3", "change", 1),
        ("args.n > 5", "args.m > 5", "loosen", 1),
        ("quorum: 2", "quorum: 1", "none", 0),
    ],
)
def test_what_fails_is_the_users_to_say(
    tmp_path: Path, old: Path, before: str, after: str, fail_on: str, code: int
) -> None:
    new = write(tmp_path, "new.yaml", HEAD + OLD.replace(before, after))
    assert run("diff", old, new, "--fail-on", fail_on).exit_code == code


def test_what_loosens_stands_first(tmp_path: Path, old: Path) -> None:
    text = OLD.replace("quorum: 2", "quorum: 3").replace("risk: high", "risk: low").replace("args.n > 5", "args.m > 5")
    lines = run("diff", old, write(tmp_path, "new.yaml", HEAD + text)).output.splitlines()
    assert [line[:11].strip() for line in lines] == [LOOSE, MAYBE, TIGHT]
    assert lines[0].endswith("tool find, risk: high → low")


def test_with_a_store_the_calls_it_concerns_are_counted(tmp_path: Path) -> None:
    text = APPROVALS + (
        "tools: {find_patient: {risk: low}, send_letter: {risk: medium}}\n"
        "rules:\n  - {id: office, because: Ask., effect: require_approval, match: {tool: send_letter}}\n"
    )
    calls = [("send_letter", {"template": "visit"})] * 3 + [("find_patient", {})]
    url = make(tmp_path, text, calls)
    old = write(tmp_path, "a.yaml", HEAD + text)
    new = write(tmp_path, "b.yaml", HEAD + text.replace("effect: require_approval", "effect: mask"))
    said = run("diff", old, new, "--store", url)
    assert "loosens     rule office, effect: require_approval → mask  (matched 3 calls)" in said.output
    assert "require_approval → mask: 3 calls" in said.output
    assert "of 4 recorded calls, 4 can be replayed" in said.output
    told = json.loads(run("diff", old, new, "--store", url, "--json").stdout)
    assert told["changes"][0]["matched"] == 3
    assert told["calls"]["changed"] == [{"before": "require_approval", "after": "mask", "calls": 3}]


def test_a_policy_that_does_not_load_ends_in_3(tmp_path: Path, old: Path) -> None:
    assert run("diff", old, tmp_path / "gone.yaml").exit_code == 3
    assert run("diff", old, write(tmp_path, "bad.yaml", HEAD + "rulez: []")).exit_code == 3
