"""The flow, driven by hand: the order of steps is the safety of the whole."""

from dataclasses import replace

import pytest

from toolguard._core import steps as s
from toolguard._core.approval import Answer, Approval, Grant, State, Verdict, resolution_payload
from toolguard._core.audit import Kind
from toolguard._core.call import Caller, CallRef, Person, Tool
from toolguard._core.flow import ResultShape, Setting, Suspension, authorise, execute
from toolguard._core.mask import Finding
from toolguard._core.policy import ApproverRule, Effect, Handling, Match, Policy, Rule, ToolRule
from toolguard._core.records import Scope
from toolguard._core.register import Registers
from toolguard._core.risk import Risk, RiskClass, RiskLevel
from toolguard._core.vault import Need, Token
from toolguard.errors import (
    BadArgumentsError,
    ConflictError,
    DeniedError,
    InvalidatedError,
    RegisterMovedError,
    ReplayError,
    ResultWithheldError,
    StoreError,
    Suspended,
    ToolFailedError,
)

TOOL = Tool.describe("export", source="app")
LOW = Risk(risk_class=RiskClass.READ, level=RiskLevel.LOW)
HIGH = Risk(risk_class=RiskClass.EXFILTRATION, level=RiskLevel.HIGH)
PRIVACY = ApproverRule(name="default", approvers=("group:privacy",))


def setting(risk=LOW, rules=(), tool_rule=None, **more):
    policy = Policy(
        id="p",
        version="1",
        sha256="s",
        tools=(tool_rule or ToolRule(pattern="export"),),
        rules=rules,
        approvals={"default": PRIVACY},
    )
    caller = Caller.of("ana", agent="agent", tenant="t")
    scope = Scope.of(caller, session="s", digest_key=b"k" * 32, trace_id="0" * 32, parent_id="")
    base = {
        "scope": scope,
        "policy": policy,
        "plan": policy.plan(TOOL),
        "risk": risk,
        "ref": CallRef(run="r", call_id="c"),
        "environment": "test",
        "suspension": Suspension.RAISE,
        "on_wait_timeout": "withdraw",
        "shape": ResultShape(open=lambda v: v, close=lambda v, m: m),
    }
    return Setting(**(base | more))


class Hand:
    """Answers steps from a small world kept in memory, and notes their order."""

    def __init__(self, *, risk=LOW, found=(), names=None, tool=lambda passed: "ok", fail=None):
        self.risk = risk
        self.found = list(found)
        self.names = names or {}
        self.tool = tool
        self.fail = fail or {}
        self.order = []
        self.records = []
        self.approval = None
        self.ledger = None
        self.recent = ()
        self.registers = self.fresh = Registers.empty("t")
        self.used = 0
        self.now = 1000.0
        self.ids = 0

    def run(self, flow):
        answer, fault = None, None
        while True:
            try:
                step = flow.throw(fault) if fault else flow.send(answer)
            except StopIteration as stop:
                return stop.value
            answer, fault = None, None
            try:
                answer = self.answer(step)
            except BaseException as raised:
                fault = raised

    def answer(self, step):
        name = type(step).__name__
        if isinstance(step, s.Commit):
            name = "Commit:" + "+".join(d.kind.value for d in step.change.records)
        if not isinstance(step, s.Now | s.NewId):
            self.order.append(name)
        if name in self.fail:
            raise self.fail.pop(name)
        return getattr(self, "do_" + type(step).__name__)(step)

    def do_Now(self, step):
        return self.now

    def do_NewId(self, step):
        self.ids += 1
        return f"{self.ids:032x}"

    def do_Inspect(self, step):
        return tuple(f for f in self.found if f.path == () or _has(step.value, f.path))

    def do_Allocate(self, step):
        tokens = {n: Token(type=n.type, index=i, namespace=n.namespace) for i, n in enumerate(step.needs, 1)}
        self.names |= {t: n.text for n, t in tokens.items()}
        return tokens

    def do_Reveal(self, step):
        return {t: v for t, v in self.names.items() if t in step.tokens}

    def do_Validate(self, step):
        return step.data

    def do_Analyse(self, step):
        return self.risk, ()

    def do_Seal(self, step):
        return b"sealed:" + step.plain

    def do_Unseal(self, step):
        return step.sealed.removeprefix(b"sealed:")

    def do_LookUp(self, step):
        return s.Requester(person="ana", excluded=frozenset({"ana"}), reachable={"default": 1})

    def do_Find(self, step):
        return self.approval

    def do_Recent(self, step):
        return self.recent

    def do_ReadRegister(self, step):
        if step.fresh:
            self.registers = self.fresh
        return self.registers

    def do_Confirm(self, step):
        return None

    def do_SealDecisive(self, step):
        return b"shut:" + step.plain

    def do_CountUses(self, step):
        return self.used

    def do_ReadLedger(self, step):
        return self.ledger

    def do_CheckGrant(self, step):
        return None

    def do_Await(self, step):
        return self.approval

    def do_Commit(self, step):
        change = step.change
        if change.claim and change.heads != self.fresh.heads:
            raise RegisterMovedError("moved")
        if change.claim and self.ledger and self.ledger.standing is not s.Standing.ASKED:
            raise ConflictError("claimed")
        self.records += change.records
        if change.create:
            self.approval = Approval(request=change.create)
            self.ledger = s.LedgerRow(call_digest=change.create.call_digest, standing=s.Standing.ASKED)
        if change.update:
            self.approval = change.update.approval
        if change.claim:
            self.ledger = s.LedgerRow(call_digest=change.claim.call_digest, standing=s.Standing.EXECUTING)
        if change.settle:
            standing = s.Standing.EXECUTED if change.settle.ok else s.Standing.FAILED
            self.ledger = replace(self.ledger, standing=standing, result=change.settle.result)
        return ()

    def do_Invoke(self, step):
        try:
            return s.Ran(value=self.tool(step.passed))
        except Exception as error:
            return s.Ran(error=error)

    def decide(self, answer=Answer.APPROVE):
        """What the service does, without it."""
        verdict = Verdict(
            request=self.approval.id,
            answer=answer,
            person="chen",
            identity=Person(issuer="local", tenant="t", subject="chen"),
            groups=("privacy",),
            seen_call_digest=self.approval.request.call_digest,
            seen_view_digest=self.approval.request.view_digest,
            reason="ok",
            channel="test",
            auth="test",
            at=self.now,
        )
        state = State.APPROVED if answer is Answer.APPROVE else State.DENIED
        after = replace(self.approval, state=state, verdicts=(verdict,), grant_expires=self.now + 60, version=2)
        self.approval = replace(after, grant=Grant(payload=resolution_payload(after), signature=b"", key_id="k"))


