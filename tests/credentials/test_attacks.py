"""What a tool might try to keep its credential, or to get another's. In-process code can be told no, not jailed."""

import asyncio
import base64
import contextvars
import gc
import inspect
import json
import os
import threading
import traceback
import urllib.parse

import httpx
import pytest

import toolguard
from toolguard import CredentialError
from toolguard.errors import ToolFailedError

KEPT = {}


def test_a_credential_kept_in_a_global_is_dead_after_the_call(session, drive, issuer):
    def read_ehr(ward: str) -> str:
        KEPT["token"], KEPT["call"] = toolguard.credential("ehr_token"), toolguard.current_call()
        return "ok"

    drive(session, "call", read_ehr, {"ward": "4B"})
    for late in (KEPT["token"].reveal, lambda: KEPT["call"].credential("ehr_token")):
        with pytest.raises(CredentialError, match="has ended"):
            late()
    assert len(issuer.given) == 1


def test_a_kept_credential_is_dead_inside_the_next_call_too(session, drive):
    def read_ehr(ward: str) -> str:
        if ward == "first":
            KEPT["token"] = toolguard.credential("ehr_token")
            return "ok"
        with pytest.raises(CredentialError, match="has ended"):
            KEPT["token"].reveal()
        return "still dead"

    drive(session, "call", read_ehr, {"ward": "first"})
    assert drive(session, "call", read_ehr, {"ward": "second"}) == "still dead"


def test_a_thread_of_its_own_is_outside_the_call(session, drive):
    told = []

    def ask(token):
        for what in (token.reveal, lambda: toolguard.credential("ehr_token")):
            try:
                told.append(what())
            except CredentialError as fault:
                told.append(str(fault))

    def read_ehr(ward: str) -> str:
        thread = threading.Thread(target=contextvars.Context().run, args=(ask, toolguard.credential("ehr_token")))
        thread.start()
        thread.join()
        return "ok"

    drive(session, "call", read_ehr, {"ward": "4B"})
    assert [("outside" in t, "no guarded call" in t) for t in told] == [(True, False), (False, True)]


def test_a_thread_that_took_the_context_along_is_cut_off_when_the_call_ends(session, drive, issuer):
    over, told = threading.Event(), []

    def linger(token):
        assert over.wait(10)
        for what in (token.reveal, lambda: toolguard.credential("ehr_token")):
            try:
                told.append(what())
            except CredentialError as fault:
                told.append(str(fault))

    threads = []

    def read_ehr(ward: str) -> str:
        context = contextvars.copy_context()
        threads.append(threading.Thread(target=context.run, args=(linger, toolguard.credential("ehr_token"))))
        threads[0].start()
        return "ok"

    drive(session, "call", read_ehr, {"ward": "4B"})
    over.set()
    threads[0].join()
    assert len(told) == 2
    assert all("has ended" in t for t in told)
    assert not issuer.live


def test_a_task_that_outlives_the_call_is_cut_off(session, issuer):
    told = []

    async def linger(token, over):
        await over.wait()
        for what in (token.reveal, lambda: toolguard.credential("ehr_token")):
            try:
                told.append(what())
            except CredentialError as fault:
                told.append(str(fault))

    async def run():
        over, tasks = asyncio.Event(), []

        async def read_ehr(ward: str) -> str:
            tasks.append(asyncio.create_task(linger(toolguard.credential("ehr_token"), over)))
            return "ok"

        await session.acall(read_ehr, {"ward": "4B"})
        over.set()
        await tasks[0]

    asyncio.run(run())
    assert len(told) == 2
    assert all("has ended" in t for t in told)


def test_what_is_acquired_while_the_call_ends_is_given_back_unseen(session, issuer, kinds):
    """The tool returns while a thread of its own still waits for the issuer."""
    gate, began, told, threads = threading.Event(), threading.Event(), [], []
    acquire = issuer.acquire

    def slow(name, use):
        began.set()
        assert gate.wait(10)
        return acquire(name, use)

    issuer.acquire = slow

    def ask():
        try:
            told.append(toolguard.credential("ehr_token").reveal())
        except CredentialError as fault:
            told.append(str(fault))

    def read_ehr(ward: str) -> str:
        threads.append(threading.Thread(target=contextvars.copy_context().run, args=(ask,)))
        threads[0].start()
        assert began.wait(10)
        return "ok"

    assert session.call(read_ehr, {"ward": "4B"}) == "ok"
    gate.set()
    threads[0].join()
    assert "has ended" in told[0]
    assert (len(issuer.given), issuer.live) == (1, set())
    assert kinds()[-1][0] == "revoked"


