"""Standing approvals: a yes for calls like one is stretched to calls that are not like it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from toolguard import BoundTool, Caller, Suspended
from toolguard._core.approval import Answer, Approval, StandingTerms, Vary
from toolguard._core.call import Assurance, Tool
from toolguard._core.risk import Evidence, Risk, RiskClass, RiskLevel
from toolguard.authority import StandingView
from toolguard.errors import ApprovalError, DeniedError, ToolguardError
from toolguard.policyfile import load_policy
from toolguard.testing.desk import DIRECTORY, Desk
from toolguard.testing.fakes import FakeClock

HEAD = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: gates, version: 1, owner: privacy@general.example}
"""
POLICY = (
    HEAD
    + """\
approvals:
  default:
    approvers: ["group:privacy-office"]
    standing: {for: 8h, uses: 20}
    denial_memory: 15m
tools:
  send: {risk: high, decisive: [to, cc]}
  post: {risk: high}
"""
)
PEOPLE = (
    DIRECTORY.replace(
        "groups:\n",
        "  - {id: wu, name: Wu, identities: [{issuer: local, tenant: general, subject: wu}]}\n"
        "  - {id: sid, name: Sid, identities: [{issuer: local, tenant: general, subject: sid}]}\n"
        "  - {id: tess, name: Tess, identities: [{issuer: local, tenant: general, subject: tess}]}\n"
        "  - {id: bo, name: Bo, identities: [{issuer: local, tenant: general, subject: bo}]}\n"
        "groups:\n"
        "  - {name: emergency, tenant: general, members: [wu]}\n",
    ).replace("members: [ana, chen, okafor]", "members: [ana, chen, okafor, wu]")
    + """\
  - {name: other-agent, tenant: general, owners: [okafor]}
duties:
  - {tenant: general, freeze_all: ["person:sid", "person:tess"], freeze: ["person:sid", "person:tess"],
     review: ["person:lee"]}
"""
)
HOUR = 3600.0


def terms(*vary: Vary, uses: int = 20, seconds: float = HOUR, session_only: bool = False) -> StandingTerms:
    return StandingTerms(seconds=seconds, uses=uses, session_only=session_only, vary=vary)


class Gate:
    """A guard, a tool behind it that only remembers, the service, and people."""

    def __init__(self, folder: Path, policy: str = POLICY, *, people: str = PEOPLE, **desk: Any) -> None:
        self.desk = Desk(folder, directory=people, **desk)
        self.authority = self.desk.authority
        self.policy = load_policy(policy, name="gates")
        self.ran: list[Any] = []
        self.ana = replace(Caller.of("ana", agent="discharge-agent", tenant="general"), assurance=Assurance.VERIFIED)
        self.guard = self.desk.guard(self.policy)

    def calm(self, analyser: Any) -> None:
        """Let ``analyser`` say what every call does."""
        self.guard = self.desk.guard(self.policy, analyser=analyser)

    def tool(self, name: str = "send", schema: dict[str, Any] | None = None, **parts: Any) -> BoundTool:
        tool = Tool.describe(name, source="app", schema=schema)
        return BoundTool(tool=tool, invoke=lambda passed: self.ran.append(passed) or "ok", **parts)

    def session(self, caller: Caller | None = None, *, run: str = "r", policy: str | None = None, **more: Any) -> Any:
        guard = self.guard if policy is None else self.desk.guard(load_policy(policy, name="gates"))
        return guard.session(caller=caller or self.ana, run=run, **more)

    def ask(self, call_id: str, arguments: Any, tool: BoundTool | None = None, session: Any = None) -> str:
        with pytest.raises(Suspended) as waits:
            (session or self.session()).call(tool or self.tool(), arguments, call_id=call_id)
        return str(waits.value.approval_id)

    def say(self, answer: Answer, approval_id: str, by: str = "chen", **more: Any) -> Approval:
        stands = self.desk.read(approval_id)
        given = {
            "seen_call_digest": stands.request.call_digest,
            "seen_view_digest": stands.request.view_digest,
            "reason": "checked",
            "version": stands.version,
            **more,
        }
        return self.authority.decide(self.desk.human(by), approval_id, answer, **given)

    def let_stand(
        self,
        arguments: Any,
        given: StandingTerms,
        *,
        tool: BoundTool | None = None,
        session: Any = None,
        call_id: str = "first",
    ) -> StandingView:
        """A yes that stands; its own call is not made."""
        approval = self.ask(call_id, arguments, tool, session)
        self.say(Answer.APPROVE, approval, standing=given)
        (view,) = self.authority.standings(self.desk.human("chen"))
        return view

    def tries(self, arguments: Any, tool: BoundTool | None = None, session: Any = None, call_id: str = "x") -> bool:
        """Whether a call runs at once."""
        before = len(self.ran)
        try:
            (session or self.session()).call(tool or self.tool(), arguments, call_id=call_id)
        except ToolguardError:
            assert len(self.ran) == before
            return False
        return len(self.ran) == before + 1


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path, store="memory:")
    yield gate
    gate.desk.store.close()