def _has(value, path):
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def call(hand, args=None, the=None):
    the = the or setting(risk=hand.risk)
    permit = hand.run(authorise(the, {"path": "/x"} if args is None else args))
    return hand.run(execute(the, permit, permit.passed))


def test_an_allowed_call_is_judged_then_recorded_then_run_then_recorded():
    hand = Hand()
    assert call(hand).value == "ok"
    assert hand.order == [
        "ReadRegister",
        "Inspect",
        "Validate",
        "Analyse",
        "ReadRegister",
        "Commit:call.decided+call.executing",
        "Invoke",
        "Inspect",
        "Commit:call.returned",
    ]


def test_a_denied_call_is_recorded_and_nothing_else_happens():
    hand = Hand(risk=replace(LOW, level=RiskLevel.CRITICAL))
    with pytest.raises(DeniedError):
        call(hand)
    assert hand.order == ["ReadRegister", "Inspect", "Validate", "Analyse", "Find", "Commit:call.decided"]


def test_an_asked_call_is_recorded_before_it_is_announced_and_runs_only_after_a_signed_yes():
    hand = Hand(risk=HIGH)
    with pytest.raises(Suspended):
        call(hand)
    assert hand.order[-5:] == ["LookUp", "Recent", "ReadRegister", "Seal", "Commit:call.decided+approval.requested"]
    hand.decide()
    hand.order.clear()
    assert call(hand).value == "ok"
    assert hand.order == [
        "ReadRegister",
        "Inspect",
        "Validate",
        "Analyse",
        "ReadRegister",
        "Find",
        "LookUp",
        "CheckGrant",
        "LookUp",
        "ReadRegister",
        "ReadRegister",
        "Commit:call.executing",
        "Invoke",
        "Inspect",
        "Commit:call.returned",
    ]
    assert hand.approval.state is State.EXECUTED


def test_a_resumed_call_is_one_call_in_the_record():
    hand = Hand(risk=HIGH)
    for _ in range(3):
        with pytest.raises(Suspended):
            call(hand)
    hand.decide()
    call(hand)
    assert [r.kind for r in hand.records].count(Kind.CALL_DECIDED) == 1
    assert len({r.call for r in hand.records}) == 1


