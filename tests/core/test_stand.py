"""What stands: which calls a standing approval or broken glass lets run, and which it does not."""

from dataclasses import replace

import pytest

from core.test_flow import HIGH, PRIVACY, TOOL, Hand, setting
from toolguard._core.approval import StandingTerms, State, Vary
from toolguard._core.approver import StandingLimits
from toolguard._core.audit import Kind
from toolguard._core.call import Assurance, Caller, CallRef, Tool
from toolguard._core.flow import authorise, execute
from toolguard._core.flow.stand import arg_digests, rules_digest
from toolguard._core.policy import Policy, ToolRule
from toolguard._core.records import Scope
from toolguard._core.register import BreakGlass, Freeze, Register, Registers, StandingApproval
from toolguard._core.risk import Risk, RiskClass, RiskLevel
from toolguard.errors import DeniedError, InvalidatedError, LimitError, Suspended

KEY = b"k" * 32
ARGS = {"to": "ward", "amount": 10, "note": "hello"}
RULE = replace(PRIVACY, standing=StandingLimits(seconds=600.0, uses=5), break_glass=("group:emergency",))
READ = Risk(risk_class=RiskClass.READ, level=RiskLevel.HIGH)


def policy(rule=RULE, **tool):
    return Policy(
        id="p", version="1", sha256="s", tools=(ToolRule(pattern="export", **tool),), approvals={"default": rule}
    )


def the(risk=HIGH, rule=RULE, caller=None, session="s", tool=TOOL, **more):
    caller = caller or replace(Caller.of("ana", agent="agent", tenant="t"), assurance=Assurance.VERIFIED)
    scope = Scope.of(caller, session=session, digest_key=KEY, trace_id="0" * 32, parent_id="")
    chosen = policy(rule, **more.pop("tool_rule", {}))
    return setting(risk=risk, policy=chosen, plan=chosen.plan(tool), scope=scope, **more)


DIGESTS = arg_digests(KEY, ARGS)
STANDS = StandingApproval(
    id="act-1",
    approval="r1",
    person="ana",
    agent="agent",
    session="s",
    tool="export",
    tool_ref=TOOL.identity.ref,
    level=RiskLevel.HIGH,
    rules=rules_digest((RULE,)),
    classes=frozenset({HIGH.risk_class.value}),
    fixed={"to": DIGESTS["to"]},
    terms=StandingTerms(seconds=600.0, uses=2, vary=(Vary(argument="amount", at_most=20.0), Vary(argument="note"))),
    begins=900.0,
    expires=1500.0,
    approvers=("chen",),
)


class World(Hand):
    """A hand whose store counts uses."""

    def __init__(self, *, standing=(), glass=(), void=frozenset(), freezes=None, **more):
        super().__init__(**{"risk": HIGH, **more})
        register = Register(
            tenant="t",
            n=3,
            standing={x.id: x for x in standing},
            glass={x.id: x for x in glass},
            void=void,
            freezes=freezes or {},
        )
        self.registers = self.fresh = Registers(tenant=register, all=Register(tenant="*"))

    def do_Commit(self, step):
        use = step.change.use
        if use is not None and (self.used >= use.most or self.now >= use.until):
            raise LimitError("used up")
        answer = super().do_Commit(step)
        self.used += use is not None
        return answer


def call(world, args=None, where=None):
    where = where or the(risk=world.risk)
    permit = world.run(authorise(where, ARGS if args is None else args))
    return world.run(execute(where, permit, permit.passed))


def test_a_call_like_the_approved_one_runs_without_a_question_and_says_why():
    world = World(standing=(STANDS,))
    assert call(world).value == "ok"
    assert (world.used, world.approval) == (1, None)
    decided = world.records[0]
    assert decided.kind is Kind.CALL_DECIDED
    assert decided.body["toolguard.decision.reason_code"] == "standing_approval"
    assert decided.body["toolguard.act.id"] == "act-1"


ALIKE = {
    "the very call": ({}, True),
    "another note": ({"note": "something else"}, True),
    "a smaller amount": ({"amount": 0.5}, True),
    "the most that may": ({"amount": 20}, True),
    "more than may": ({"amount": 20.01}, False),
    "less than nothing": ({"amount": -1}, False),
    "an amount as text": ({"amount": "10"}, False),
    "an amount that is true": ({"amount": True}, False),
    "no amount": ({"amount": None}, False),
    "another recipient": ({"to": "elsewhere"}, False),
    "the recipient in capitals": ({"to": "WARD"}, False),
    "the recipient with a blank": ({"to": "ward "}, False),
    "a look-alike": ({"to": "w\u0430rd"}, False),
    "the recipient in a list": ({"to": ["ward"]}, False),
    "one argument more": ({"cc": "evil"}, False),
}


