"""What stands at the service lets a remote guard's calls run: judged here by what is signed, counted there, and nothing else."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from authority.ward import human, refused
from remote.clinic import Clinic
from toolguard import Caller, Guard
from toolguard._core.approval import Answer, StandingTerms, State, Vary
from toolguard._core.audit import Kind
from toolguard._core.call import Assurance, CallRef
from toolguard._core.receipt import ClaimReceipt, UseReceipt, receipt_of, receipt_payload
from toolguard._core.register import ActKind
from toolguard.authority import Human, Service
from toolguard.errors import NotAllowedError, NotFoundError, ReplayError, Suspended, ToolguardError
from toolguard.journal import verify
from toolguard.keys import Ed25519Signer, Purpose, SecretKey

TERMS = StandingTerms(seconds=600.0, uses=3)
GUARD = Service(name="ward-guard", tenant="st-marys", agents=frozenset({"discharge-assistant"}), auth="token:g")

GIVEN: dict[str, Any] = {"tool": "export", "call": "0" * 32, "call_digest": "v1:0", "nonce": "1" * 32}


@pytest.fixture
def standing(clinic: Clinic) -> str:
    """A yes to writing /out/a, let stand for three more calls; its act's id."""
    return let_stand(clinic)


def let_stand(clinic: Clinic, terms: StandingTerms = TERMS, path: str = "/out/a") -> str:
    policy = clinic.folder / "policy.yaml"
    policy.write_text(policy.read_text().replace("expires: 1h}", "expires: 1h, standing: {for: 1h, uses: 5}}"))
    guard = clinic.guard()
    with pytest.raises(Suspended):
        make(clinic, guard, "c-0", path)
    clinic.ward.decide(human("ada"), clinic.waiting(), Answer.APPROVE, standing=terms)
    assert make(clinic, guard, "c-0", path) == "written"
    clinic.ran.clear()
    return clinic.ward.acts()[-1].id


def make(clinic: Clinic, guard: Guard, call_id: str, path: str = "/out/a", **session: Any) -> Any:
    with clinic.session(guard, suspend="raise", **session) as opened:
        return opened.call(clinic.export, {"path": path}, call_id=call_id)


def until_known(guard: Guard, acts: int = 1) -> Guard:
    """Until the register has arrived here."""
    deadline = time.monotonic() + 30
    while guard.parts.store._mirror.heads.tenant < acts:  # type: ignore[attr-defined] # the guard's own view of it
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)
    return guard


def uses(clinic: Clinic, act: str) -> int:
    return clinic.ward.store.uses("st-marys", act)


def asked(clinic: Clinic) -> int:
    return len(clinic.ward.store.list("st-marys"))


def test_a_call_that_it_covers_runs_at_once_and_is_counted_there(clinic: Clinic, standing: str) -> None:
    guard = until_known(clinic.guard())
    for n in range(1, 4):
        assert make(clinic, guard, f"c-{n}") == "written"
        assert uses(clinic, standing) == n
    assert asked(clinic) == 1
    (view,) = [s for s in clinic.ward.register().standing.values() if s.id == standing]
    assert view.approvers == ("ada",)
    told = [d for k, d in clinic.ward.journal() if k is Kind.CALL_DECIDED]
    assert [(d["toolguard.act.id"], d["toolguard.decision.reason_code"]) for d in told] == [
        (standing, "standing_approval")
    ] * 3
    own = [r.draft for r in guard.parts.store.records() if r.draft.kind is Kind.CALL_DECIDED]
    assert [d.body.get("toolguard.act.id") for d in own[-3:]] == [standing] * 3
    assert {d["toolguard.call.id"] for d in told} == {d.call for d in own[-3:]}
    for store in (guard.parts.store.local, clinic.ward.store):  # type: ignore[attr-defined] # its own journal
        assert verify(store).ok