def test_the_same_call_again_is_refused_and_with_replays_gives_the_kept_result():
    ran = []
    hand = Hand(tool=lambda p: ran.append(p) or "ok")
    call(hand, the=setting(replays=True))
    with pytest.raises(ReplayError):
        call(hand)
    again = call(hand, the=setting(replays=True))
    assert again.replayed
    assert again.value == "ok"
    assert len(ran) == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"grant": None}, "unsigned"),
        ({"grant_expires": 99999.0}, "signature"),
        ({"verdicts": ()}, "signature"),
    ],
)
def test_a_yes_that_is_not_the_signed_one_is_void(change, why):
    hand = Hand(risk=HIGH)
    with pytest.raises(Suspended):
        call(hand)
    hand.decide()
    hand.approval = replace(hand.approval, **change)
    with pytest.raises(InvalidatedError, match=why):
        call(hand)
    assert hand.approval.state is State.INVALIDATED
    assert "Invoke" not in hand.order


def test_t4_a_view_that_was_edited_in_the_database_is_void():
    hand = Hand(risk=HIGH)
    with pytest.raises(Suspended):
        call(hand)
    hand.decide()
    hand.approval = replace(hand.approval, request=replace(hand.approval.request, view={"path": "/harmless"}))
    with pytest.raises(InvalidatedError, match="view_changed"):
        call(hand)


def test_a_tool_that_outlives_its_lease_still_ends_as_executed():
    hand = Hand(risk=HIGH)
    with pytest.raises(Suspended):
        call(hand)
    hand.decide()

    def slow(passed):  # meanwhile the service sweeps what seems lost
        hand.approval = replace(hand.approval, state=State.INDETERMINATE, version=hand.approval.version + 1)
        hand.fail = {"Commit:call.returned": ConflictError("version")}
        return "ok"

    hand.tool = slow
    assert call(hand).value == "ok"
    assert hand.approval.state is State.EXECUTED


def test_a_forged_signature_is_void():
    hand = Hand(risk=HIGH)
    with pytest.raises(Suspended):
        call(hand)
    hand.decide()
    hand.fail = {"CheckGrant": InvalidatedError("no")}
    with pytest.raises(InvalidatedError, match="signature"):
        call(hand)


def test_invariant_1_arguments_changed_after_the_question_are_refused():
    hand = Hand(risk=HIGH)
    with pytest.raises(Suspended):
        call(hand)
    hand.decide()
    with pytest.raises(InvalidatedError, match="arguments_changed"):
        call(hand, {"path": "/etc"})
    assert hand.approval.state is State.INVALIDATED


def test_invariant_1_arguments_changed_between_the_halves_are_refused():
    hand = Hand(risk=HIGH)
    with pytest.raises(Suspended):
        call(hand)
    hand.decide()
    the = setting(risk=HIGH)
    permit = hand.run(authorise(the, {"path": "/x"}))
    with pytest.raises(InvalidatedError):
        hand.run(execute(the, permit, {"path": "/etc"}))
    assert "Invoke" not in hand.order
    assert hand.approval.state is State.INVALIDATED


def test_invariant_1_a_nested_list_changed_after_judgement_is_refused():
    hand = Hand()
    the = setting()
    permit = hand.run(authorise(the, {"to": ["a@x"]}))
    permit.passed["to"].append("b@x")
    with pytest.raises(InvalidatedError):
        hand.run(execute(the, permit, permit.passed))
    assert "Invoke" not in hand.order


def test_invariant_9_a_policy_that_became_stricter_voids_the_yes():
    hand = Hand(risk=HIGH)
    with pytest.raises(Suspended):
        call(hand)
    hand.decide()
    stricter = setting(risk=HIGH, rules=(Rule(id="no", because="No.", effect=Effect.DENY, match=Match()),))
    with pytest.raises(DeniedError):
        call(hand, the=stricter)
    assert hand.approval.state is State.INVALIDATED


def test_a_replay_of_an_approved_call_is_on_record_each_time():
    hand = Hand(risk=HIGH)
    with pytest.raises(Suspended):
        call(hand)
    hand.decide()
    call(hand)
    for _ in range(2):
        with pytest.raises(ReplayError):
            call(hand)
    told = [r.body["toolguard.decision.reason_code"] for r in hand.records if r.kind is Kind.CALL_NOT_RUN]
    assert told == ["replay", "replay"]


