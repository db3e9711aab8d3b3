"""Between a guard without a database and its service: whoever stands there, or writes to what is kept, lets nothing run."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from authority.ward import human
from remote.clinic import Clinic
from toolguard import Caller, Guard
from toolguard._core.approval import Answer, Approval, State, resolution_payload
from toolguard._core.receipt import ClaimReceipt, RegisterReceipt, receipt_of, receipt_payload
from toolguard._core.register import Heads
from toolguard._core.steps import Change, Claim, Update
from toolguard.detection import DefaultDetector
from toolguard.directory import Audience
from toolguard.errors import ConfigError, InvalidatedError, NotAllowedError, ServiceError, StoreError, ToolguardError
from toolguard.guard.session import Session
from toolguard.keys import Ed25519Signer, Purpose, SecretKey
from toolguard.remote import Link, mirror

Lie = Callable[[Clinic, httpx.Request, httpx.Response], httpx.Response]
STRANGER = Ed25519Signer(SecretKey.generate(Purpose.SIGN))


@pytest.fixture
def clinic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clinic]:
    monkeypatch.setattr(mirror, "_PATIENCE", 30.0)  # a service on a busy machine is not away
    clinic = Clinic(tmp_path)
    yield clinic
    clinic.close()


def shape(grant: Any) -> dict[str, str]:
    return {
        "payload": base64.b64encode(grant.payload).decode(),
        "signature": base64.b64encode(grant.signature).decode(),
        "key_id": grant.key_id,
    }


def changed(response: httpx.Response, **changes: Any) -> httpx.Response:
    return httpx.Response(
        response.status_code, headers={"content-type": "application/json"}, json={**response.json(), **changes}
    )


def lie(clinic: Clinic, path: str, tell: Lie) -> None:
    clinic.lies.append((path, lambda request, response: tell(clinic, request, response)))


def asked(clinic: Clinic, guard: Guard, path: str = "/out/a", call: str = "c-1") -> Approval:
    """A call that waits for its yes."""
    with clinic.session(guard, suspend="raise") as session, pytest.raises(ToolguardError) as caught:
        session.call(clinic.export, {"path": path}, call_id=call)
    assert caught.value.code == "suspended"
    return clinic.ward.read(caught.value.approval_id)  # type: ignore[attr-defined] # Suspended names its approval


def again(clinic: Clinic, guard: Guard, path: str = "/out/a", call: str = "c-1", **more: Any) -> ToolguardError:
    """The same call once more, which must not run."""
    with clinic.session(guard, suspend="raise", **more) as session, pytest.raises(ToolguardError) as caught:
        session.call(clinic.export, {"path": path}, call_id=call)
    assert clinic.ran == []
    return caught.value


# --- the register


def unheard(clinic: Clinic, session: Session) -> None:
    """What was allowed runs no more, once what is known of the register is too old."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            session.call(clinic.lookup, {"name": "x"})
        except StoreError:
            clinic.ran.clear()
            with pytest.raises(StoreError):
                session.call(clinic.lookup, {"name": "x"})
            assert clinic.ran == []
            return
        time.sleep(0.05)
    pytest.fail("it went on running")