def test_of_two_guards_that_race_no_more_run_than_may(clinic: Clinic, standing: str) -> None:
    one = until_known(clinic.guard())
    ended: list[str] = []

    def go(n: int) -> None:
        try:
            ended.append(make(clinic, one, f"r-{n}"))
        except (NotAllowedError, Suspended) as refusal:
            ended.append(type(refusal).__name__)

    threads = [threading.Thread(target=go, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended.count("written") == len(clinic.ran) == uses(clinic, standing) == 3


def test_what_another_guard_used_up_is_asked_for(clinic: Clinic, standing: str) -> None:
    for n in range(3):
        clinic.ward.authority.use(GUARD, standing, ref=CallRef(run="r", call_id=f"x-{n}"), **GIVEN)
    guard = until_known(clinic.guard())
    with pytest.raises(NotAllowedError) as caught:
        make(clinic, guard, "c-1")
    assert caught.value.code == "standing_used_up"
    with pytest.raises(Suspended):
        make(clinic, guard, "c-2")
    assert clinic.ran == []


OTHERWISE: dict[str, tuple[StandingTerms, dict[str, Any]]] = {
    "other arguments": (TERMS, {"path": "/out/b"}),
    "the same in another spelling": (TERMS, {"path": "/out/A"}),
    "another session": (replace(TERMS, session_only=True), {"id": "s-2"}),
}


@pytest.mark.parametrize(("terms", "call"), OTHERWISE.values(), ids=OTHERWISE)
def test_what_it_does_not_cover_is_asked_for(clinic: Clinic, terms: StandingTerms, call: dict[str, Any]) -> None:
    act = let_stand(clinic, terms)
    guard = until_known(clinic.guard())
    with pytest.raises(Suspended):
        make(clinic, guard, "c-1", **call)
    assert (uses(clinic, act), clinic.ran) == (0, [])
    assert not any(path == "/v1/uses" for _, path in clinic.heard)


def test_another_policy_asks_anew(clinic: Clinic, standing: str) -> None:
    policy = clinic.folder / "policy.yaml"
    policy.write_text(policy.read_text().replace("quorum: 1", "quorum: 2"))
    with pytest.raises(Suspended):
        make(clinic, until_known(clinic.guard()), "c-1")
    assert uses(clinic, standing) == 0


def ended(clinic: Clinic, act: str) -> None:
    clinic.ward.authority.end_standing(human("grace"), act, reason="no longer")


def frozen(clinic: Clinic, act: str) -> None:
    clinic.ward.authority.freeze(human("sid"), agent="discharge-assistant", reason="it behaves oddly")


@pytest.mark.parametrize("change", [ended, frozen], ids=["ended", "frozen"])
def test_what_changed_before_the_guard_heard_of_it_stops_the_call_at_the_service(
    clinic: Clinic, standing: str, change: Callable[[Clinic, str], None]
) -> None:
    guard = until_known(clinic.guard())
    clinic.before["/v1/uses"] = lambda: change(clinic, standing)
    with pytest.raises(NotAllowedError) as caught:
        make(clinic, guard, "c-1")
    assert caught.value.code in ("revoked", "frozen")
    assert (clinic.ran, uses(clinic, standing)) == ([], 0)
    last = list(guard.parts.store.records())[-1].draft
    assert last.body["toolguard.decision.outcome"] == "denied"
    assert last.body["toolguard.decision.reason_code"] == caught.value.code


def test_a_no_to_the_same_that_another_guard_asked_for_holds_here(clinic: Clinic, standing: str) -> None:
    guard = until_known(clinic.guard())
    asked_for = clinic.waiting().request
    other = clinic.ward.ask(
        tool=asked_for.tool,
        target=asked_for.target,
        args_digest=asked_for.args_digest,
        approver_rules=asked_for.approver_rules,
    )
    clinic.ward.decide(human("grace"), other, Answer.DENY)
    with pytest.raises(NotAllowedError) as caught:
        make(clinic, guard, "c-1")
    assert (caught.value.code, clinic.ran, uses(clinic, standing)) == ("denied_before", [], 0)


# --- broken glass


def test_broken_glass_lets_the_one_patient_s_calls_run_here_too(clinic: Clinic) -> None:
    """And no other patient's: which one a call is about is judged here."""

    def chart(patient: str) -> str:
        """Read a chart."""
        clinic.ran.append(patient)
        return "chart"

    policy = clinic.folder / "policy.yaml"
    text = policy.read_text().replace("expires: 1h}", 'expires: 1h, break_glass: ["group:emergency"]}')
    rule = "rules:\n  - {id: look, because: looked at, match: {tool: chart}, effect: require_approval}\n"
    policy.write_text(text + "  chart: {risk: medium, category: [read], subject: patient}\n" + rule)
    guard = clinic.guard()
    who = human("emma").identity
    caller = Caller(person=who, agent="discharge-assistant", tenant="st-marys", assurance=Assurance.VERIFIED)

    def go(call_id: str, patient: str) -> Any:
        with guard.session(caller=caller, run="run-1", suspend="raise") as session:
            return session.call(chart, {"patient": patient}, call_id=call_id)

    with pytest.raises(Suspended):
        go("c-0", "MRN-7")
    clinic.ward.authority.break_glass(human("emma", sure=True), clinic.waiting().id, reason="resus")
    assert go("c-0", "MRN-7") == "chart"
    until_known(guard)
    assert go("c-1", "MRN-7") == "chart"
    with pytest.raises(Suspended):
        go("c-2", "MRN-8")
    assert clinic.ran == ["MRN-7", "MRN-7"]
    (act,) = [a for a in clinic.ward.acts() if a.kind is ActKind.BREAK_GLASS]
    assert uses(clinic, act.id) == 1
    (due,) = clinic.ward.authority.reviews(human("rena"))
    assert due.used == 1, "who reviews it sees how often it was used"


# --- what answers in the service's place


def receipt(clinic: Clinic, response: httpx.Response, **changes: Any) -> httpx.Response:
    said = receipt_of(UseReceipt, base64.b64decode(response.json()["receipt"]["payload"]))
    return answered(clinic.ward.signer, receipt_payload(replace(said, **changes)))


def answered(signer: Ed25519Signer, payload: bytes) -> httpx.Response:
    signed = signer.sign(payload)
    shape = {
        "payload": base64.b64encode(signed.payload).decode(),
        "signature": base64.b64encode(signed.signature).decode(),
        "key_id": signed.key_id,
    }
    return httpx.Response(200, headers={"content-type": "application/json"}, json={"receipt": shape})


def a_claims(clinic: Clinic, response: httpx.Response) -> httpx.Response:
    said = receipt_of(UseReceipt, base64.b64decode(response.json()["receipt"]["payload"]))
    other = ClaimReceipt(
        nonce=said.nonce,
        tenant=said.tenant,
        request=said.act,
        call_digest=said.call_digest,
        grant="g",
        at=said.at,
        lease_until=said.at + 9,
    )
    return answered(clinic.ward.signer, receipt_payload(other))


def own_key(clinic: Clinic, response: httpx.Response) -> httpx.Response:
    payload = base64.b64decode(response.json()["receipt"]["payload"])
    return answered(Ed25519Signer(SecretKey.generate(Purpose.SIGN)), payload)


def plain(value: object) -> Callable[[Clinic, httpx.Response], httpx.Response]:
    headers = {"content-type": "application/json"}
    return lambda clinic, response: httpx.Response(200, headers=headers, content=json.dumps(value).encode())


LIES: dict[str, Callable[[Clinic, httpx.Response], httpx.Response]] = {
    "another nonce": lambda c, r: receipt(c, r, nonce="0" * 32),
    "another tenant": lambda c, r: receipt(c, r, tenant="st-lukes"),
    "another act": lambda c, r: receipt(c, r, act="0" * 32),
    "another call": lambda c, r: receipt(c, r, call_digest="v1:0"),
    "of another time": lambda c, r: receipt(c, r, at=time.time() - 31),
    "of a claim": a_claims,
    "by another key": own_key,
    "no receipt": plain({}),
    "null": plain({"receipt": None}),
    "a list": plain([]),
    "just yes": plain({"receipt": {"payload": "e30=", "signature": "", "key_id": "x"}}),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_no_answer_but_the_services_own_to_this_question_lets_it_run(
    clinic: Clinic, standing: str, lie: Callable[[Clinic, httpx.Response], httpx.Response]
) -> None:
    guard = until_known(clinic.guard())
    clinic.lies.append(("/v1/uses", lambda _, response: lie(clinic, response)))
    with pytest.raises(ToolguardError):
        make(clinic, guard, "c-1")
    assert clinic.ran == []
    last = list(guard.parts.store.records())[-1].draft
    assert last.body["toolguard.decision.outcome"] == "denied"


def test_an_answer_that_was_recorded_is_none(clinic: Clinic, standing: str) -> None:
    guard, kept = until_known(clinic.guard()), []

    def first_again(_: httpx.Request, response: httpx.Response) -> httpx.Response:
        kept.append(response.content)
        return httpx.Response(200, headers={"content-type": "application/json"}, content=kept[0])

    clinic.lies.append(("/v1/uses", first_again))
    assert make(clinic, guard, "c-1") == "written"
    with pytest.raises(ToolguardError):
        make(clinic, guard, "c-2")
    assert clinic.ran == ["/out/a"]


@pytest.mark.parametrize("how", ["cut", "lost"])
def test_without_an_answer_it_does_not_run_and_never_twice(clinic: Clinic, standing: str, how: str) -> None:
    guard = until_known(clinic.guard())
    broken = getattr(clinic, how)
    broken.add("/v1/uses")
    with pytest.raises(ToolguardError):
        make(clinic, guard, "c-1")
    broken.clear()
    assert clinic.ran == []
    assert uses(clinic, standing) == (1 if how == "lost" else 0)
    if how == "lost":  # it was given out, and nobody gets it again
        with pytest.raises(ReplayError):
            make(clinic, guard, "c-1")
    else:
        assert make(clinic, guard, "c-1") == "written"
    with pytest.raises(ReplayError):
        make(clinic, guard, "c-1")
    assert uses(clinic, standing) == 1, "a call that ran costs no second use"


# --- at the service, past every guard

STRANGERS: dict[str, tuple[Any, type[Exception] | str]] = {
    "a person": (human("ada"), "not_a_service"),
    "another agent's": (replace(GUARD, agents=frozenset({"other-assistant"})), NotFoundError),
    "another tenant's": (replace(GUARD, tenant="st-lukes"), NotFoundError),
}


@pytest.mark.parametrize(("who", "what"), STRANGERS.values(), ids=STRANGERS)
def test_nobody_elses_service_uses_it(
    clinic: Clinic, standing: str, who: Service | Human, what: type[Exception] | str
) -> None:
    given = {"ref": CallRef(run="r", call_id="x"), **GIVEN}
    with refused(what) if isinstance(what, str) else pytest.raises(what):
        clinic.ward.authority.use(who, standing, **given)
    assert uses(clinic, standing) == 0


@pytest.mark.parametrize("act", ["the approval", "nothing", "a freeze"])
def test_only_what_stands_is_used(clinic: Clinic, standing: str, act: str) -> None:
    freeze = clinic.ward.authority.freeze(human("sid"), agent="other", reason="x").id
    subject = {"the approval": clinic.waiting().id, "nothing": "0" * 32, "a freeze": freeze}[act]
    with pytest.raises(NotFoundError):
        clinic.ward.authority.use(GUARD, subject, ref=CallRef(run="r", call_id="x"), **GIVEN)


def test_it_is_used_for_its_own_tool_only(clinic: Clinic, standing: str) -> None:
    with pytest.raises(NotFoundError):
        clinic.ward.authority.use(GUARD, standing, ref=CallRef(run="r", call_id="x"), **{**GIVEN, "tool": "wipe"})
    assert uses(clinic, standing) == 0


def test_a_call_that_was_asked_or_given_out_gets_no_use(clinic: Clinic, standing: str) -> None:
    first = clinic.waiting()
    assert first.state in (State.EXECUTING, State.EXECUTED)
    with refused("spent"):
        clinic.ward.authority.use(GUARD, standing, ref=first.request.ref, **GIVEN)
    clinic.ward.authority.use(GUARD, standing, ref=CallRef(run="r", call_id="x"), **GIVEN)
    with refused("spent"):
        clinic.ward.authority.use(GUARD, standing, ref=CallRef(run="r", call_id="x"), **GIVEN)
    assert uses(clinic, standing) == 1


def test_a_number_that_may_differ_up_to_a_limit_is_judged_here(clinic: Clinic) -> None:
    """By the guard's own policy and arguments: the service sees neither."""

    def order(item: str, amount: int) -> str:
        """Order something."""
        clinic.ran.append(amount)
        return "ordered"

    policy = clinic.folder / "policy.yaml"
    text = policy.read_text().replace("expires: 1h}", "expires: 1h, standing: {for: 1h, uses: 5}}")
    policy.write_text(text + "  order: {risk: high, decisive: [amount]}\n")
    guard = clinic.guard()

    def go(call_id: str, amount: int, item: str = "gloves") -> Any:
        with clinic.session(guard, suspend="raise") as session:
            return session.call(order, {"item": item, "amount": amount}, call_id=call_id)

    with pytest.raises(Suspended):
        go("c-0", 3)
    terms = StandingTerms(seconds=600.0, uses=5, vary=(Vary(argument="amount", at_most=10.0),))
    clinic.ward.decide(human("ada"), clinic.waiting(), Answer.APPROVE, standing=terms)
    assert go("c-0", 3) == "ordered"
    until_known(guard)
    assert go("c-1", 10) == "ordered"
    for call_id, amount, item in (("c-2", 11, "gloves"), ("c-3", -1, "gloves"), ("c-4", 3, "knives")):
        with pytest.raises(Suspended):
            go(call_id, amount, item)
    assert clinic.ran == [3, 10]
