"""Between guard and service: who else may say that the service stands by a call, and what a second factor is worth."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from attacks.test_gates_standing import ASKED, POLICY, Gate
from toolguard._core.approval import Answer, Approval, State
from toolguard._core.policy import Policy
from toolguard.authority import Service
from toolguard.authority.confirm import Confirming
from toolguard.confirm import ServiceConfirmer
from toolguard.directory import SecondFactors
from toolguard.errors import ApprovalError, ConfigError, IdentityError, StoreError, ToolguardError
from toolguard.keys import PinnedVerifier
from toolguard.policyfile import load_policy
from toolguard.witness import Witness


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path)
    yield gate
    gate.desk.store.close()


@pytest.fixture
def approved(gate: Gate) -> Approval:
    return gate.say(Answer.APPROVE, gate.ask("c", ASKED))


class Impostor:
    """Something that answers where the service should."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.asked: list[tuple[str, str]] = []
        asked = self.asked

        class Answers(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked.append((self.path, self.headers.get("Authorization", "")))
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


SPOOFS: dict[str, tuple[int, Callable[[Approval], bytes]]] = {
    "an empty page": (200, lambda a: b""),
    "a web page": (200, lambda a: b"<html>welcome</html>"),
    "yes": (200, lambda a: b"true"),
    "another approval": (200, lambda a: json.dumps({"id": "0" * 32, "state": "approved"}).encode()),
    "another state": (200, lambda a: json.dumps({"id": a.id, "state": "pending"}).encode()),
    "only the id": (200, lambda a: json.dumps({"id": a.id}).encode()),
    "a list": (200, lambda a: json.dumps([a.id, "approved"]).encode()),
    "nested without end": (200, lambda a: b"[" * 100_000),
    "accepted": (202, lambda a: json.dumps({"id": a.id, "state": "approved"}).encode()),
    "created": (201, lambda a: json.dumps({"id": a.id, "state": "approved"}).encode()),
    "nothing to say": (204, lambda a: b""),
    "elsewhere": (307, lambda a: b""),
    "moved": (301, lambda a: b""),
    "too many": (429, lambda a: b""),
    "a failure": (500, lambda a: b""),
}


@pytest.mark.parametrize(("status", "body"), SPOOFS.values(), ids=SPOOFS)
def test_no_other_answer_passes_for_the_services_yes(
    approved: Approval, status: int, body: Callable[[Approval], bytes]
) -> None:
    elsewhere = Impostor(200, json.dumps({"id": approved.id, "state": "approved"}).encode())
    impostor = Impostor(status, body(approved), {"Location": f"{elsewhere.url}/v1/approvals/{approved.id}/confirm"})
    with pytest.raises(StoreError):  # and the approval is not spoilt by what is no word of the service
        ServiceConfirmer(impostor.url, "tg_service_x")(approved)
    assert elsewhere.asked == [], "the token was handed on"
    impostor.close()
    elsewhere.close()


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_t18_a_question_that_stays_on_this_machine_goes_to_no_proxy(
    approved: Approval, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    proxy = Impostor(200, json.dumps({"id": approved.id, "state": "approved"}).encode())
    monkeypatch.setenv(name, proxy.url)
    with pytest.raises(StoreError, match="cannot be asked"):
        ServiceConfirmer("http://127.0.0.1:9", "tg_service_secret")(approved)
    assert proxy.asked == []
    proxy.close()


# --- confirming


@pytest.fixture
def confirming(gate: Gate, tmp_path: Path) -> Confirming:
    verifier = PinnedVerifier(gate.desk.trusted)
    return Confirming(gate.desk.store, gate.desk.directory, verifier, Witness(tmp_path / "witness", "store"))


def service(*agents: str, tenant: str = "general") -> Service:
    return Service(name="guard", tenant=tenant, agents=frozenset(agents or {"discharge-agent"}), auth="token:1")


def test_an_approval_is_confirmed_once_to_many_who_ask_at_once(confirming: Confirming, approved: Approval) -> None:
    start, told = threading.Barrier(8), []

    def ask() -> None:
        start.wait()
        try:
            confirming.confirm(service(), approved.id, approved.request.call_digest)
            told.append("yes")
        except ToolguardError as no:
            told.append(no.code)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["spent"] * 7 + ["yes"]


def test_who_may_not_ask_learns_nothing_and_spends_nothing(
    gate: Gate, confirming: Confirming, approved: Approval
) -> None:
    digest = approved.request.call_digest
    for actor in (service("other-agent"), service(tenant="other"), gate.desk.human("chen"), gate.desk.human("ana")):
        with pytest.raises(ToolguardError):
            confirming.confirm(actor, approved.id, digest)
    for wrong in ("", "v1:0", digest.upper(), digest + " "):
        with pytest.raises(ApprovalError):
            confirming.confirm(service(), approved.id, wrong)
    assert confirming.confirm(service(), approved.id, digest).state is State.APPROVED


BETWEEN: dict[str, Callable[[Gate, Approval], object]] = {
    "frozen": lambda g, a: g.authority.freeze(g.desk.human("tess"), agent="discharge-agent", reason="stop"),
    "everyone frozen": lambda g, a: g.authority.freeze(g.desk.human("tess"), everyone=True, reason="stop"),
    "vetoed": lambda g, a: g.say(Answer.DENY, a.id, by="wu", version=None),
    "revoked": lambda g, a: g.authority.revoke(g.desk.human("wu"), a.id, reason="no"),
    "withdrawn": lambda g, a: g.authority.withdraw(g.desk.human("ana"), a.id),
}


@pytest.mark.parametrize("act", BETWEEN.values(), ids=BETWEEN)
def test_what_happens_between_the_confirmation_and_the_claim_stops_the_claim(
    gate: Gate, confirming: Confirming, approved: Approval, act: Callable[[Gate, Approval], object]
) -> None:
    """Confirmed, and taken back before it is claimed: the claim compares once more, in its own transaction."""

    def confirm(asked: Approval) -> None:
        confirming.confirm(service(), asked.id, asked.request.call_digest)
        act(gate, asked)

    critical = gate.desk.guard(critical_policy(), confirm=confirm).session(caller=gate.ana, run="r")
    tool = gate.tool()
    with pytest.raises(ToolguardError):
        critical.call(tool, ASKED, call_id="k")
    waiting = gate.desk.store.list("general", states=(State.PENDING,))
    gate.say(Answer.APPROVE, waiting[0].id)
    with pytest.raises(ToolguardError):
        critical.call(tool, ASKED, call_id="k")
    assert gate.ran == []


def critical_policy() -> Policy:
    text = POLICY.replace("send: {risk: high", "send: {risk: critical") + (
        "defaults: {by_risk: {critical: require_approval}}\n"
        "rules:\n  - {id: ask, because: It cannot be undone., match: {tool: send}, effect: require_approval}\n"
    )
    return load_policy(text, name="gates")


# --- second factors


class Hour:
    def __init__(self) -> None:
        self.at = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def hour() -> Hour:
    return Hour()


@pytest.fixture
def factors(tmp_path: Path, hour: Hour) -> SecondFactors:
    return SecondFactors(tmp_path / "factors.json", now=hour)


def code_of(factors: SecondFactors, who: str, at: float) -> str:
    secret = parse_qs(urlsplit(factors.enrol(who)).query)["secret"][0]
    return pyotp.TOTP(secret).at(dt.datetime.fromtimestamp(at, dt.UTC))


def test_a_code_is_good_for_one_person_once_whoever_checks_it(
    tmp_path: Path, factors: SecondFactors, hour: Hour
) -> None:
    mine = code_of(factors, "wu", hour())
    factors.enrol("chen")
    with pytest.raises(IdentityError):
        factors.verify("chen", mine)
    with pytest.raises(IdentityError):
        factors.verify("nobody", mine)
    start, told = threading.Barrier(6), []

    def step_up() -> None:
        other = SecondFactors(tmp_path / "factors.json", now=hour)
        start.wait()
        try:
            other.verify("wu", mine)
            told.append("in")
        except IdentityError:
            told.append("out")

    threads = [threading.Thread(target=step_up) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["in"] + ["out"] * 5


@pytest.mark.parametrize("step", [-90.0, -60.0, -30.0, 30.0, 60.0])
def test_a_code_that_was_used_is_not_good_again_whatever_the_clock_does(
    factors: SecondFactors, hour: Hour, step: float
) -> None:
    code = code_of(factors, "wu", hour())
    factors.verify("wu", code)
    hour.at += step
    with pytest.raises(IdentityError):
        factors.verify("wu", code)


def test_guessing_is_slowed_across_restarts(tmp_path: Path, factors: SecondFactors, hour: Hour) -> None:
    """Five wrong ones in five minutes, whoever asks, also of a service that was started anew each time."""
    right = code_of(factors, "wu", hour())
    wrong = "000000" if right != "000000" else "111111"
    looked_at = 0
    for _ in range(50):
        with pytest.raises(IdentityError) as no:
            SecondFactors(tmp_path / "factors.json", now=hour).verify("wu", wrong)
        looked_at += "wait" not in str(no.value)
    assert looked_at == 5
    with pytest.raises(IdentityError):
        factors.verify("wu", right)


def test_a_day_of_guessing_leaves_a_code_out_of_reach(factors: SecondFactors, hour: Hour) -> None:
    """Who has somebody's token and nothing else: the pauses grow, so that a day gives few tries."""
    factors.enrol("wu")
    looked_at, end = 0, hour.at + 86400.0
    while hour.at < end:
        with pytest.raises(IdentityError) as no:
            factors.verify("wu", "no-code")
        if "wait" in str(no.value):
            hour.at += 300.0
        else:
            looked_at += 1
    assert looked_at <= 150


# --- the witness


@pytest.fixture
def witness(gate: Gate, tmp_path: Path, approved: Approval) -> Witness:
    witness = Witness(tmp_path / "witness", "store")
    gate.authority.freeze(gate.desk.human("tess"), agent="x", reason="stop")
    witness.note(gate.desk.store, ("general", "*"))
    assert witness.spend("spent", time.time() + 60, time.time())
    return witness


SPOILT: dict[str, Callable[[Path], object]] = {
    "cut short": lambda p: p.write_bytes(p.read_bytes()[:40]),
    "empty": lambda p: p.write_bytes(b""),
    "a list": lambda p: p.write_bytes(b"[]"),
    "with a field too many": lambda p: p.write_bytes(b'{"version": 1, "x": 1}'),
    "open to others": lambda p: p.chmod(0o644),
    "a folder": lambda p: (p.unlink(), p.mkdir()),
    "deleted": lambda p: p.unlink(),
    "put back to nothing": lambda p: p.write_bytes(b"{}"),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_witness_that_forgot_is_not_believed(
    gate: Gate, witness: Witness, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    spoil(tmp_path / "witness")
    for look in (
        lambda: witness.check(gate.desk.store),
        lambda: witness.note(gate.desk.store, ("general",)),
        lambda: witness.spend("spent", time.time() + 60, time.time()),
    ):
        with pytest.raises((ConfigError, StoreError)):
            look()


def test_the_witness_of_one_store_does_not_speak_for_another(gate: Gate, witness: Witness, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        Witness(tmp_path / "witness", "another").check(gate.desk.store)


def test_many_who_note_at_once_leave_the_witness_whole(gate: Gate, witness: Witness, tmp_path: Path) -> None:
    faults: list[Exception] = []

    def work(n: int) -> None:
        mine = Witness(tmp_path / "witness", "store")
        try:
            for i in range(5):
                mine.note(gate.desk.store, ("general",))
                assert mine.spend(f"{n}-{i}", time.time() + 60, time.time())
        except Exception as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    for name in ("spent", *(f"{n}-{i}" for n in range(4) for i in range(5))):
        assert not witness.spend(name, time.time() + 60, time.time())


def test_a_link_in_place_of_the_witness_is_replaced_and_what_it_points_at_left_alone(
    gate: Gate, witness: Witness, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_bytes((tmp_path / "witness").read_bytes())
    other.chmod(0o600)
    before = other.read_bytes()
    (tmp_path / "witness").unlink()
    (tmp_path / "witness").symlink_to(other)
    witness.spend("more", time.time() + 60, time.time())
    assert other.read_bytes() == before
    assert not (tmp_path / "witness").is_symlink()