ASKED = {"to": "a@x.example", "n": 1, "text": "hello", "deep": {"a": [1, {"b": None}]}}
CONFUSED: dict[str, dict[str, Any]] = {
    "a fixed one missing": {k: v for k, v in ASKED.items() if k != "text"},
    "null for text": {**ASKED, "text": None},
    "null for the number": {**ASKED, "n": None},
    "the number missing": {k: v for k, v in ASKED.items() if k != "n"},
    "one too many": {**ASKED, "extra": 1},
    "one too many, null": {**ASKED, "extra": None},
    "one too many, with an empty name": {**ASKED, "": 1},
    "one that looks like it": {**{k: v for k, v in ASKED.items() if k != "n"}, "ｎ": 1},
    "one that looks like it, as well": {**ASKED, "ո": 1},
    "a name with a zero width space": {**ASKED, "n\u200b": 1},
    "a numeric string": {**ASKED, "n": "1"},
    "full-width digits": {**ASKED, "n": "５"},
    "true": {**ASKED, "n": True},
    "false": {**ASKED, "n": False},
    "negative": {**ASKED, "n": -1},
    "a little negative": {**ASKED, "n": -1e-300},
    "above": {**ASKED, "n": 11},
    "just above": {**ASKED, "n": 10.000000000000002},
    "huge": {**ASKED, "n": 10**400},
    "NaN": {**ASKED, "n": float("nan")},
    "infinity": {**ASKED, "n": float("inf")},
    "minus infinity": {**ASKED, "n": float("-inf")},
    "a list of it": {**ASKED, "n": [1]},
    "an object of it": {**ASKED, "n": {"n": 1}},
    "deep: another type": {**ASKED, "deep": {"a": ["1", {"b": None}]}},
    "deep: one missing": {**ASKED, "deep": {"a": [1, {}]}},
    "deep: one more": {**ASKED, "deep": {"a": [1, {"b": None}], "c": 1}},
    "deep: a tagged look-alike": {**ASKED, "deep": {"a": [{"$int": "1"}, {"b": None}]}},
    "another case": {**ASKED, "text": "Hello"},
    "a combining form": {**ASKED, "text": "hell\u006f\u0301"},
    "a trailing blank": {**ASKED, "text": "hello "},
    "another recipient": {**ASKED, "to": "b@x.example"},
}


@pytest.mark.parametrize("arguments", CONFUSED.values(), ids=CONFUSED)
def test_no_other_arguments_pass_for_those_that_were_let_stand(gate: Gate, arguments: dict[str, Any]) -> None:
    gate.let_stand(ASKED, terms(Vary(argument="n", at_most=10.0)))
    assert not gate.tries(arguments)
    assert gate.tries({**ASKED, "n": 10}, call_id="like")


def test_a_positional_value_is_no_object_of_arguments(gate: Gate) -> None:
    gate.let_stand({"": 1}, terms(Vary(argument="")))
    for other in ([1, 2], "text", 7, None, ["a"]):
        assert not gate.tries(other)


OPEN: dict[str, tuple[dict[str, Any], StandingTerms]] = {
    "a decisive argument": (ASKED, terms(Vary(argument="to"))),
    "an argument there is not": (ASKED, terms(Vary(argument="cc"))),
    "one twice": (ASKED, terms(Vary(argument="n", at_most=1.0), Vary(argument="n"))),
    "a path into one": (ASKED, terms(Vary(argument="deep.a"))),
    "up to NaN": (ASKED, terms(Vary(argument="n", at_most=float("nan")))),
    "up to infinity": (ASKED, terms(Vary(argument="n", at_most=float("inf")))),
    "up to less than nothing": (ASKED, terms(Vary(argument="n", at_most=-1.0))),
    "for NaN seconds": (ASKED, terms(seconds=float("nan"))),
    "for ever": (ASKED, terms(seconds=float("inf"))),
    "until the past": (ASKED, terms(seconds=-1.0)),
    "for no time": (ASKED, terms(seconds=0.0)),
    "no uses": (ASKED, terms(uses=0)),
    "fewer than no uses": (ASKED, terms(uses=-1)),
    "more uses than there may be": (ASKED, terms(uses=21)),
}