def test_a_no_is_final():
    hand = Hand(risk=HIGH)
    with pytest.raises(Suspended):
        call(hand)
    hand.decide(Answer.DENY)
    with pytest.raises(DeniedError) as refused:
        call(hand)
    assert refused.value.code == "denied_by_person"
    assert hand.records[-1].kind is Kind.CALL_NOT_RUN
    assert hand.records[-1].body["toolguard.decision.reason_code"] == "already_denied"
    assert "Do not retry" in refused.value.model_text


@pytest.mark.parametrize("later", [60, 1e9])
def test_invariant_8_a_late_yes_does_not_count(later):
    hand = Hand(risk=HIGH)
    with pytest.raises(Suspended):
        call(hand)
    hand.decide()
    hand.now += later
    with pytest.raises(DeniedError) as refused:
        call(hand)
    assert refused.value.code == "expired"
    assert hand.approval.state is State.EXPIRED


def test_block_mode_withdraws_when_nobody_answers():
    hand = Hand(risk=HIGH)
    with pytest.raises(DeniedError) as refused:
        call(hand, the=setting(risk=HIGH, suspension=Suspension.BLOCK))
    assert refused.value.code == "wait_timeout"
    assert hand.approval.state is State.WITHDRAWN


def test_block_mode_can_leave_the_question_open():
    hand = Hand(risk=HIGH)
    with pytest.raises(Suspended):
        call(hand, the=setting(risk=HIGH, suspension=Suspension.BLOCK, on_wait_timeout="suspend"))
    assert hand.approval.state is State.PENDING


@pytest.mark.parametrize(
    "answer", [None, s.Requester(person="ana", excluded=frozenset({"ana"}), reachable={"default": 0})]
)
def test_invariant_10_nobody_who_could_approve_means_no(answer):
    hand = Hand(risk=HIGH)
    hand.do_LookUp = lambda step: answer
    with pytest.raises(DeniedError) as refused:
        call(hand)
    assert refused.value.code == "undeliverable"
    assert hand.approval is None


@pytest.mark.parametrize(
    ("step", "fault", "raised", "code"),
    [
        ("Inspect", RuntimeError("SSN 123-45-6789"), DeniedError, "internal_error"),
        ("Analyse", KeyError("123-45-6789"), DeniedError, "internal_error"),
        ("Validate", BadArgumentsError("does not fit"), BadArgumentsError, "bad_arguments"),
    ],
)
def test_invariant_10_whatever_fails_before_the_decision_denies_and_is_recorded(step, fault, raised, code):
    hand = Hand(fail={step: fault})
    with pytest.raises(raised) as refused:
        call(hand)
    assert "123-45" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert [r.body["toolguard.decision.reason_code"] for r in hand.records] == [code]
    assert "Invoke" not in hand.order


def test_i2_a_record_that_cannot_be_written_stops_the_call():
    hand = Hand(fail={"Commit:call.decided+call.executing": StoreError("disk full")})
    with pytest.raises(StoreError):
        call(hand)
    assert "Invoke" not in hand.order


def test_i2_a_result_that_cannot_be_recorded_is_withheld():
    hand = Hand(fail={"Commit:call.returned": StoreError("disk full")})
    with pytest.raises(ResultWithheldError) as refused:
        call(hand)
    assert "do not retry" in refused.value.model_text.lower()


def test_a_result_that_cannot_be_masked_is_withheld_and_recorded():
    hand = Hand(tool=lambda p: object())
    with pytest.raises(ResultWithheldError):
        call(hand)
    assert hand.records[-1].body["toolguard.result.withheld"] is True
    assert hand.ledger.standing is s.Standing.EXECUTED


def boom(passed):
    raise ValueError("no patient Ada Byron")


def test_a_failing_tool_is_recorded_by_class_only_and_an_allowed_call_may_be_tried_again():
    hand = Hand(tool=boom)
    with pytest.raises(ToolFailedError) as failed:
        call(hand)
    assert "Ada" not in str(failed.value)
    assert hand.records[-1].body["error.type"] == "ValueError"
    hand.ledger = replace(hand.ledger, standing=s.Standing.ASKED)  # what a real store lets an allowed call do
    hand.tool = lambda passed: "ok"
    assert call(hand).value == "ok"


def test_invariant_6_an_interrupted_call_is_indeterminate():
    def interrupted(passed):
        raise KeyboardInterrupt

    hand = Hand(risk=HIGH, tool=interrupted)
    with pytest.raises(Suspended):
        call(hand)
    hand.decide()
    with pytest.raises(KeyboardInterrupt):
        call(hand)
    assert hand.records[-1].kind is Kind.CALL_INDETERMINATE
    assert hand.approval.state is State.INDETERMINATE
    with pytest.raises(ReplayError):
        call(hand)