def test_a_sibling_cannot_ask_for_another_tools_credential(session, drive, issuer, kinds):
    def read_lab(ward: str) -> str:
        with pytest.raises(CredentialError, match="the policy does not give it"):
            toolguard.credential("ehr_token")
        return "ok"

    assert drive(session, "call", read_lab, {"ward": "4B"}) == "ok"
    assert issuer.given == []
    assert kinds() == [("refused", "ehr_token", "", "undeclared")]


def test_what_a_tool_asks_for_is_not_echoed(session, desk):
    """A tool that asks by what the model wrote must not carry it into errors or records."""

    def read_ehr(ward: str) -> str:
        toolguard.credential(ward)
        return "never"

    with pytest.raises(ToolFailedError) as failed:
        session.call(read_ehr, {"ward": "Ada Byron, MRN 4711"})
    assert "Byron" not in str(failed.value.original)
    assert all("Byron" not in str(r.draft.body) for r in desk.store.records())


def test_a_credential_handed_to_a_nested_call_is_of_no_use_there(session, issuer):
    def plain(ward: str) -> str:
        with pytest.raises(CredentialError, match="belongs to the call it was given to"):
            KEPT["outer"].reveal()
        with pytest.raises(CredentialError, match="has no credentials"):
            toolguard.credential("ehr_token")
        return "ok"

    def outer(ward: str) -> str:
        KEPT["outer"] = toolguard.credential("ehr_token")
        inner = session.call(plain, {"ward": ward})
        assert KEPT["outer"].reveal() in issuer.live
        return inner

    assert session.call(outer, {"ward": "4B"}) == "ok"


ENCODINGS = [
    pytest.param(lambda v: v, id="as it is"),
    pytest.param(lambda v: f"Bearer {v}!", id="inside text"),
    pytest.param(lambda v: base64.b64encode(v.encode()).decode(), id="base64"),
    pytest.param(lambda v: base64.b64encode(f"user:{v}".encode()).decode(), id="basic auth"),
    pytest.param(lambda v: base64.b64encode(f"u:{v}:x".encode()).decode(), id="base64, shifted"),
    pytest.param(lambda v: base64.urlsafe_b64encode(v.encode()).decode().rstrip("="), id="base64, for URLs"),
    pytest.param(lambda v: base64.encodebytes(v.encode() * 4).decode(), id="base64 in lines"),
    pytest.param(lambda v: v.encode().hex(), id="hex"),
    pytest.param(lambda v: v.encode().hex().upper(), id="HEX"),
    pytest.param(lambda v: urllib.parse.quote(v, safe=""), id="URL-encoded"),
    pytest.param(lambda v: "".join(f"%{b:02x}" for b in v.encode()), id="URL-encoded throughout"),
    pytest.param(lambda v: json.dumps(json.dumps({"t": v})), id="JSON in JSON"),
    pytest.param(lambda v: " ".join(v), id="spaced out"),
    pytest.param(lambda v: {"deep": [{"er": v}]}, id="deep inside"),
    pytest.param(lambda v: {v: 1}, id="as a key"),
    pytest.param(lambda v: v.encode(), id="bytes"),
]


@pytest.mark.parametrize("encode", ENCODINGS)
@pytest.mark.parametrize("tool", ["read_ehr", "raw"])
def test_a_result_does_not_carry_the_credential_out(session, drive, issuer, desk, encode, tool):
    def read(ward: str):
        return encode(toolguard.credential("ehr_token").reveal())

    read.__name__ = tool
    result = repr(drive(session, "call", read, {"ward": "4B"}))
    value = issuer.given[0]
    assert "[credential]" in result
    core = base64.b64encode(b"..." + value.encode() + b"...").decode()[8:-8]
    for trace in (value, value[:16], core, value.encode().hex()[:24], "%74%6f%6b"):
        assert trace not in result
    assert all(value not in str(r.draft.body) for r in desk.store.records())


class _Stubborn(Exception):
    """Keeps its text where nobody can change it."""

    __slots__ = ()

    def __str__(self):
        return f"401 for {KEPT['stubborn']}"