@pytest.mark.parametrize(("arguments", "given"), OPEN.values(), ids=OPEN)
def test_what_may_not_be_left_open_is_not(gate: Gate, arguments: dict[str, Any], given: StandingTerms) -> None:
    approval = gate.ask("first", arguments)
    with pytest.raises(ApprovalError):
        gate.say(Answer.APPROVE, approval, standing=given)
    assert gate.authority.standings(gate.desk.human("chen")) == ()


def test_a_decisive_argument_inside_one_that_may_vary_is_not_left_open(tmp_path: Path) -> None:
    gate = Gate(tmp_path, POLICY.replace("decisive: [to, cc]", "decisive: [mail.to]"), store="memory:")
    approval = gate.ask("first", {"mail": {"to": "a@x.example"}})
    with pytest.raises(ApprovalError):
        gate.say(Answer.APPROVE, approval, standing=terms(Vary(argument="mail")))


EMPTY: dict[str, tuple[str, dict[str, Any], str]] = {
    "null": ("cc", {**ASKED, "cc": None}, "cc"),
    "null inside an object": ("mail.to", {"mail": {"to": None}}, "mail"),
    "not in the object yet": ("mail.to", {"mail": {}}, "mail"),
}


@pytest.mark.parametrize(("decisive", "arguments", "left_open"), EMPTY.values(), ids=EMPTY)
def test_a_decisive_argument_that_held_nothing_when_asked_is_not_left_open(
    tmp_path: Path, decisive: str, arguments: dict[str, Any], left_open: str
) -> None:
    gate = Gate(tmp_path, POLICY.replace("decisive: [to, cc]", f"decisive: [{decisive}]"), store="memory:")
    approval = gate.ask("first", arguments)
    gate.say(Answer.APPROVE, approval, standing=terms(Vary(argument=left_open)))
    filled = "evil@x.example" if left_open == "cc" else {"to": "evil@x.example"}
    assert not gate.tries({**arguments, left_open: filled})


def test_a_default_the_schema_fills_in_is_one_of_the_arguments(gate: Gate) -> None:
    """What the tool would get is compared, not what was written: a default that changed is another call."""

    def bound(to: str) -> BoundTool:
        return gate.tool(validate=lambda data: {"to": to, **data})

    gate.let_stand({"n": 1}, terms(Vary(argument="n", at_most=10.0)), tool=bound("a@x.example"))
    assert gate.tries({"n": 2}, bound("a@x.example"), call_id="same")
    assert not gate.tries({"n": 2}, bound("evil@x.example"), call_id="other")
    assert not gate.tries({"n": 2, "to": "evil@x.example"}, bound("a@x.example"), call_id="written")


# --- whose, and by what


def bo(gate: Gate) -> Caller:
    return Caller.of("bo", agent="discharge-agent", tenant="general")


ELSEWHERE: dict[str, Callable[[Gate], dict[str, Any]]] = {
    "another person": lambda g: {"session": g.session(bo(g))},
    "another agent": lambda g: {"session": g.session(replace(g.ana, agent="other-agent"))},
    "the agent in another case": lambda g: {"session": g.session(replace(g.ana, agent="Discharge-Agent"))},
    "another tenant": lambda g: {"session": g.session(replace(g.ana, tenant="other"))},
    "asked for by somebody who let it stand": lambda g: {
        "session": g.session(replace(g.ana, on_behalf_of=g.desk.human("chen").identity))
    },
    "another tool": lambda g: {"tool": g.tool("post")},
    "a tool of that name from elsewhere": lambda g: {
        "tool": BoundTool(tool=Tool.describe("send", source="evil"), invoke=g.ran.append)
    },
    "a tool of that name that says something else": lambda g: {
        "tool": BoundTool(tool=Tool.describe("send", source="app", description="x"), invoke=g.ran.append)
    },
    "a policy with other approvers": lambda g: {
        "session": g.session(policy=POLICY.replace("group:privacy-office", "group:emergency"))
    },
    "a policy with a larger quorum": lambda g: {
        "session": g.session(policy=POLICY.replace("standing:", "quorum: 2\n    standing:"))
    },
    "a policy that lets nothing stand": lambda g: {
        "session": g.session(policy=POLICY.replace("    standing: {for: 8h, uses: 20}\n", ""))
    },
    "a policy that calls it critical": lambda g: {
        "session": g.session(policy=POLICY.replace("send: {risk: high", "send: {risk: critical"))
    },
}