NAME = Finding(path=("name",), start=0, end=3, type="PERSON")


def test_t1_the_decision_sees_what_the_tool_would_get():
    seen = {}

    class Sees:
        source = "test"

        def holds(self, facts):
            seen.update(data=facts.data, revealed=[f.type for f in facts.revealed])
            return False

    trusts = ToolRule(pattern="export", trusted_for=frozenset({"PERSON"}))
    the = setting(rules=(Rule(id="r", because="b", effect=Effect.DENY, when=Sees()),), tool_rule=trusts)
    got = []
    hand = Hand(names={Token(type="PERSON", index=7): "Ada"}, tool=lambda p: got.append(p) or "ok")
    call(hand, {"name": "<PERSON_7>"}, the)
    assert seen == {"data": {"name": "Ada"}, "revealed": ["PERSON"]}
    assert got == [{"name": "Ada"}]


def test_an_untrusted_tool_gets_tokens_for_what_the_model_wrote():
    got = []
    hand = Hand(found=[NAME], tool=lambda p: got.append(p) or "ok")
    call(hand, {"name": "Ada"})
    assert got == [{"name": "<PERSON_M1>"}]


def test_a_rule_that_withholds_is_judged_on_the_withheld_bytes():
    trusts = ToolRule(pattern="export", trusted_for=frozenset({"PERSON"}))
    withhold = Rule(id="w", because="b", effect=Effect.MASK, args={"name": Handling.MASK})
    got = []
    hand = Hand(names={Token(type="PERSON", index=7): "Ada"}, tool=lambda p: got.append(p) or "ok")
    call(hand, {"name": "<PERSON_7>"}, setting(rules=(withhold,), tool_rule=trusts))
    assert got == [{"name": "<PERSON_7>"}]


def test_a_number_the_model_wrote_reaches_a_trusted_tool_as_a_number():
    trusts = ToolRule(pattern="export", trusted_for=frozenset({"MRN"}))
    got = []
    mrn = Finding(path=("mrn",), start=0, end=6, type="MRN")
    call(Hand(found=[mrn], tool=lambda p: got.append(p) or "ok"), {"mrn": 123456}, setting(tool_rule=trusts))
    assert got == [{"mrn": 123456}]


def test_token_shaped_text_in_a_result_is_escaped_and_never_resolves_to_a_patient():
    hand = Hand(tool=lambda p: {"note": "call <PERSON_1> now"})
    assert call(hand).value == {"note": "call <LITERAL_1> now"}


def test_the_approver_sees_the_tokens_of_what_the_tool_would_get():
    trusts = ToolRule(pattern="export", trusted_for=frozenset({"PERSON"}), decisive=("url", "name"))
    hand = Hand(risk=HIGH, found=[NAME], names={Token(type="PERSON", index=7): "Ada"})
    with pytest.raises(Suspended):
        call(hand, {"name": "<PERSON_7>", "url": "https://x.example/a"}, setting(risk=HIGH, tool_rule=trusts))
    request = hand.approval.request
    assert request.view == {"name": "<PERSON_7>", "url": "https://x.example/a"}
    assert request.decisive == {"url": "https://x.example/a", "name": "(hidden)"}
    assert b"Ada" in request.sealed
    assert Need(type="PERSON", text="Ada") not in hand.names


def test_two_workers_that_ask_at_once_share_one_request():
    hand = Hand(risk=HIGH)
    first = Hand(risk=HIGH)
    with pytest.raises(Suspended):
        call(first)
    answers = iter([None, first.approval])
    hand.do_Find = lambda step: next(answers, first.approval)
    hand.fail = {"Commit:call.decided+approval.requested": ConflictError("taken")}
    with pytest.raises(Suspended) as waiting:
        call(hand)
    assert waiting.value.approval_id == first.approval.id
    assert hand.records == []


def test_a_register_that_does_not_hold_denies_and_is_recorded_where_a_yes_could_stand():
    hand = Hand(risk=HIGH)
    the = setting(risk=HIGH)
    reads = []

    def read(step):
        reads.append(step)
        if len(reads) > 1:
            raise StoreError("the register does not hold")
        return hand.registers

    hand.do_ReadRegister = read
    with pytest.raises(StoreError):
        hand.run(authorise(the, {"path": "/x"}))
    assert [r.kind for r in hand.records] == [Kind.CALL_DECIDED]
    assert hand.records[0].body["toolguard.decision.outcome"] == "denied"