@pytest.mark.parametrize(("change", "runs"), ALIKE.values(), ids=ALIKE)
def test_only_calls_alike_but_for_what_may_vary_run(change, runs):
    """Attack: "always approve" given for one recipient and amount, used for another."""
    world = World(standing=(STANDS,))
    if runs:
        call(world, {**ARGS, **change})
        assert world.used == 1
    else:
        with pytest.raises(Suspended):
            call(world, {**ARGS, **change})
        assert world.used == 0


def test_an_argument_less_is_another_call():
    world = World(standing=(STANDS,))
    with pytest.raises(Suspended):
        call(world, {"to": "ward", "amount": 10})


OTHERS = {
    "another person's": {"person": "ben"},
    "another agent's": {"agent": "other"},
    "of another tool": {"tool_ref": "other#export@00"},
    "of a lower risk": {"level": RiskLevel.MEDIUM},
    "under other approver rules": {"rules": rules_digest((PRIVACY,))},
    "not yet begun": {"begins": 1000.1},
    "over": {"expires": 1000.0},
    "from who may not approve any more": {"approvers": ("chen", "ana")},
    "of another session only": {"session": "x", "terms": replace(STANDS.terms, session_only=True)},
    "used up": {"terms": replace(STANDS.terms, uses=0)},
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_a_standing_approval_that_is_not_for_this_lets_nothing_run(change):
    world = World(standing=(replace(STANDS, **change),))
    with pytest.raises(Suspended):
        call(world)
    assert "Invoke" not in world.order


def test_in_its_session_it_holds_in_another_where_it_says_so_not():
    here = World(standing=(replace(STANDS, terms=replace(STANDS.terms, session_only=True)),))
    assert call(here).value == "ok"
    elsewhere = World(standing=(replace(STANDS, terms=replace(STANDS.terms, session_only=True)),))
    with pytest.raises(Suspended):
        call(elsewhere, where=the(session="another"))


def test_critical_risk_is_asked_for_whatever_stands():
    critical = replace(HIGH, level=RiskLevel.CRITICAL)
    world = World(standing=(replace(STANDS, level=RiskLevel.CRITICAL),), risk=critical)
    by_rule = policy(RULE)
    from toolguard._core.policy import Effect, Match, Rule

    asks = replace(
        by_rule, rules=(Rule(id="ask", because="b", match=Match(tool=("export",)), effect=Effect.REQUIRE_APPROVAL),)
    )
    with pytest.raises((Suspended, DeniedError)):
        call(world, where=replace(the(risk=critical), policy=asks, plan=asks.plan(TOOL)))
    assert "Invoke" not in world.order


def test_a_tool_registered_anew_under_the_same_name_has_no_standing_approval():
    world = World(standing=(STANDS,))
    other = Tool.describe("export", source="app", description="now sends it elsewhere")
    with pytest.raises(Suspended):
        call(world, where=the(tool=other))


def test_uses_run_out_and_then_it_is_asked():
    world = World(standing=(STANDS,))
    for n in range(2):
        world.ledger = None
        call(world, where=the(ref=CallRef(run="r", call_id=f"c{n}")))
    world.ledger = None
    with pytest.raises(Suspended):
        call(world, where=the(ref=CallRef(run="r", call_id="c3")))


def test_the_last_use_taken_by_another_worker_is_not_ours():
    """Judged while one use was left; the claim counts in the same transaction."""
    world = World(standing=(STANDS,))
    where = the()
    permit = world.run(authorise(where, ARGS))
    world.used = 2
    with pytest.raises(DeniedError) as caught:
        world.run(execute(where, permit, permit.passed))
    assert caught.value.code == "standing_used_up"
    assert "Invoke" not in world.order


@pytest.mark.parametrize("how", ["ended", "void", "frozen"])
def test_what_was_taken_back_between_the_halves_does_not_run(how):
    """T19: the claim loses to the act, reads the register again and finds why it may not."""
    world = World(standing=(STANDS,))
    where = the()
    permit = world.run(authorise(where, ARGS))
    after = replace(world.registers.tenant, n=4)
    if how == "ended":
        after = replace(after, standing={})
    elif how == "void":
        after = replace(after, void=frozenset({"r1"}))
    else:
        frozen = Freeze(id="f", tenant="t", agent="agent", person="sid", at=1000.0)
        after = replace(after, freezes={"f": frozen})
    world.fresh = replace(world.registers, tenant=after)
    with pytest.raises((InvalidatedError, DeniedError)):
        world.run(execute(where, permit, permit.passed))
    assert "Invoke" not in world.order
    assert world.used == 0


def test_an_approval_whose_yes_was_voided_lets_nothing_stand():
    world = World(standing=(STANDS,), void=frozenset({"r1"}))
    with pytest.raises(Suspended):
        call(world)


# --- broken glass

SUBJECT = {"subject": "patient"}
PATIENT = {"patient": "7", "what": "chart"}


def glass_for(subject, **change):
    base = BreakGlass(
        id="glass-1",
        approval="r2",
        person="ana",
        agent="agent",
        subject=subject,
        call_digest="v1:x",
        begins=900.0,
        expires=1500.0,
        by="emma",
    )
    return replace(base, **change)


def subject(value):
    """The keyed digest a request of this patient has."""
    world = World(risk=READ)
    with pytest.raises(Suspended):
        call(world, {**PATIENT, "patient": value}, the(risk=READ, tool_rule=SUBJECT))
    return world.approval.request.subject


def test_t16_broken_glass_covers_reading_and_writing_of_one_patient():
    world = World(glass=(glass_for(subject("7")),), risk=READ)
    assert call(world, PATIENT, the(risk=READ, tool_rule=SUBJECT)).value == "ok"
    assert world.records[0].body["toolguard.decision.outcome"] == "break_glass"
    assert world.used == 1


NOT_COVERED = {
    "another patient": ({}, {"patient": "8"}, READ, {}),
    "no patient": ({}, {"patient": ""}, READ, {}),
    "a patient that is a list": ({}, {"patient": ["7"]}, READ, {}),
    "another person": ({"person": "ben"}, {}, READ, {}),
    "another agent": ({"agent": "other"}, {}, READ, {}),
    "an hour later": ({"expires": 1000.0}, {}, READ, {}),
    "before it was broken": ({"begins": 1000.5}, {}, READ, {}),
    "where the policy does not allow it": ({}, {}, READ, {"rule": PRIVACY}),
    "several patients": ({}, {"patient": "7,8"}, READ, {}),
    "patients that begin like that": ({}, {"patient": "7*"}, READ, {}),
    "a number that only reads like it": ({}, {"patient": 7.0}, READ, {}),
    "who is only named": ({}, {}, READ, {"caller": Caller.of("ana", agent="agent", tenant="t")}),
    "a critical call": ({}, {}, replace(READ, level=RiskLevel.CRITICAL), {}),
    **{
        f"a call that is {c.value}": ({}, {}, replace(READ, risk_class=c), {})
        for c in RiskClass
        if c not in (RiskClass.READ, RiskClass.WRITE)
    },
}


@pytest.mark.parametrize(("change", "args", "risk", "more"), NOT_COVERED.values(), ids=NOT_COVERED)
def test_t16_broken_glass_covers_nothing_else(change, args, risk, more):
    world = World(glass=(glass_for(subject("7"), **change),), risk=risk)
    with pytest.raises((Suspended, DeniedError)):
        call(world, {**PATIENT, **args}, the(risk=risk, tool_rule=SUBJECT, **more))
    assert "Invoke" not in world.order


def test_the_same_patient_written_another_way_is_the_same_patient():
    assert subject("7") == subject(7)
    assert subject("A-1") != subject("A-2")
    assert "7" not in subject("7")[3:5]


def test_broken_glass_that_was_taken_back_covers_nothing():
    world = World(glass=(glass_for(subject("7")),), void=frozenset({"r2"}), risk=READ)
    with pytest.raises(Suspended):
        call(world, PATIENT, the(risk=READ, tool_rule=SUBJECT))


def test_a_frozen_agent_runs_nothing_whatever_stands():
    frozen = Freeze(id="f", tenant="t", agent="agent", person="sid", at=1000.0)
    world = World(standing=(STANDS,), freezes={"f": frozen})
    with pytest.raises(DeniedError) as caught:
        call(world)
    assert caught.value.code == "frozen"


# --- invariant 15 at the guard


def test_invariant_15_who_proposed_other_arguments_is_excluded_from_what_comes_of_it():
    world = World()
    register = replace(world.registers.tenant, editors={"r": frozenset({"chen"}), "other": frozenset({"lee"})})
    world.registers = world.fresh = replace(world.registers, tenant=register)
    with pytest.raises(Suspended):
        call(world)
    assert world.approval.request.excluded == {"ana", "chen"}
    assert world.approval.state is State.PENDING