def other_key(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    receipt = base64.b64decode(response.json()["receipt"]["payload"])
    return changed(response, receipt=shape(STRANGER.sign(receipt)))


def recorded(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    kept = clinic.__dict__.setdefault("kept", response)
    return httpx.Response(200, headers={"content-type": "application/json"}, content=kept.content)


def other_nonce(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return register_receipt(clinic, response, nonce="0" * 32)


def register_receipt(clinic: Clinic, response: httpx.Response, **changes: Any) -> httpx.Response:
    receipt = receipt_of(RegisterReceipt, base64.b64decode(response.json()["receipt"]["payload"]))
    return changed(response, receipt=shape(clinic.ward.signer.sign(receipt_payload(replace(receipt, **changes)))))


def other_tenant(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return register_receipt(clinic, response, tenant="st-lukes")


def slow_clock(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return register_receipt(clinic, response, at=time.time() - 31)


def fast_clock(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return register_receipt(clinic, response, at=time.time() + 31)


def longer_than_told(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return register_receipt(clinic, response, n=3)


def a_verdict_for_a_receipt(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return changed(response, receipt=shape(clinic.ward.signer.sign(b'{"v":2,"request":"x"}')))


def a_claim_for_a_register(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    receipt = ClaimReceipt(
        nonce=request.url.params["nonce"],
        tenant="st-marys",
        request="r",
        call_digest="c",
        grant="g",
        at=1.0,
        lease_until=2.0,
    )
    return changed(response, receipt=shape(clinic.ward.signer.sign(receipt_payload(receipt))))


def no_register(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return httpx.Response(404, headers={"content-type": "application/problem+json"}, json={"code": "not_found"})


def a_web_page(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "text/html"}, content=b"<html>welcome</html>")


def nothing(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "application/json"}, content=b"")


def a_list(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "application/json"}, content=b"[1]")


def nested(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    deep = b'{"receipt":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    return httpx.Response(200, headers={"content-type": "application/json"}, content=deep)


def endless(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "application/json"}, content=b" " * (3 * 1024 * 1024))


def packed(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    squeezed = gzip.compress(b" " * (64 * 1024 * 1024))
    return httpx.Response(
        200, headers={"content-type": "application/json", "content-encoding": "gzip"}, stream=httpx.ByteStream(squeezed)
    )


def elsewhere(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return httpx.Response(307, headers={"location": "http://127.0.0.1:8790/elsewhere"})


def broken(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return httpx.Response(502, headers={"content-type": "text/plain"}, content=b"bad gateway")


ANSWERS = [a_web_page, nothing, a_list, nested, endless, packed, elsewhere, broken]
REGISTERS = [
    other_key,
    recorded,
    other_nonce,
    other_tenant,
    slow_clock,
    fast_clock,
    longer_than_told,
    a_verdict_for_a_receipt,
    a_claim_for_a_register,
    no_register,
    *ANSWERS,
]


@pytest.mark.parametrize("tell", REGISTERS, ids=lambda tell: tell.__name__)
def test_a_register_that_is_not_the_services_own_answer_stops_every_call(clinic: Clinic, tell: Lie) -> None:
    guard = clinic.guard(clinic.store(within=1.0))
    with clinic.session(guard) as session:
        clinic.heard_of(session)
        lie(clinic, "/v1/register", tell)
        unheard(clinic, session)
    assert not any("elsewhere" in path for _, path in clinic.heard)


def test_a_freeze_that_is_kept_from_the_guard_stops_it_all_the_same(clinic: Clinic) -> None:
    guard = clinic.guard(clinic.store(within=1.0))
    with clinic.session(guard) as session:
        clinic.heard_of(session)
        lie(clinic, "/v1/register", recorded)
        while "kept" not in clinic.__dict__:
            time.sleep(0.02)
        clinic.ward.authority.freeze(human("sid"), agent="discharge-assistant", reason="odd")
        unheard(clinic, session)


def without_the_freeze(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return changed(response, acts=[])


def a_forged_act(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    acts = response.json()["acts"]
    for act in acts:
        act["payload"] = base64.b64encode(base64.b64decode(act["payload"]).replace(b"discharge", b"charlatan")).decode()
    return changed(response, acts=acts)


def an_act_of_a_stranger(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    acts = [shape(STRANGER.sign(base64.b64decode(act["payload"]))) for act in response.json()["acts"]]
    return changed(response, acts=acts)


@pytest.mark.parametrize(
    "tell", [without_the_freeze, a_forged_act, an_act_of_a_stranger], ids=lambda tell: tell.__name__
)
def test_a_freeze_is_not_taken_out_of_the_register_on_its_way(clinic: Clinic, tell: Lie) -> None:
    guard = clinic.guard(clinic.store(within=1.0))
    with clinic.session(guard) as session:
        clinic.heard_of(session)
        lie(clinic, "/v1/register", tell)
        clinic.ward.authority.freeze(human("sid"), agent="discharge-assistant", reason="odd")
        unheard(clinic, session)


def test_a_service_that_was_set_back_is_not_believed(clinic: Clinic) -> None:
    guard = clinic.guard(clinic.store(within=1.0))
    with clinic.session(guard) as session:
        clinic.heard_of(session)
        freeze = clinic.ward.authority.freeze(human("sid"), agent="other-assistant", reason="odd")
        deadline = time.monotonic() + 30
        while guard.parts.store._mirror.heads.tenant < 1:  # type: ignore[attr-defined] # until it was fetched
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert freeze.agent == "other-assistant"
        clinic.ward.store._acts.clear()  # type: ignore[attr-defined] # whoever restores a backup
        clinic.ward.authority = clinic.ward.another_authority()
        lie(
            clinic,
            "/v1/register",
            lambda c, q, r: register_receipt(c, r, n=0, last="0" * 64) if r.status_code == 200 else r,
        )
        unheard(clinic, session)


# --- the yes


def approved_by(clinic: Clinic, response: httpx.Response, grant: Any) -> httpx.Response:
    return changed(response, state="approved", version=2, grant=None if grant is None else shape(grant))


def unsigned(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return approved_by(clinic, response, None)


def signed_by_a_stranger(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return approved_by(clinic, response, STRANGER.sign(resolution_payload(would_be(clinic))))


def would_be(clinic: Clinic) -> Approval:
    """The approval as it would stand after a yes."""
    waiting = clinic.ward.store.list("st-marys")[0]
    return replace(waiting, state=State.APPROVED, version=2, grant_expires=time.time() + 600)


def nobodys_yes(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    """Signed by the service's own key, without any verdict."""
    return approved_by(clinic, response, clinic.ward.signer.sign(resolution_payload(would_be(clinic))))


def edited(change: Callable[[dict[str, Any]], None]) -> Lie:
    def tell(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
        signed = clinic.ward.store.list("st-marys")[0].grant
        assert signed is not None
        data = json.loads(signed.payload)
        change(data)
        forged = replace(signed, payload=json.dumps(data, separators=(",", ":"), sort_keys=True).encode())
        return changed(response, grant=shape(forged))

    return tell


def cut_signature(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    grant = response.json()["grant"]
    return changed(response, grant={**grant, "signature": ""}) if grant else response


def other_key_id(clinic: Clinic, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    grant = response.json()["grant"]
    return changed(response, grant={**grant, "key_id": STRANGER.public_key.id}) if grant else response


GRANTS: dict[str, tuple[bool, Lie]] = {
    "unsigned": (False, unsigned),
    "signed by a stranger": (False, signed_by_a_stranger),
    "signed, and nobody said yes": (False, nobodys_yes),
    "another's verdict": (True, edited(lambda data: data["verdicts"][0].update(person="grace"))),
    "a longer life": (True, edited(lambda data: data.update(grant_expires=data["grant_expires"] + 9000))),
    "another call": (True, edited(lambda data: data.update(call_digest="v1:0"))),
    "another tenant": (True, edited(lambda data: data.update(tenant="st-lukes"))),
    "another policy": (True, edited(lambda data: data.update(policy_sha256="0" * 64))),
    "an older form": (True, edited(lambda data: data.update(v=1))),
    "no form": (True, edited(lambda data: data.pop("v"))),
    "no verdicts": (True, edited(lambda data: data.update(verdicts=None))),
    "an empty signature": (True, cut_signature),
    "another key's name": (True, other_key_id),
}


@pytest.mark.parametrize("name", GRANTS)
def test_a_yes_that_the_service_did_not_sign_for_this_call_is_none(clinic: Clinic, name: str) -> None:
    real, tell = GRANTS[name]
    guard = clinic.guard()
    approval = asked(clinic, guard)
    if real:
        clinic.say(Answer.APPROVE, approval)
    lie(clinic, "/by-call", tell)
    refused = again(clinic, guard)
    assert isinstance(refused, NotAllowedError | ServiceError), refused
    assert not any(path.endswith("/claim") for _, path in clinic.heard)
    assert clinic.ward.read(approval.id).state is not State.EXECUTING


@pytest.mark.parametrize("which", ["another call's", "another agent's question for the same call"])
def test_a_yes_to_one_call_is_none_to_another(clinic: Clinic, which: str) -> None:
    guard = clinic.guard()
    first, second = asked(clinic, guard), asked(clinic, guard, "/out/b", "c-2")
    clinic.say(Answer.APPROVE, second)
    grant = clinic.ward.read(second.id).grant
    if which == "another call's":
        lie(clinic, "/by-call", lambda c, q, r: approved_by(c, r, grant))
    else:
        lie(clinic, "/by-call", lambda c, q, r: changed(approved_by(c, r, grant), id=second.id))
    again(clinic, guard)
    assert clinic.ward.read(first.id).state is not State.EXECUTING


def test_a_yes_of_who_asked_is_none_whatever_the_service_believes(clinic: Clinic) -> None:
    """The guard's own directory says who stands on the asking side."""
    guard = clinic.guard()
    approval = asked(clinic, guard)
    clinic.say(Answer.APPROVE, approval)
    directory = clinic.folder / "theirs.yaml"
    text = (clinic.ward.folder / "directory.yaml").read_text()
    directory.write_text(text.replace("owners: [noor]}\nservices", "owners: [noor, ada]}\nservices"))
    guard.close()
    other = clinic.guard(directory=directory)
    assert again(clinic, other).code == "invalidated"


def test_who_says_that_it_ran_does_not_make_it_run_nor_give_a_result(clinic: Clinic) -> None:
    guard = clinic.guard()
    asked(clinic, guard)
    lie(clinic, "/by-call", lambda c, q, r: changed(r, state="executed", version=4, outcome="ok"))
    assert again(clinic, guard).code == "replay"
    bound = guard.tool(clinic.export)
    with clinic.session(guard, suspend="raise") as session:
        permit = session.authorise(bound, {"path": "/out/a"}, ref=session.ref("c-1"), replays=True)
        with pytest.raises(NotAllowedError):
            session.execute(bound, permit, replays=True)
    assert clinic.ran == []


@pytest.mark.parametrize("tell", ANSWERS, ids=lambda tell: tell.__name__)
def test_what_is_no_answer_leaves_a_question_waiting(clinic: Clinic, tell: Lie) -> None:
    guard = clinic.guard()
    approval = asked(clinic, guard)
    clinic.say(Answer.APPROVE, approval)
    lie(clinic, "/by-call", tell)
    assert again(clinic, guard).code == "suspended"
    clinic.lies.clear()
    with clinic.session(guard, suspend="raise") as session:
        assert session.call(clinic.export, {"path": "/out/a"}, call_id="c-1") == "written"
    assert clinic.ran == ["/out/a"]


# --- the question


@pytest.mark.parametrize("tell", ANSWERS, ids=lambda tell: tell.__name__)
def test_a_question_that_nobody_took_is_taken_back(clinic: Clinic, tell: Lie) -> None:
    guard = clinic.guard()
    clinic.lies.append(("/v1/approvals", lambda q, r: tell(clinic, q, r) if q.method == "POST" else r))
    assert again(clinic, guard).code == "service"
    clinic.lies.clear()
    guard.parts.store._courier.wake()  # type: ignore[attr-defined] # it would look in a while
    until = time.monotonic() + 30
    while clinic.waiting().state is State.PENDING and time.monotonic() < until:
        time.sleep(0.05)
    assert clinic.waiting().state is State.WITHDRAWN


def test_an_answer_about_another_question_is_none(clinic: Clinic) -> None:
    guard = clinic.guard()
    clinic.lies.append(
        ("/v1/approvals", lambda q, r: changed(r, id="0" * 32) if q.method == "POST" and r.status_code == 201 else r)
    )
    assert again(clinic, guard).code == "service"


def test_a_question_whose_answer_is_lost_is_asked_once(clinic: Clinic) -> None:
    guard = clinic.guard()
    clinic.lost.add("/v1/approvals")
    assert again(clinic, guard).code == "service"
    assert len(clinic.ward.store.list("st-marys")) == 1


def test_nothing_in_clear_leaves_the_guard(clinic: Clinic) -> None:
    guard = clinic.guard(detector=DefaultDetector())
    mail = "maria.schmidt@example.org"

    def send(to: str, path: str) -> str:
        """Send a file."""
        return "sent"

    (clinic.folder / "policy.yaml").write_text(
        (clinic.folder / "policy.yaml")
        .read_text()
        .replace("  wipe:", "  send: {risk: high, decisive: [path]}\n  wipe:")
    )
    guard.reload()
    with clinic.session(guard, suspend="raise") as session, pytest.raises(ToolguardError) as caught:
        session.call(send, {"to": mail, "path": "/out"}, call_id="c-1")
    assert caught.value.code == "suspended"
    sent = b"".join(clinic.bodies)
    assert clinic.waiting().request.view["to"].startswith("<")
    assert mail.encode() not in sent
    assert base64.b64encode(mail.encode())[:-4] not in sent
    assert clinic.waiting().request.sealed


# --- the claim


def claim_receipt(
    clinic: Clinic, response: httpx.Response, signer: Ed25519Signer | None = None, **changes: Any
) -> httpx.Response:
    receipt = receipt_of(ClaimReceipt, base64.b64decode(response.json()["receipt"]["payload"]))
    signed = (signer or clinic.ward.signer).sign(receipt_payload(replace(receipt, **changes)))
    return changed(response, receipt=shape(signed))


CLAIMS: dict[str, Lie] = {
    "no receipt": lambda c, q, r: changed(r, receipt=None),
    "a grant for a receipt": lambda c, q, r: changed(r, receipt=r.json()["grant"]),
    "a stranger's receipt": lambda c, q, r: claim_receipt(c, r, STRANGER),
    "a receipt of another time": lambda c, q, r: claim_receipt(c, r, nonce="0" * 32),
    "a receipt for nobody's question": lambda c, q, r: claim_receipt(c, r, nonce=""),
    "a receipt for another request": lambda c, q, r: claim_receipt(c, r, request="0" * 32),
    "a receipt for another call": lambda c, q, r: claim_receipt(c, r, call_digest="v1:0"),
    "a receipt for another tenant": lambda c, q, r: claim_receipt(c, r, tenant="st-lukes"),
    "a receipt for another yes": lambda c, q, r: claim_receipt(c, r, grant="0" * 64),
    "a receipt of yesterday": lambda c, q, r: claim_receipt(c, r, at=time.time() - 86_400),
    "a lease that is over": lambda c, q, r: claim_receipt(c, r, lease_until=1.0),
    **{tell.__name__: tell for tell in ANSWERS},
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_without_the_services_own_word_for_it_runs_nothing(clinic: Clinic, name: str) -> None:
    guard = clinic.guard()
    approval = asked(clinic, guard)
    clinic.say(Answer.APPROVE, approval)
    lie(clinic, "/claim", CLAIMS[name])
    again(clinic, guard)
    clinic.lies.clear()
    assert clinic.ward.read(approval.id).state is State.EXECUTING  # it was given out, and nobody gets it again
    again(clinic, guard)


def test_a_claim_whose_answer_is_lost_is_spent(clinic: Clinic) -> None:
    guard = clinic.guard()
    clinic.say(Answer.APPROVE, asked(clinic, guard))
    clinic.lost.add("/claim")
    assert again(clinic, guard).code == "service"
    clinic.lost.clear()
    assert again(clinic, guard).code == "replay"


def test_a_claim_that_never_arrived_can_be_made_again(clinic: Clinic) -> None:
    guard = clinic.guard()
    clinic.say(Answer.APPROVE, asked(clinic, guard))
    clinic.cut.add("/claim")
    assert again(clinic, guard).code == "service"
    clinic.cut.clear()
    with clinic.session(guard, suspend="raise") as session:
        assert session.call(clinic.export, {"path": "/out/a"}, call_id="c-1") == "written"


def test_the_last_claims_answer_does_not_answer_the_next(clinic: Clinic) -> None:
    guard = clinic.guard()
    first, second = asked(clinic, guard), asked(clinic, guard, "/out/b", "c-2")
    kept: list[httpx.Response] = []
    clinic.lies.append(("/claim", lambda q, r: kept.append(r) or r))  # type: ignore[func-returns-value] # it notes, and passes on
    clinic.say(Answer.APPROVE, first)
    with clinic.session(guard, suspend="raise") as session:
        session.call(clinic.export, {"path": "/out/a"}, call_id="c-1")
    clinic.ran.clear()
    clinic.say(Answer.APPROVE, second)
    clinic.lies[:] = [("/claim", lambda q, r: httpx.Response(200, headers=kept[0].headers, content=kept[0].content))]
    again(clinic, guard, "/out/b", "c-2")


def test_of_many_threads_and_a_second_guard_one_runs_it(clinic: Clinic) -> None:
    guard, other = clinic.guard(), clinic.guard()
    clinic.say(Answer.APPROVE, asked(clinic, guard))
    errors: list[str] = []

    def go(who: Guard) -> None:
        with clinic.session(who, suspend="raise") as session:
            try:
                session.call(clinic.export, {"path": "/out/a"}, call_id="c-1")
            except ToolguardError as error:
                errors.append(error.code)

    threads = [threading.Thread(target=go, args=(who,)) for who in (guard, other) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clinic.ran == ["/out/a"]
    assert len(errors) == 7


def test_nothing_is_begun_past_the_claim(clinic: Clinic) -> None:
    """Code in the process that writes the claim itself still finds that the service gave out nothing."""
    guard = clinic.guard()
    approval = asked(clinic, guard)
    clinic.say(Answer.APPROVE, approval)
    store = guard.parts.store
    mine = store.get("st-marys", approval.id)
    assert mine is not None
    assert mine.state is State.APPROVED
    running = replace(mine, state=State.EXECUTING, version=mine.version + 1, lease_until=time.time() + 60)
    change = Change(
        tenant="st-marys",
        update=Update(approval=running, from_version=mine.version, from_state=mine.state),
        claim=Claim(ref=mine.request.ref, call_digest=mine.request.call_digest, asked=True),
        heads=Heads(),
    )
    with pytest.raises(ServiceError, match="not claimed"):
        store.commit(change)


def test_a_guard_that_was_not_told_that_it_is_remote_runs_nothing_approved(clinic: Clinic) -> None:
    guard = clinic.guard(remote=False)
    clinic.say(Answer.APPROVE, asked(clinic, guard))
    assert again(clinic, guard).code == "service"


# --- what changed in between


def revoke(clinic: Clinic, approval: Approval) -> None:
    clinic.ward.authority.revoke(human("grace"), approval.id, reason="no")


def veto(clinic: Clinic, approval: Approval) -> None:
    clinic.say(Answer.DENY, clinic.ward.read(approval.id), "grace")


def freeze(clinic: Clinic, approval: Approval) -> None:
    clinic.ward.authority.freeze(human("sid"), agent="discharge-assistant", reason="odd")


def unseat(clinic: Clinic, approval: Approval) -> None:
    clinic.ward.write_directory(
        lambda text: text.replace("owners: [noor]}\nservices", "owners: [noor, ada]}\nservices")
    )


def end_the_token(clinic: Clinic, approval: Approval) -> None:
    for entry in clinic.ward.tokens.entries():
        clinic.ward.tokens.revoke(entry.id)


@pytest.mark.parametrize("act", [revoke, veto, freeze, unseat, end_the_token], ids=lambda act: act.__name__)
def test_what_happens_between_the_last_look_and_the_claim_counts(
    clinic: Clinic, act: Callable[[Clinic, Approval], None]
) -> None:
    guard = clinic.guard()
    approval = asked(clinic, guard)
    clinic.say(Answer.APPROVE, approval)
    done: list[bool] = []

    def meanwhile(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if not done:
            done.append(True)
            act(clinic, approval)
        return response

    clinic.lies.append(("/by-call", meanwhile))
    again(clinic, guard)
    assert done
    assert clinic.ward.read(approval.id).state is not State.EXECUTING


# --- what is kept here


def rows(clinic: Clinic) -> sqlite3.Connection:
    return sqlite3.connect(clinic.folder / "guard.db")


def test_a_yes_written_into_the_guards_own_store_is_none(clinic: Clinic) -> None:
    guard = clinic.guard()
    approval = asked(clinic, guard)
    db = rows(clinic)
    db.execute("UPDATE approvals SET state = 'approved', version = 2, grant_expires = ?", (time.time() + 600,))
    db.commit()
    db.close()
    again(clinic, guard)
    assert clinic.ward.read(approval.id).state is not State.EXECUTING


def test_a_spent_yes_set_back_here_is_spent_there(clinic: Clinic) -> None:
    guard = clinic.guard()
    clinic.say(Answer.APPROVE, asked(clinic, guard))
    live, before = rows(clinic), sqlite3.connect(":memory:")
    live.backup(before)
    live.close()
    with clinic.session(guard, suspend="raise") as session:
        session.call(clinic.export, {"path": "/out/a"}, call_id="c-1")
    clinic.ran.clear()
    guard.close()
    for suffix in ("", "-wal", "-shm"):
        (clinic.folder / f"guard.db{suffix}").unlink(missing_ok=True)
    live = rows(clinic)
    before.backup(live)
    live.close()
    before.close()
    assert again(clinic, clinic.guard()).code == "replay"


# --- who is asked


@pytest.mark.parametrize(
    "url",
    [
        "http://approvals.example.org",
        "ftp://127.0.0.1",
        "http://127.0.0.1.example.org",
        "//x",
        "https://me:pw@a.example",
        "https://a.example/?x",
    ],
)
def test_a_token_is_not_sent_in_clear(url: str) -> None:
    with pytest.raises(ConfigError):
        Link(url, "token")


def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(1.0)
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        link = Link("https://127.0.0.1:9", "secret", seconds=2.0)
        with pytest.raises(ServiceError):
            link.ask("GET", "/v1/register")
        link.close()
        with pytest.raises(TimeoutError):
            proxy.accept()


def dripping(piece: bytes) -> tuple[socket.socket, threading.Thread]:
    """A server that answers with one more byte now and then, for ever."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        try:
            peer, _ = server.accept()
        except OSError:
            return
        with peer:
            peer.recv(65536)
            try:
                peer.sendall(piece)
                for _ in range(400):
                    peer.sendall(b"x")
                    time.sleep(0.05)
            except OSError:
                return

    thread = threading.Thread(target=answer)
    thread.start()
    return server, thread


@pytest.mark.parametrize(
    "piece",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nx: ",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n",
    ],
    ids=["a status line", "a header", "a body"],
)
def test_an_answer_that_drips_is_given_up(piece: bytes) -> None:
    server, thread = dripping(piece)
    link = Link(f"http://127.0.0.1:{server.getsockname()[1]}", "secret", seconds=1.0)
    begun = time.monotonic()
    with pytest.raises(ServiceError):
        link.ask("GET", "/v1/register")
    assert time.monotonic() - begun < 15  # it would drip for twenty
    link.close()
    server.close()
    thread.join()


def test_a_guard_speaks_for_its_tokens_tenant_and_agents_alone(clinic: Clinic) -> None:
    guard = clinic.guard()
    with guard.session(caller=Caller.of("luke", agent="discharge-assistant", tenant="st-lukes"), run="r") as session:
        with pytest.raises(StoreError):
            session.call(clinic.lookup, {"name": "x"})
    with guard.session(
        caller=Caller.of("ruiz", agent="other-assistant", tenant="st-marys"), run="r", suspend="raise"
    ) as session:
        with pytest.raises(NotAllowedError) as caught:
            session.call(clinic.export, {"path": "/out/a"})
    assert caught.value.code == "not_your_agent"
    assert clinic.ran == []
    assert clinic.ward.store.list("st-marys") == ()


@pytest.mark.parametrize("who", ["a person", "nobody"])
def test_only_a_services_token_is_good_for_it(clinic: Clinic, who: str) -> None:
    token = clinic.visitors.secret("ada", Audience.DECIDE) if who == "a person" else "tg_nothing"
    guard = clinic.guard(clinic.store(token=token))
    with clinic.session(guard) as session, pytest.raises(ServiceError):
        session.call(clinic.lookup, {"name": "x"})
    assert clinic.ran == []


def test_a_policy_that_changed_voids_the_yes_on_both_sides(clinic: Clinic) -> None:
    guard = clinic.guard()
    approval = asked(clinic, guard)
    clinic.say(Answer.APPROVE, approval)
    guard.close()
    policy = clinic.folder / "policy.yaml"
    policy.write_text(policy.read_text().replace("quorum: 1", "quorum: 2"))
    other = clinic.guard()
    error = again(clinic, other)
    assert isinstance(error, InvalidatedError)
    until = time.monotonic() + 30
    while clinic.ward.read(approval.id).state is State.APPROVED and time.monotonic() < until:
        time.sleep(0.02)
    assert clinic.ward.read(approval.id).state is State.WITHDRAWN