@pytest.mark.parametrize("how", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_yes_that_stands_is_no_yes_elsewhere(gate: Gate, how: Callable[[Gate], dict[str, Any]]) -> None:
    gate.let_stand(ASKED, terms())
    assert not gate.tries(ASKED, **how(gate))
    assert gate.tries(ASKED, call_id="like")


def test_who_let_it_stand_and_owns_the_agent_since_lets_nothing_run(gate: Gate) -> None:
    gate.let_stand(ASKED, terms())
    gate.desk.directory_file.write_text(PEOPLE.replace("owners: [okafor]", "owners: [okafor, chen]"), "utf-8")
    assert not gate.tries(ASKED)


def test_for_one_session_means_that_session_in_whatever_process(gate: Gate) -> None:
    first = gate.session(id="s1")
    gate.let_stand(ASKED, terms(session_only=True), session=first)
    again = gate.desk.guard(gate.policy)
    assert not gate.tries(ASKED, session=again.session(caller=gate.ana, run="r", id="s2"), call_id="a")
    assert not gate.tries(ASKED, session=again.session(caller=gate.ana, run="r"), call_id="b")
    assert not gate.tries(ASKED, session=again.session(caller=gate.ana, run="r", id="S1"), call_id="c")
    assert gate.tries(ASKED, session=again.session(caller=gate.ana, run="q", id="s1"), call_id="d")


VERIFIED = POLICY.replace("    standing:", "    verified_requester: true\n    standing:")


def test_t2_a_yes_to_a_verified_requester_does_not_stand_for_one_who_is_only_named(tmp_path: Path) -> None:
    gate = Gate(tmp_path, VERIFIED, store="memory:")
    gate.let_stand(ASKED, terms())
    named = Caller.of("ana", agent="discharge-agent", tenant="general")
    assert not gate.tries(ASKED, session=gate.session(named))
    assert gate.tries(ASKED, call_id="like")


def test_t2_who_is_only_named_does_not_pick_up_what_a_verified_requester_was_allowed(tmp_path: Path) -> None:
    gate = Gate(tmp_path, VERIFIED, store="memory:")
    gate.say(Answer.APPROVE, gate.ask("c", ASKED))
    named = Caller.of("ana", agent="discharge-agent", tenant="general")
    assert not gate.tries(ASKED, session=gate.session(named), call_id="c")
    assert gate.tries(ASKED, call_id="c")


# --- what it may do


class Reads:
    """An analyser that reads the class out of an argument: as one of SQL or shell does, from `SELECT` to `DROP`."""

    static = Risk(risk_class=RiskClass.READ, level=RiskLevel.HIGH)

    def tool(self, tool: Tool) -> Reads:
        return self

    def analyse(self, data: Any) -> tuple[Risk, tuple[Evidence, ...]]:
        found = Evidence(source="args.sql", risk_class=RiskClass(data["sql"]), level=RiskLevel.HIGH, text="It says so.")
        return Risk(risk_class=found.risk_class, level=found.level, evidence=(found,)), (found,)


def test_a_yes_to_reading_does_not_stand_for_deleting(tmp_path: Path) -> None:
    """The argument may be anything: what it does may not."""
    gate = Gate(tmp_path, POLICY.replace("post: {risk: high}", "post: {}"), store="memory:")
    gate.calm(Reads())
    post = gate.tool("post")
    gate.let_stand({"sql": "read", "why": "a"}, terms(Vary(argument="sql"), Vary(argument="why")), tool=post)
    assert gate.tries({"sql": "read", "why": "b"}, post, call_id="like")
    for worse in ("destructive", "exfiltration", "privilege", "financial"):
        assert not gate.tries({"sql": worse, "why": "b"}, post, call_id=worse)


RULES = """\
rules:
  - {id: mail, because: Mail leaves., match: {tool: [post]}, effect: require_approval}
  - {id: abroad, because: It leaves the country., match: {tool: [post]}, when: 'args.text.contains("abroad")',
     effect: require_approval}
"""


def test_a_yes_under_one_rule_does_not_stand_for_what_another_rule_asks(tmp_path: Path) -> None:
    """Both rules ask the same people, about something else."""
    gate = Gate(tmp_path, POLICY + RULES, store="memory:")
    post = gate.tool("post")
    gate.let_stand({"text": "home"}, terms(Vary(argument="text")), tool=post)
    assert gate.tries({"text": "here"}, post, call_id="like")
    assert not gate.tries({"text": "abroad"}, post, call_id="other")


def test_t22_a_no_holds_against_a_yes_that_stands(gate: Gate) -> None:
    """Somebody lets calls stand, and somebody else says no to this very one."""
    other = gate.ask("before", ASKED)
    gate.let_stand(ASKED, terms())
    gate.say(Answer.DENY, other, by="wu")
    assert not gate.tries(ASKED)


# --- how often, and how long


def test_sixteen_at_once_use_what_there_is_and_no_more(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    gate.let_stand(ASKED, terms(uses=5))
    start, outcomes = threading.Barrier(16), []

    def use(n: int) -> None:
        session = gate.desk.guard(gate.policy).session(caller=gate.ana, run="r")
        start.wait()
        try:
            outcomes.append(session.call(gate.tool(), ASKED, call_id=f"many-{n}"))
        except (Suspended, DeniedError) as refused:
            outcomes.append(refused.code)

    threads = [threading.Thread(target=use, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 16
    assert outcomes.count("ok") == len(gate.ran) == 5
    gate.desk.store.close()


def test_ending_it_while_it_is_used_leaves_no_use_after_the_end(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    view = gate.let_stand(ASKED, terms())
    stop, late = threading.Event(), []

    def use(worker: int) -> None:
        session = gate.desk.guard(gate.policy).session(caller=gate.ana, run="r")
        for n in range(6):
            ended = stop.is_set()
            try:
                session.call(gate.tool(), ASKED, call_id=f"{worker}-{n}")
            except ToolguardError:
                continue
            if ended:
                late.append(n)

    threads = [threading.Thread(target=use, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    gate.authority.end_standing(gate.desk.human("wu"), view.standing.id, reason="enough")
    stop.set()
    for thread in threads:
        thread.join()
    assert late == []
    assert not gate.tries(ASKED)
    gate.desk.store.close()


def test_ending_it_between_the_halves_of_a_call_stops_the_call(gate: Gate) -> None:
    view = gate.let_stand(ASKED, terms())
    session, tool = gate.session(), gate.tool()
    permit = session.authorise(tool, ASKED, ref=session.ref("c"))
    gate.authority.end_standing(gate.desk.human("wu"), view.standing.id, reason="enough")
    with pytest.raises(ToolguardError):
        session.execute(tool, permit)
    assert gate.ran == []


@pytest.mark.parametrize("how", ["veto", "revoke"])
def test_it_falls_with_the_yes_it_came_of(gate: Gate, how: str) -> None:
    approval = gate.let_stand(ASKED, terms()).standing.approval
    if how == "veto":
        gate.say(Answer.DENY, approval, by="wu", version=None)
    else:
        gate.authority.revoke(gate.desk.human("wu"), approval, reason="no")
    assert not gate.tries(ASKED)


@pytest.mark.parametrize("jump", [-HOUR, -1.0, HOUR, 2 * HOUR, 86400.0])
def test_no_jump_of_the_clock_makes_it_longer(tmp_path: Path, jump: float) -> None:
    clock = FakeClock()
    gate = Gate(tmp_path, clock=clock)
    gate.let_stand(ASKED, terms())
    clock.advance(HOUR)
    assert not gate.tries(ASKED, call_id="a")
    clock.advance(jump)
    assert not gate.tries(ASKED, call_id="b")
    gate.desk.store.close()


def test_a_store_taken_back_into_use_brings_no_standing_approval_with_it(gate: Gate) -> None:
    """A backup forgets uses and ends: what stood in it may have been used up or ended since."""
    gate.let_stand(ASKED, terms())
    gate.authority.accept_restored(gate.desk.human("sid"), reason="disk failed")
    assert not gate.tries(ASKED)
    assert gate.authority.standings(gate.desk.human("chen")) == ()
    gate.let_stand(ASKED, terms(), call_id="anew")
    assert gate.tries(ASKED, call_id="like")
