"""What a replay says of a call is what the guard would say to it: held against calls judged with their arguments."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from policytools.made import APPROVALS, HEAD, TOOLS, make
from toolguard import Caller
from toolguard.bound import from_function
from toolguard.config import ANALYSES
from toolguard.policyfile import load_policy
from toolguard.policytools.judging import Call, Judge
from toolguard.policytools.recorded import Recorded, decisions
from toolguard.policytools.replay import Replay
from toolguard.stores import open_store

CALLS = [
    ("find_patient", {"name": "", "limit": 1}),
    ("find_patient", {"name": "Mary Smith", "limit": 60}),
    ("find_patient", {"name": "x", "limit": 200}),
    ("send_letter", {"template": "visit", "body": "come"}),
    ("send_letter", {"template": "visit", "body": "Mary Smith, SSN 123-45-6789"}),
    ("delete_chart", {"chart": "7"}),
]
CONDITIONS = [
    "",
    "when: has(args.limit) && args.limit > 50",
    "when: has(args.limit) && args.limit > 100",
    "when: args.limit > 100",
    "when: 'args.limit > 100 || hour < 6'",
    "when: phi(args).size() > 0",
    "when: reveals(args).size() > 0",
    "when: 'mentions(args, \"visit\")'",
    "when: 'risk.rank >= 3'",
    "when: hour == 12",
    "when: 'caller.agent == \"ward-bot\" && has(args.body)'",
    "when: tool.startsWith('send')",
]
MATCHES = ["{}", "{tool: find_patient}", "{tool: 'send_*'}", "{role: nurse}", "{role: clerk}", "{category: destructive}",
           "{category: [read, privilege]}", "{min_risk: high}", "{data: SSN}", "{time: {hours: '08:00-18:00'}}"]  # fmt: skip
EFFECTS = ["allow", "mask", "require_approval", "require_approval, approval: other", "deny"]
RISKS = ["{}", "{risk: low}", "{risk: medium}", "{risk: high}", "{risk: low, category: privilege}"]
ERRORS = ["", "", "on_error: deny", "on_error: mask"]


PARTS = {"effect": EFFECTS, "match": MATCHES, "when": CONDITIONS, "on_error": ERRORS}


def some_policy(chance: random.Random) -> dict[str, dict[str, str]]:
    """Tools and rules, by name: each the words that are written of it."""
    tools = {name: {"risk": chance.choice(RISKS)} for name in TOOLS if chance.random() < 0.9}
    rules = {
        f"r{n}": {part: chance.choice(words) for part, words in PARTS.items()} for n in range(chance.randint(0, 4))
    }
    return {**tools, **rules}


def changed(policy: dict[str, dict[str, str]], chance: random.Random) -> dict[str, dict[str, str]]:
    """The policy with one or two words of it otherwise."""
    new = {name: dict(words) for name, words in policy.items()}
    for _ in range(chance.randint(1, 2)):
        words = new[chance.choice(list(new))] if new else {}
        if "risk" in words:
            words["risk"] = chance.choice(RISKS)
        elif words:
            part = chance.choice(list(PARTS))
            words[part] = chance.choice(PARTS[part])
    return new


def written(policy: dict[str, dict[str, str]]) -> str:
    tools = "".join(f"  {name}: {words['risk']}\n" for name, words in policy.items() if "risk" in words)
    rules = ""
    for name, words in policy.items():
        if "risk" not in words:
            parts = (f"effect: {words['effect']}", f"match: {words['match']}", words["when"], words["on_error"])
            rules += f"  - {{id: {name}, because: So., {', '.join(p for p in parts if p)}}}\n"
    return APPROVALS + f"tools:\n  other: {{}}\n{tools}" + (f"rules:\n{rules}" if rules else "")


@pytest.mark.parametrize("seed", range(4))
def test_what_is_replayed_is_what_would_be_decided(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    old = some_policy(chance)
    text = written(old)
    store = open_store(make(tmp_path, text, CALLS), read_only=True)
    records = list(decisions(store, 0.0))
    store.close()
    assert len(records) == len(CALLS)
    base = load_policy(HEAD + text, functions=ANALYSES)
    caller = Caller.of("ada", agent="ward-bot", tenant="general", roles={"nurse"})
    tools = {name: from_function(f).tool for name, f in TOOLS.items()}
    told = 0
    for _ in range(8):
        new = load_policy(HEAD + written(changed(old, chance)), functions=ANALYSES)
        with Judge(new) as judge:
            for replay in (Replay(new), Replay(new, base=base)):
                for (name, args), record in zip(CALLS, records, strict=True):
                    assert isinstance(record, Recorded)
                    said = replay.answer(record)
                    if said.after is None:
                        assert said.why
                        continue
                    told += 1
                    call = Call(tool=tools[name], args=args, caller=caller, at=record.at + record.utc_offset)
                    answer = judge.judge(call)
                    assert (said.after.label, set(said.approvals)) == (answer.effect, set(answer.approvals)), (
                        name,
                        old,
                    )
    assert told > 20
