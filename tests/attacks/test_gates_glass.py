"""Broken glass and freezes: what a person opens or closes for all that follows, and calls that slip through."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attacks.test_gates_standing import ASKED, HEAD, POLICY, Gate, terms
from toolguard import BoundTool
from toolguard._core.approval import Answer, Assured, State
from toolguard._core.call import Assurance, Tool
from toolguard._core.risk import Evidence, Risk, RiskClass, RiskLevel
from toolguard.errors import ApprovalError, DeniedError, ToolguardError

GLASS = (
    HEAD
    + """\
defaults: {by_risk: {low: allow, critical: require_approval}}
approvals:
  default: {approvers: ["group:privacy-office"], break_glass: ["group:emergency"], denial_memory: 0}
  none: {approvers: ["group:privacy-office"], denial_memory: 0}
tools:
  chart: {risk: high, category: [read], subject: patient}
  notes: {category: [write], risk: high, subject: patient}
  nested: {risk: high, category: [read], subject: who.id}
  nobody: {risk: high, category: [read]}
  quiet: {risk: low, category: [read]}
rules:
  - {id: worst, because: It is the worst., match: {tool: notes}, when: 'args.text == "worst"',
     effect: require_approval, approval: none}
"""
)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path, GLASS, store="memory:")
    gate.calm(Kind())
    yield gate
    gate.desk.store.close()


class Kind:
    """An analyser that reads the class out of the argument `does`."""

    static = Risk(risk_class=RiskClass.READ, level=RiskLevel.HIGH)

    def tool(self, tool: Tool) -> Kind:
        return self

    def analyse(self, data: Any) -> tuple[Risk, tuple[Evidence, ...]]:
        does = data.get("does")
        if does is None:
            return self.static, ()
        level = RiskLevel.CRITICAL if does == "worse" else RiskLevel.HIGH
        kind = RiskClass.READ if does == "worse" else RiskClass(does)
        found = Evidence(source="args.sql", risk_class=kind, level=level, text="It says so.")
        return Risk(risk_class=kind, level=level, evidence=(found,)), (found,)


def broken(gate: Gate, patient: Any = "7", tool: str = "chart") -> str:
    """The glass is broken for a patient; the call it was broken for has run."""
    bound = gate.tool(tool)
    arguments = {"who": {"id": patient}} if tool == "nested" else {"patient": patient}
    approval = gate.ask("emergency", arguments, bound)
    gate.authority.break_glass(gate.desk.human("wu", assured=Assured.STEPPED_UP), approval, reason="bleeding")
    assert gate.tries(arguments, bound, call_id="emergency")
    assert gate.tries({**arguments, "n": 1} if tool != "nested" else arguments, bound, call_id="like")
    return approval


SUBJECTS: dict[str, Any] = {
    "another": "8",
    "two of them": "7,8",
    "two with a bar": "7|8",
    "two with a blank": "7 8",
    "itself and a comma": "7,",
    "itself and a star": "7*",
    "itself and a per cent": "7%",
    "itself and a quote": "7'",
    "itself and a comment": "7--",
    "a path": "7/",
    "a path up": "../7",
    "itself and a blank": "7 ",
    "itself and a zero width space": "7\u200b",
    "full width": "７",
    "circled": "⑦",
    "superscript": "⁷",
    "roman": "Ⅶ",
    "arabic": "٧",
    "negative": "-7",
    "a plus": "+7",
    "leading zero": "07",
    "a point": "7.0",
    "a float": 7.0,
    "negative number": -7,
    "a list of it": ["7"],
    "a list of it and another": ["7", "8"],
    "an object": {"eq": "7"},
    "an operator": {"$ne": None},
    "true": True,
    "null": None,
    "nothing": "",
    "a blank": " ",
}


@pytest.mark.parametrize("patient", SUBJECTS.values(), ids=SUBJECTS)
def test_t16_broken_glass_is_for_the_one_patient_it_was_broken_for(gate: Gate, patient: Any) -> None:
    broken(gate)
    assert not gate.tries({"patient": patient}, gate.tool("chart"))


def test_t16_a_call_that_names_nobody_is_not_covered(gate: Gate) -> None:
    broken(gate)
    for arguments in ({}, {"Patient": "7"}, {"patients": "7"}, {"other": {"patient": "7"}}):
        assert not gate.tries(arguments, gate.tool("chart"))
    assert not gate.tries({"patient": "7"}, gate.tool("nobody"))


def test_t16_one_patient_twice_in_different_places_is_the_place_the_policy_names(gate: Gate) -> None:
    broken(gate, "7", "nested")
    for who in ({"id": "8"}, [{"id": "7"}], "7", {"id": {"id": "7"}}, {"ID": "7"}, {"id": ["7"]}):
        assert not gate.tries({"who": who}, gate.tool("nested"))


@pytest.mark.parametrize(
    "does", ["destructive", "exfiltration", "financial", "privilege", "communication", "code_execution"]
)
def test_t16_what_a_later_call_does_is_looked_at_then(gate: Gate, does: str) -> None:
    broken(gate)
    assert not gate.tries({"patient": "7", "does": does}, gate.tool("chart"))
    assert gate.tries({"patient": "7", "does": "write"}, gate.tool("chart"), call_id="write")


def test_t16_a_critical_call_is_not_covered_by_glass_that_was_broken_for_another(gate: Gate) -> None:
    broken(gate)
    assert not gate.tries({"patient": "7", "does": "worse"}, gate.tool("chart"))


def test_t16_a_rule_that_knows_no_emergency_is_not_covered(gate: Gate) -> None:
    broken(gate)
    assert gate.tries({"patient": "7", "text": "x"}, gate.tool("notes"), call_id="fine")
    assert not gate.tries({"patient": "7", "text": "worst"}, gate.tool("notes"))


WHO: dict[str, Callable[[Gate], Any]] = {
    "another agent of the same person": lambda g: replace(g.ana, agent="other-agent"),
    "another person": lambda g: replace(g.ana, person=g.desk.human("bo").identity),
    "who broke it": lambda g: replace(g.ana, person=g.desk.human("wu").identity),
    "who is only named": lambda g: replace(g.ana, assurance=Assurance.ASSERTED),
}


@pytest.mark.parametrize("who", WHO.values(), ids=WHO)
def test_t16_broken_glass_is_for_that_person_and_agent(gate: Gate, who: Callable[[Gate], Any]) -> None:
    broken(gate)
    assert not gate.tries({"patient": "7"}, gate.tool("chart"), session=gate.session(who(gate)))


def test_t16_a_policy_without_approvers_is_no_way_round(gate: Gate) -> None:
    broken(gate)
    bare = GLASS.partition("approvals:")[0] + "tools:\n  chart: {risk: high, category: [read], subject: patient}\n"
    from toolguard.policyfile import load_policy

    policy = replace(load_policy(GLASS, name="gates"), approvals={}, rules=())
    session = gate.desk.guard(policy, analyser=Kind()).session(caller=gate.ana, run="r")
    assert bare
    assert not gate.tries({"patient": "7"}, gate.tool("chart"), session=session)


def test_t16_who_is_only_named_does_not_take_up_the_very_call_either(gate: Gate) -> None:
    bound = gate.tool("chart")
    approval = gate.ask("c", {"patient": "7"}, bound)
    gate.authority.break_glass(gate.desk.human("wu", assured=Assured.STEPPED_UP), approval, reason="bleeding")
    named = gate.session(replace(gate.ana, assurance=Assurance.ASSERTED))
    assert not gate.tries({"patient": "7"}, bound, session=named, call_id="c")
    assert gate.tries({"patient": "7"}, bound, call_id="c")


def test_t16_nobody_reviews_what_they_did_by_any_of_their_names(gate: Gate) -> None:
    broken(gate)
    (review,) = gate.authority.reviews(gate.desk.human("lee"))
    badge = replace(gate.desk.human("ana"), identity=replace(gate.ana.person, issuer="badge", subject="7781"))
    for who in (gate.desk.human("wu"), gate.desk.human("ana"), badge, gate.desk.human("bo")):
        assert gate.authority.reviews(who) == ()
        with pytest.raises(ApprovalError):
            gate.authority.review(who, review.glass.id, finding="justified", reason="fine")


# --- freezes


def frozen(gate: Gate, agent: str | None = "discharge-agent", **more: Any) -> Any:
    return gate.authority.freeze(gate.desk.human("tess"), agent=agent, reason="stop", **more)


AGENTS = {
    "as it is": "discharge-agent",
    "in capitals": "DISCHARGE-AGENT",
    "with a capital": "Discharge-agent",
    "in full width": "ｄischarge-agent",
    "with a blank": " discharge-agent",
    "with a blank after": "discharge-agent ",
    "with a line break": "discharge-agent\n",
    "with a zero width space": "discharge\u200b-agent",
    "with a soft hyphen": "discharge-\u00adagent",
    "with another dash": "discharge\u2011agent",
}


@pytest.mark.parametrize("tool", ["quiet", "chart"])
@pytest.mark.parametrize("agent", AGENTS.values(), ids=AGENTS)
def test_t19_a_frozen_agent_is_frozen_however_it_writes_its_name(gate: Gate, agent: str, tool: str) -> None:
    frozen(gate)
    session = gate.session(replace(gate.ana, agent=agent))
    with pytest.raises(DeniedError) as no:
        session.call(gate.tool(tool), {"patient": "7"}, call_id="c")
    assert no.value.code == "frozen"
    assert gate.tries({}, gate.tool("quiet"), session=gate.session(replace(gate.ana, agent="other-agent")))


@pytest.mark.parametrize("agent", [a for a in AGENTS.values() if a.strip()], ids=AGENTS)
def test_t19_and_however_it_is_written_in_the_freeze(gate: Gate, agent: str) -> None:
    frozen(gate, agent)
    assert not gate.tries({}, gate.tool("quiet"))


def test_t19_allowed_calls_stop_as_well_and_those_that_were_permitted_already(gate: Gate) -> None:
    session, tool = gate.session(), gate.tool("quiet")
    permit = session.authorise(tool, {}, ref=session.ref("c"))
    frozen(gate)
    with pytest.raises(DeniedError):
        session.execute(tool, permit)
    with pytest.raises(DeniedError):
        session.call(tool, {}, call_id="d")
    other = gate.desk.guard(gate.policy).session(caller=gate.ana, run="r")
    with pytest.raises(DeniedError):
        other.call(tool, {}, call_id="e")
    with pytest.raises(DeniedError):
        session.reveal("<PERSON_1>", purpose="treatment")
    assert gate.ran == []


def test_t19_a_freeze_of_everyone_holds_in_every_tenant(gate: Gate) -> None:
    frozen(gate, None, everyone=True)
    for tenant in ("general", "other", "new"):
        session = gate.session(replace(gate.ana, tenant=tenant))
        with pytest.raises(DeniedError) as no:
            session.call(gate.tool("quiet"), {}, call_id=tenant)
        assert no.value.code == "frozen"


@pytest.mark.parametrize("tenant", ["*", " *", "* "])
def test_the_tenant_of_all_is_nobodys(gate: Gate, tenant: str) -> None:
    """A caller who says they are of every tenant freezes nobody, lifts nothing and runs nothing."""
    with pytest.raises(ToolguardError):
        gate.session(replace(gate.ana, tenant="*")).call(gate.tool("quiet"), {}, call_id="c")
    who = replace(gate.desk.human("tess"), identity=replace(gate.ana.person, tenant=tenant, subject="tess"))
    with pytest.raises(ToolguardError):
        gate.authority.freeze(who, agent="x", reason="stop")
    with pytest.raises(ToolguardError):
        gate.authority.unfreeze(who, frozen(gate, None, everyone=True).id, reason="go on")
    assert gate.ran == []


def test_a_directory_that_names_the_tenant_of_all_gives_nobody_its_powers(tmp_path: Path) -> None:
    from attacks.test_gates_standing import PEOPLE

    people = PEOPLE.replace(
        "identities: [{issuer: local, tenant: general, subject: bo}]",
        'identities: [{issuer: local, tenant: "*", subject: bo}]',
    ).replace("duties:\n", 'duties:\n  - {tenant: "*", freeze: ["person:bo"]}\n')
    try:
        gate = Gate(tmp_path, GLASS, people=people, store="memory:")
        bo = replace(gate.desk.human("bo"), identity=replace(gate.ana.person, tenant="*", subject="bo"))
        with pytest.raises(ToolguardError):
            gate.authority.freeze(bo, agent="discharge-agent", reason="mine")
    except ToolguardError:
        return
    assert gate.tries({}, gate.tool("quiet"))


def test_t19_a_freeze_while_the_tool_runs_lets_it_end_and_nothing_else_begin(gate: Gate) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(passed: Any) -> str:
        inside.set()
        assert go_on.wait(20)
        gate.ran.append(passed)
        return "ok"

    said: list[object] = []
    session = gate.session()
    running = threading.Thread(
        target=lambda: said.append(
            session.call(BoundTool(tool=Tool.describe("quiet", source="app"), invoke=slow), {}, call_id="slow")
        )
    )
    running.start()
    assert inside.wait(20)
    frozen(gate)
    assert not gate.tries({}, gate.tool("quiet"))
    go_on.set()
    running.join()
    assert said == ["ok"]


def test_t19_no_claim_is_made_after_a_freeze_returned(tmp_path: Path) -> None:
    gate = Gate(tmp_path, GLASS)
    stop, late = threading.Event(), []

    def work(n: int) -> None:
        session = gate.desk.guard(gate.policy).session(caller=gate.ana, run=f"r{n}")
        for i in range(8):
            held = stop.is_set()
            try:
                session.call(gate.tool("quiet"), {}, call_id=f"{i}")
            except DeniedError:
                continue
            late.extend([i] if held else [])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    frozen(gate)
    stop.set()
    for thread in threads:
        thread.join()
    assert late == []
    gate.desk.store.close()


def test_t19_who_waits_in_a_frozen_agent_is_not_approved_by_any_way(tmp_path: Path) -> None:
    gate = Gate(tmp_path, POLICY, store="memory:")
    approval = gate.ask("c", ASKED)
    gate.let_stand({**ASKED, "to": "b@x.example"}, terms(), call_id="s")
    freeze = frozen(gate)
    assert gate.desk.read(approval).state is State.INVALIDATED
    with pytest.raises(ApprovalError):
        gate.say(Answer.APPROVE, approval)
    assert not gate.tries({**ASKED, "to": "b@x.example"})
    with pytest.raises(ApprovalError):
        gate.authority.unfreeze(gate.desk.human("tess"), freeze.id, reason="it was me")
    gate.authority.unfreeze(gate.desk.human("sid"), freeze.id, reason="mended")
    assert not gate.tries(ASKED, call_id="c")