@pytest.mark.parametrize(
    "fail",
    [
        pytest.param(lambda v: ValueError(f"401 for {v}"), id="text"),
        pytest.param(lambda v: ValueError("401", {"headers": [("Authorization", f"Bearer {v}")]}), id="arguments"),
        pytest.param(lambda v: OSError(2, "no such", f"/run/{v}"), id="file name"),
        pytest.param(lambda v: KeyError(base64.b64encode(v.encode())), id="bytes"),
        pytest.param(lambda v: _Stubborn(), id="stubborn"),
        pytest.param(lambda v: ExceptionGroup("several", [ValueError(v), KeyError(v)]), id="group"),
    ],
)
def test_an_exception_does_not_carry_the_credential_out(session, drive, issuer, fail):
    def read_ehr(ward: str) -> str:
        value = KEPT["stubborn"] = toolguard.credential("ehr_token").reveal()
        try:
            raise RuntimeError(f"inner {value}")
        except RuntimeError as inner:
            fault = fail(value)
            fault.add_note(f"with {value}")
            fault.response = {"token": value}
            raise fault from inner

    with pytest.raises(ToolFailedError) as failed:
        drive(session, "call", read_ehr, {"ward": "4B"})
    value = issuer.given[0]
    original = failed.value.original
    told = traceback.TracebackException.from_exception(original, capture_locals=True).format()
    shown = "".join([failed.value.masked_message, failed.value.model_text, repr(original), *told])
    assert value not in shown
    assert base64.b64encode(value.encode()).decode() not in shown
    assert not issuer.live


def test_a_clients_exception_does_not_carry_the_request_out(session, drive, issuer):
    """As HTTP clients raise them: the text is harmless, the request hangs from it with its headers."""

    def read_ehr(ward: str) -> str:
        headers = {"Authorization": f"Bearer {toolguard.credential('ehr_token').reveal()}"}
        request = httpx.Request("GET", "https://ehr.example/", headers=headers)
        httpx.Response(401, request=request).raise_for_status()
        return "never"

    with pytest.raises(ToolFailedError) as failed:
        drive(session, "call", read_ehr, {"ward": "4B"})
    original = failed.value.original
    assert isinstance(original, httpx.HTTPStatusError)
    assert "401" in str(original)
    gc.collect()
    held = [
        h for h in gc.get_objects() if isinstance(h, httpx.Headers) and issuer.given[0] in h.get("authorization", "")
    ]
    assert held == []


def test_what_an_exception_holds_and_is_harmless_stays(session, drive):
    def read_ehr(ward: str) -> str:
        toolguard.credential("ehr_token")
        fault = LookupError("no such ward", 404)
        fault.details = {"wards": ["4A", "4C"]}
        raise fault

    with pytest.raises(ToolFailedError) as failed:
        drive(session, "call", read_ehr, {"ward": "4B"})
    assert failed.value.original.args == ("no such ward", 404)
    assert failed.value.original.details == {"wards": ["4A", "4C"]}


def test_after_a_cancellation_it_cannot_be_read_and_is_given_back(session, issuer, kinds):
    async def run():
        started = asyncio.Event()

        async def read_ehr(ward: str) -> str:
            KEPT["token"] = await toolguard.acredential("ehr_token")
            started.set()
            try:
                await asyncio.sleep(60)
            finally:
                KEPT["in finally"] = KEPT["token"].reveal() == issuer.given[0]
            return "never"

        task = asyncio.create_task(session.acall(read_ehr, {"ward": "4B"}))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert KEPT["in finally"]  # cleaning up is still part of the call
    with pytest.raises(CredentialError, match="has ended"):
        KEPT["token"].reveal()
    assert not issuer.live
    assert [k for k, *_ in kinds()] == ["released", "revoked"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interruption_gives_it_back_and_carries_nothing_out(session, issuer, interruption):
    def read_ehr(ward: str) -> str:
        raise interruption(f"while holding {toolguard.credential('ehr_token').reveal()}")

    with pytest.raises(interruption) as raised:
        session.call(read_ehr, {"ward": "4B"})
    assert issuer.given[0] not in repr(raised.value)
    assert not issuer.live


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_forked_process_has_no_part_in_the_call(session, issuer):
    def read_ehr(ward: str) -> str:
        token = toolguard.credential("ehr_token")
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            told = []
            for ask in (token.reveal, lambda: toolguard.credential("ehr_token")):
                try:
                    told.append("GOT " + str(ask()))
                except CredentialError as fault:
                    told.append(str(fault))
            os.write(writing, "\n".join(told).encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            KEPT["child"] = pipe.read().decode().splitlines()
        assert token.reveal() in issuer.live  # the parent's lease is untouched
        return "ok"

    assert session.call(read_ehr, {"ward": "4B"}) == "ok"
    assert len(KEPT["child"]) == 2
    assert all("forked process has no part" in line for line in KEPT["child"])
    assert not issuer.live


def test_once_the_call_is_over_nothing_holds_the_value(session, drive, issuer):
    def read_ehr(ward: str) -> str:
        return "got " + toolguard.credential("ehr_token").reveal()

    drive(session, "call", read_ehr, {"ward": "4B"})
    value = issuer.given.pop()
    gc.collect()
    assert [type(holder) for holder in gc.get_referrers(value) if not inspect.isframe(holder)] == []
