"""Runs that wait for a person: real authority, SQLite, the pause written down, gone on with elsewhere."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import toolguard
from adapters.openai.ward import (
    DETECTOR,
    MRN,
    NAME,
    POLICY,
    RAN,
    USER,
    Ward,
    ana,
    assert_masked,
    export_all,
    fails,
    look_up,
    send_letter,
)
from toolguard import Guard, Suspended
from toolguard.errors import ApprovalError, ConfigError, IdentityError
from toolguard.policyfile import load_policy
from toolguard.testing.openai_server import ModelRequest, OpenAIServer, Reply, Use, in_turn, say, use
from toolguard_openai import RunResult, SuspendedRun, ToolBox

DURABLE = True
"""These tests keep their approvals in SQLite (see conftest.py)."""
LETTER_IN_CLEAR = f"Dear {NAME}, your record is {MRN}."
LETTER = {"to": "<PERSON_1>", "body": "Dear <PERSON_1>, your record is <MRN_1>."}


def letter(request: ModelRequest) -> Reply:
    """A model that looks a patient up, writes a letter, and tries to export, all at once; then reports."""
    if request.outputs:
        return say(" | ".join(request.outputs))
    return use(
        Use("look_up", {"mrn": "<MRN_1>"}, id="a"),
        Use("send_letter", LETTER, id="b"),
        Use("export_all", {"path": "x"}, id="c"),
        text="The patient asked for it.",
    )


def box_of(guard: Guard) -> ToolBox:
    return ToolBox(look_up, send_letter, export_all, fails, guard=guard)


def go_on_elsewhere(ward: Ward, server: OpenAIServer, blob: str) -> dict[str, Any]:
    """Resume in a process of its own."""
    (ward.folder / "blob.json").write_text(blob, "utf-8")
    (ward.folder / "policy.yaml").write_text(POLICY, "utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "TG_SEAL": ward.desk.seal_key.line,
        "TG_TRUSTED": ward.desk.trusted[0],
    }
    script = Path(__file__).with_name("other_process.py")
    done = subprocess.run(
        [sys.executable, str(script), str(ward.folder), server.base_url, "sync" if ward.sync else "async"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def suspended(ward: Ward, script: Any = letter) -> tuple[OpenAIServer, Guard, SuspendedRun]:
    server, guard = ward.server(script), ward.guard()
    with ana(guard):
        paused = await ward.run(box_of(guard), ward.client(server, guard))
    assert isinstance(paused, SuspendedRun)
    return server, guard, paused


@pytest.mark.parametrize("ward", ["chat-sync", "responses-async"], indirect=True)
async def test_s8_s11_s17_a_suspended_run_goes_on_in_another_process_and_runs_exactly_once(ward: Ward) -> None:
    server, _, paused = await suspended(ward)
    assert [(p.tool, p.call_id, p.ordinal) for p in paused.pending] == [("send_letter", "b", 1)]
    assert [c.outcome for c in paused.calls] == ["executed", "denied"]
    assert [name for name, *_ in RAN] == ["look_up"]
    blob = paused.to_json()
    assert_masked(blob + repr(paused))
    assert paused.pending[0].call_digest in blob

    ward.desk.approve(paused.pending[0].approval_id)
    elsewhere = go_on_elsewhere(ward, server, blob)
    assert elsewhere["ran"] == [["send_letter", NAME, LETTER_IN_CLEAR]], "once, and the sibling not again"
    first, again = elsewhere["told"]
    assert first["calls"] == ["replayed", "executed", "denied"]
    assert "<PERSON_1> may go home." in first["text"]
    assert "sent to <PERSON_1>" in first["text"]
    assert again["text"] == first["text"], "a replayed blob gives what is recorded"
    assert again["calls"] == ["replayed", "replayed", "denied"]
    assert_masked(server.seen)


async def test_s12_one_request_and_one_record_of_each_kind_however_often_a_run_is_resumed(ward: Ward) -> None:
    server, guard, paused = await suspended(ward)
    blob = paused.to_json()
    for _ in range(3):
        with ana(guard, run=paused.run, id=paused.session):
            still = await ward.resume(box_of(guard), ward.client(server, guard), blob)
        assert isinstance(still, SuspendedRun)
        assert still.pending == paused.pending
        blob = still.to_json()
    assert len(server.requests) == 1, "the model is not asked again before a person has decided"
    kinds = [r.draft.kind.value for r in ward.desk.store.records() if r.draft.call]
    assert kinds.count("approval.requested") == 1
    assert kinds.count("call.executing") == 1
    assert kinds.count("call.decided") == 3
    assert len(ward.desk.store.list("general")) == 1


async def test_the_model_learns_that_a_person_said_no(ward: Ward) -> None:
    server, guard, paused = await suspended(ward)
    ward.desk.deny(paused.pending[0].approval_id)
    with ana(guard, run=paused.run, id=paused.session):
        result = await ward.resume(box_of(guard), ward.client(server, guard), paused.to_json())
    assert "A person reviewed this call and said no." in result.text
    assert [c.outcome for c in result.calls] == ["replayed", "denied_by_person", "denied"]
    assert [name for name, *_ in RAN] == ["look_up"]


async def test_s14_who_asks_cannot_approve(ward: Ward) -> None:
    server, guard, paused = await suspended(ward)
    waiting = paused.pending[0].approval_id
    for who in ({"by": "ana"}, {"by": "7781", "issuer": "badge"}, {"by": "okafor"}):
        with pytest.raises(ApprovalError):
            ward.desk.approve(waiting, **who)
    with ana(guard, run=paused.run, id=paused.session):
        still = await ward.resume(box_of(guard), ward.client(server, guard), paused.to_json())
    assert isinstance(still, SuspendedRun)
    assert [name for name, *_ in RAN] == ["look_up"]


def change(blob: str, old: str, new: str) -> str:
    changed = blob.replace(old, new)
    assert changed != blob
    return changed


async def test_s9_arguments_changed_in_the_blob_are_refused_and_the_approval_is_void(ward: Ward) -> None:
    server, guard, paused = await suspended(ward)
    ward.desk.approve(paused.pending[0].approval_id)
    blob = change(paused.to_json(), "Dear <PERSON_1>", "Dear <PERSON_1> and everybody")
    with ana(guard, run=paused.run, id=paused.session):
        result = await ward.resume(box_of(guard), ward.client(server, guard), blob)
        assert [c.outcome for c in result.calls] == ["replayed", "invalidated", "denied"]
        again = await ward.resume(box_of(guard), ward.client(server, guard), paused.to_json())
    assert [c.outcome for c in again.calls][1] == "invalidated", (
        "the approval does not come back with the right arguments"
    )
    assert [name for name, *_ in RAN] == ["look_up"]


@pytest.mark.parametrize("what", ["call-id", "tool", "sibling", "approval-id"])
async def test_s10_a_blob_that_was_tampered_with_runs_nothing_a_person_did_not_see(ward: Ward, what: str) -> None:
    server, guard, paused = await suspended(ward)
    ward.desk.approve(paused.pending[0].approval_id)
    blob = paused.to_json()
    if what == "call-id":  # another call, which nobody approved
        blob = change(blob, '"b"', '"z"')
    elif what == "tool":
        blob = change(blob, '"name": "send_letter"', '"name": "export_all"')
    elif what == "sibling":  # the call that ran, with other arguments
        blob = change(blob, '\\"mrn\\": \\"<MRN_1>\\"', '\\"mrn\\": \\"1\\"')
    else:
        blob = change(blob, paused.pending[0].approval_id, "0" * 32)
    with ana(guard, run=paused.run, id=paused.session):
        result = await ward.resume(box_of(guard), ward.client(server, guard), blob)
    letters = [r for r in RAN if r[0] == "send_letter"]
    assert [name for name, *_ in RAN].count("look_up") == 1
    assert not any(name == "export_all" for name, *_ in RAN)
    match what:
        case "call-id":
            assert isinstance(result, SuspendedRun)
            assert letters == []
        case "tool":
            assert [c.outcome for c in result.calls] == ["replayed", "bad_arguments", "denied"]
            assert letters == []
        case "sibling":
            assert [c.outcome for c in result.calls] == ["replay", "executed", "denied"]
        case "approval-id":  # what the blob says of it is never believed, so it does no harm
            assert len(letters) == 1


async def test_s10_two_resumes_at_once_run_it_once(ward: Ward) -> None:
    server, guard, paused = await suspended(ward)
    ward.desk.approve(paused.pending[0].approval_id)
    blob = paused.to_json()
    results: list[Any] = []

    def one() -> None:
        session = ana(guard, run=paused.run, id=paused.session)
        box = ToolBox(look_up, send_letter, export_all, fails, guard=guard, session=session)
        if ward.sync:
            results.append(box.resume(ward.client(server, guard), blob))

    if ward.sync:
        threads = [threading.Thread(target=one) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    else:
        with ana(guard, run=paused.run, id=paused.session):
            client = ward.client(server, guard)
            results += await asyncio.gather(*(ward.resume(box_of(guard), client, blob) for _ in range(4)))
    assert len(results) == 4
    assert len([r for r in RAN if r[0] == "send_letter"]) == 1


async def test_s13_an_expired_approval_runs_nothing(ward: Ward) -> None:
    server, guard, paused = await suspended(ward)
    ward.desk.approve(paused.pending[0].approval_id)
    store = ward.desk.store
    late = store.now() + 7200

    class Later:
        def now(self) -> float:
            return late

        def monotonic(self) -> float:
            return time.monotonic()

    guard = ward.guard(clock=Later())
    with ana(guard, run=paused.run, id=paused.session):
        result = await ward.resume(box_of(guard), ward.client(server, guard), paused.to_json())
    assert [c.outcome for c in result.calls] == ["replayed", "expired", "denied"]
    assert [name for name, *_ in RAN] == ["look_up"]


async def test_s11_a_sibling_that_failed_does_not_run_again(ward: Ward) -> None:
    def script(request: ModelRequest) -> Reply:
        if request.outputs:
            return say(" | ".join(request.outputs))
        return use(Use("fails", {"mrn": "<MRN_1>"}), Use("send_letter", LETTER))

    server, guard, paused = await suspended(ward, script)
    ward.desk.approve(paused.pending[0].approval_id)
    with ana(guard, run=paused.run, id=paused.session):
        result = await ward.resume(box_of(guard), ward.client(server, guard), paused.to_json())
    assert [name for name, *_ in RAN] == ["fails", "send_letter"]
    assert result.text == "The tool failed: no record for <PERSON_1>, MRN <MRN_1> | sent to <PERSON_1>"


async def test_two_calls_that_wait_are_two_approvals_and_each_runs_when_it_may(ward: Ward) -> None:
    def script(request: ModelRequest) -> Reply:
        if request.outputs:
            return say(" | ".join(request.outputs))
        return use(Use("send_letter", LETTER), Use("send_letter", {**LETTER, "to": "archive"}))

    server, guard, paused = await suspended(ward, script)
    assert len({p.approval_id for p in paused.pending}) == 2
    ward.desk.approve(paused.pending[1].approval_id)
    with ana(guard, run=paused.run, id=paused.session):
        half = await ward.resume(box_of(guard), ward.client(server, guard), paused.to_json())
        assert isinstance(half, SuspendedRun)
        assert half.pending == paused.pending[:1]
        assert [to for _, to, _ in RAN] == ["archive"]
        ward.desk.approve(paused.pending[0].approval_id)
        whole = await ward.resume(box_of(guard), ward.client(server, guard), half.to_json())
    assert [c.outcome for c in whole.calls] == ["executed", "replayed"]
    assert [to for _, to, _ in RAN] == ["archive", NAME]


async def test_in_block_mode_the_run_waits_for_the_person(ward: Ward) -> None:
    server, guard = ward.server(letter), ward.guard()

    def decide() -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if waiting := ward.desk.store.list("general"):
                ward.desk.approve(waiting[0].id)
                return
            time.sleep(0.01)

    person = threading.Thread(target=decide)
    person.start()
    with ana(guard, suspend="block", wait=60.0):
        result = await ward.run(box_of(guard), ward.client(server, guard))
    person.join()
    assert isinstance(result, RunResult)
    assert [c.outcome for c in result.calls] == ["executed", "executed", "denied"]


async def test_a_loop_of_ones_own_makes_the_same_call_again_once_it_is_decided(ward: Ward) -> None:
    guard = ward.guard()
    box = box_of(guard)
    call = ward.call("send_letter", json.dumps({"to": NAME, "body": "Dear patient"}))
    with ana(guard):
        with pytest.raises(Suspended) as pause:
            await ward.execute(box, call)
        ward.desk.approve(pause.value.approval_id)
        assert ward.said(await ward.execute(box, call, replays=True)) == "sent to <PERSON_M1>"
        assert "already been carried out" in ward.said(await ward.execute(box, call))
        assert ward.said(await ward.execute(box, call, replays=True)) == "sent to <PERSON_M1>"
    assert RAN == [("send_letter", NAME, "Dear patient")]


async def test_a_run_goes_on_only_in_its_own_session(ward: Ward) -> None:
    server, guard, paused = await suspended(ward)
    for given in ({}, {"run": paused.run, "id": "other"}, {"run": "other", "id": paused.session}):
        with ana(guard, **given), pytest.raises(IdentityError, match="suspended run"):
            await ward.resume(box_of(guard), ward.client(server, guard), paused.to_json())


@pytest.mark.parametrize("blob", ["", "{}", "[]", "null", '{"toolguard": "openai-run/2"}'])
async def test_what_is_no_suspended_run_is_refused(ward: Ward, blob: str) -> None:
    guard = ward.guard()
    with ana(guard), pytest.raises(ConfigError, match="no suspended run"):
        await ward.resume(box_of(guard), ward.client(ward.server(in_turn()), guard), blob)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tools", []),
        ("previous_response_id", "resp_1"),
        ("messages", [{"role": "oracle"}]),
        ("messages", [1]),
        ("other", 1),
    ],
)
async def test_a_blob_can_bring_nothing_into_a_request_that_a_run_could_not(ward: Ward, field: str, value: Any) -> None:
    server, guard, paused = await suspended(ward)
    blob = json.loads(paused.to_json())
    key = "input" if ward.api == "responses" and field == "messages" else field
    blob["body"][key] = value
    with ana(guard, run=paused.run, id=paused.session), pytest.raises(toolguard.ToolguardError):
        await ward.resume(box_of(guard), ward.client(server, guard), json.dumps(blob))
    assert len(server.requests) == 1


async def test_the_approver_sees_the_models_reason_masked_and_no_identifier(ward: Ward) -> None:
    def script(request: ModelRequest) -> Reply:
        return use(Use("send_letter", LETTER), text=f"{NAME} asked me to.")

    _, _, paused = await suspended(ward, script)
    request = ward.desk.store.list("general")[0].request
    assert request.agent_reason == "<PERSON_M1> asked me to."
    assert_masked(json.dumps([request.view, dict(request.decisive), request.agent_reason]))
    assert USER not in paused.to_json()


async def resumed_by(ward: Ward, guard: Guard, paused: SuspendedRun, blob: str, who: str) -> Any:
    caller = toolguard.Caller.of(who, agent="discharge-agent", tenant="general")
    with guard.session(caller=caller, run=paused.run, id=paused.session):
        return await ward.resume(box_of(guard), ward.client(ward.servers[0], guard), blob)


async def test_s14_a_yes_given_to_one_person_is_of_no_use_to_another(ward: Ward) -> None:
    _, guard, paused = await suspended(ward)
    ward.desk.approve(paused.pending[0].approval_id)
    result = await resumed_by(ward, guard, paused, paused.to_json(), "chen")
    assert not [r for r in RAN if r[0] == "send_letter"], "the letter was approved for Ana"
    assert isinstance(result, SuspendedRun) or "executed" not in [c.outcome for c in result.calls]


async def test_s9_a_yes_under_an_older_policy_does_not_hold_under_a_stricter_one(ward: Ward) -> None:
    server, _, paused = await suspended(ward)
    ward.desk.approve(paused.pending[0].approval_id)
    stricter = POLICY.replace("version: 1", "version: 2").replace(
        "match: {tool: [export_all]}, effect: deny", "match: {tool: [export_all, send_letter]}, effect: deny"
    )
    guard = ward.desk.guard(load_policy(stricter), detector=DETECTOR)
    with ana(guard, run=paused.run, id=paused.session):
        result = await ward.resume(box_of(guard), ward.client(server, guard), paused.to_json())
    assert [c.outcome for c in result.calls][1] != "executed"
    assert not [r for r in RAN if r[0] == "send_letter"]


async def test_s10_the_calls_of_one_run_put_into_another_run_wait_anew(ward: Ward) -> None:
    _, guard, approved = await suspended(ward)
    ward.desk.approve(approved.pending[0].approval_id)
    _, _, other = await suspended(ward, letter)
    mixed = json.loads(other.to_json())
    mixed["body"], mixed["pending"] = json.loads(approved.to_json())["body"], json.loads(approved.to_json())["pending"]
    with ana(guard, run=other.run, id=other.session):
        result = await ward.resume(box_of(guard), ward.client(ward.servers[1], guard), json.dumps(mixed))
    assert isinstance(result, SuspendedRun), "the yes was for the other run"
    assert not [r for r in RAN if r[0] == "send_letter"]


@pytest.mark.parametrize("outcome", ["executed", "replayed", "denied"])
async def test_s10_answers_written_into_a_blob_run_nothing_and_cannot_say_that_something_ran(
    ward: Ward, outcome: str
) -> None:
    server, guard, paused = await suspended(ward)
    blob = json.loads(paused.to_json())
    blob["settled"]["1"] = ["sent", outcome]
    blob["pending"], blob["turns"] = [], 0
    with ana(guard, run=paused.run, id=paused.session):
        if outcome == "denied":
            await ward.resume(box_of(guard), ward.client(server, guard), json.dumps(blob))
        else:
            with pytest.raises(ConfigError, match="settled"):
                await ward.resume(box_of(guard), ward.client(server, guard), json.dumps(blob))
    assert not [r for r in RAN if r[0] == "send_letter"]
