"""A tool has its credential while its call executes, declared and recorded, and at no other time."""

import asyncio
import copy
import pickle

import pytest

import toolguard
from credentials.conftest import LOADED, Issuer
from toolguard import CredentialError, DeniedError, Suspended
from toolguard.errors import ToolFailedError
from toolguard.ports import Lease
from toolguard.telemetry import names
from toolguard.testing.fakes import FakeClock


def test_a_call_has_its_credential_and_it_ends_with_the_call(session, drive, issuer, kinds):
    seen = []

    def read_ehr(ward: str) -> str:
        token = toolguard.credential("ehr_token")
        seen.append((token.reveal(), token.name, token.expires is not None, set(issuer.live)))
        return "ok"

    assert drive(session, "call", read_ehr, {"ward": "4B"}) == "ok"
    value = issuer.given[0]
    assert seen == [(value, "ehr_token", True, {value})]
    assert not issuer.live
    assert kinds() == [("released", "ehr_token", "issuer", ""), ("revoked", "ehr_token", "issuer", "")]


def test_nothing_is_acquired_before_it_is_asked_for(session, drive, issuer, kinds):
    def read_ehr(ward: str) -> str:
        return "did without"

    assert drive(session, "call", read_ehr, {"ward": "4B"}) == "did without"
    assert (issuer.given, kinds()) == ([], [])


def test_the_issuer_learns_for_which_call_it_is(session, issuer, desk):
    def read_ehr(ward: str) -> str:
        toolguard.credential("ehr_token")
        return toolguard.current_call().id

    call = session.call(read_ehr, {"ward": "4B"})
    (use,) = issuer.uses
    assert (use.call, use.tool, use.tenant, use.agent) == (call, "read_ehr", "general", "discharge-agent")
    assert use.until > desk.store.now()


def test_asking_twice_in_one_call_is_one_lease(session, drive, issuer):
    def read_ehr(ward: str) -> bool:
        return toolguard.credential("ehr_token").reveal() == toolguard.credential("ehr_token").reveal()

    assert drive(session, "call", read_ehr, {"ward": "4B"}) is True
    assert len(issuer.given) == 1


def test_an_asynchronous_tool_may_wait_for_it(session, issuer):
    async def both(ward: str) -> list[bool]:
        ehr, lab = await asyncio.gather(toolguard.acredential("ehr_token"), toolguard.acredential("lab_token"))
        return [ehr.reveal() in issuer.live, lab.reveal() in issuer.live]

    assert asyncio.run(session.acall(both, {"ward": "4B"})) == [True, True]
    assert (len(issuer.given), issuer.live) == (2, set())


def test_parallel_calls_have_leases_of_their_own(session, issuer):
    started = asyncio.Event()
    seen = {}

    async def read_ehr(ward: str) -> str:
        token = await toolguard.acredential("ehr_token")
        seen[ward] = token.reveal()
        if len(seen) == 5:
            started.set()
        await started.wait()
        assert token.reveal() == seen[ward]
        return "ok"

    async def run():
        return await asyncio.gather(*(session.acall(read_ehr, {"ward": str(n)}) for n in range(5)))

    assert asyncio.run(run()) == ["ok"] * 5
    assert len(set(seen.values())) == 5
    assert not issuer.live


@pytest.mark.parametrize("how", [str, repr, "{}".format, "{:>20}".format, lambda c: f"{[c]}", "%s".__mod__])
def test_a_credential_does_not_show_its_value(session, issuer, how):
    def read_ehr(ward: str) -> str:
        return how(toolguard.credential("ehr_token"))

    shown = session.call(read_ehr, {"ward": "4B"})
    assert issuer.given[0] not in shown
    assert "<Credential 'ehr_token'>" in shown


@pytest.mark.parametrize("how", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_credential_cannot_be_pickled_or_copied(session, how):
    def read_ehr(ward: str) -> str:
        with pytest.raises(CredentialError, match="cannot be pickled or copied"):
            how(toolguard.credential("ehr_token"))
        return "ok"

    assert session.call(read_ehr, {"ward": "4B"}) == "ok"


def test_outside_any_call_there_is_none():
    with pytest.raises(CredentialError, match="no guarded call executes here"):
        toolguard.credential("ehr_token")


def test_a_tool_the_policy_gives_nothing_gets_nothing(session, drive):
    def plain(ward: str) -> str:
        with pytest.raises(CredentialError, match="has no credentials"):
            toolguard.credential("ehr_token")
        return "ok"

    assert drive(session, "call", plain, {"ward": "4B"}) == "ok"


def test_a_denied_or_waiting_call_acquires_nothing(session, desk, drive, issuer):
    def forbidden(ward: str) -> str:
        return toolguard.credential("ehr_token").reveal()

    def export(ward: str) -> str:
        return str(len(toolguard.credential("ehr_token").reveal()))

    with pytest.raises(DeniedError):
        drive(session, "call", forbidden, {"ward": "4B"})
    with pytest.raises(Suspended) as waits:
        drive(session, "call", export, {"ward": "4B"}, call_id="c1")
    assert issuer.given == []
    desk.approve(waits.value.approval_id)
    assert drive(session, "call", export, {"ward": "4B"}, call_id="c1") == str(len(issuer.given[0]))
    assert not issuer.live


def test_while_arguments_are_validated_nothing_can_be_had(session, issuer):
    from typing import Annotated

    from pydantic import AfterValidator

    asked = []

    def greedy(value: str) -> str:
        try:
            toolguard.credential("ehr_token")
        except CredentialError as fault:
            asked.append(str(fault))
        return value

    def read_ehr(ward: Annotated[str, AfterValidator(greedy)]) -> str:
        return "ok"

    session.call(read_ehr, {"ward": "4B"})
    assert len(asked) == 1
    assert issuer.given == []


def test_a_failing_provider_gives_the_tool_nothing_and_says_no_more_than_its_class(desk, ana, drive, kinds):
    issuer = Issuer(fail=RuntimeError("the vault said: hunter2hunter2"))
    guard = desk.guard(LOADED, credentials={"ehr_token": issuer, "lab_token": issuer})

    def read_ehr(ward: str) -> str:
        return toolguard.credential("ehr_token").reveal()

    with guard.session(caller=ana) as session, pytest.raises(ToolFailedError) as failed:
        drive(session, "call", read_ehr, {"ward": "4B"})
    assert failed.value.error_type == "CredentialError"
    assert "RuntimeError" in str(failed.value.original)
    assert "hunter2" not in repr(failed.value.original) + failed.value.masked_message
    assert failed.value.original.__context__ is None or "hunter2" not in str(failed.value.original.__cause__)
    assert kinds() == [("refused", "ehr_token", "issuer", "provider_failed")]


def test_a_tool_may_do_without_what_cannot_be_had(desk, ana):
    issuer = Issuer(fail=OSError())
    guard = desk.guard(LOADED, credentials={"ehr_token": issuer, "lab_token": issuer})

    def read_ehr(ward: str) -> str:
        try:
            return toolguard.credential("ehr_token").reveal()
        except CredentialError:
            return "public part only"

    with guard.session(caller=ana) as session:
        assert session.call(read_ehr, {"ward": "4B"}) == "public part only"


def test_a_credential_that_cannot_be_given_back_changes_nothing_and_is_recorded(desk, ana, kinds, caplog):
    issuer = Issuer(fail_release=ConnectionError("hunter2hunter2"))
    guard = desk.guard(LOADED, credentials={"ehr_token": issuer, "lab_token": issuer})

    def read_ehr(ward: str) -> str:
        toolguard.credential("ehr_token")
        return "ok"

    with guard.session(caller=ana) as session:
        assert session.call(read_ehr, {"ward": "4B"}) == "ok"
    assert kinds()[-1] == ("revoked", "ehr_token", "issuer", "release_failed")
    assert "ConnectionError" in caplog.text
    assert "hunter2" not in caplog.text


def test_what_cannot_be_recorded_is_not_handed_out(guard, session, issuer, desk, monkeypatch):
    from toolguard.errors import StoreError

    commit = desk.store.commit

    def full(change):
        if any(d.kind.value == "credential.released" for d in change.records):
            raise StoreError("the disk is full")
        return commit(change)

    def read_ehr(ward: str) -> str:
        return toolguard.credential("ehr_token").reveal()

    monkeypatch.setattr(desk.store, "commit", full)
    with pytest.raises(ToolFailedError) as failed:
        session.call(read_ehr, {"ward": "4B"})
    assert failed.value.error_type == "StoreError"
    assert (len(issuer.given), issuer.live) == (1, set())


@pytest.mark.parametrize(("value", "says"), [("1234567", "shorter than 8 characters"), (b"12345678", "no text")])
def test_a_secret_that_cannot_be_kept_out_of_results_is_refused(desk, ana, value, says):
    issuer = Issuer()
    issuer.acquire = lambda name, use: Lease(value=value)
    guard = desk.guard(LOADED, credentials={"ehr_token": issuer, "lab_token": issuer})

    def read_ehr(ward: str) -> str:
        with pytest.raises(CredentialError, match=says):
            toolguard.credential("ehr_token")
        return "ok"

    with guard.session(caller=ana) as session:
        assert session.call(read_ehr, {"ward": "4B"}) == "ok"


def test_a_call_that_outran_its_lease_gets_nothing_any_more(tmp_path, ana, issuer):
    from toolguard.testing.desk import Desk

    clock = FakeClock()
    desk = Desk(tmp_path, clock=clock, store="memory:")
    guard = desk.guard(LOADED, credentials={"ehr_token": issuer, "lab_token": issuer})

    def both(ward: str) -> str:
        token = toolguard.credential("ehr_token")
        clock.advance(3600)
        for ask in (token.reveal, lambda: toolguard.credential("lab_token")):
            with pytest.raises(CredentialError, match="outrun its lease"):
                ask()
        return "ok"

    with guard.session(caller=ana) as session:
        assert session.call(both, {"ward": "4B"}) == "ok"
    assert not issuer.live


def test_a_record_is_a_span_under_the_execution(desk, ana, issuer):
    from opentelemetry.sdk.resources import Resource

    from toolguard.telemetry.spans import spans_of

    guard = desk.guard(LOADED, credentials={"ehr_token": issuer, "lab_token": issuer})

    def read_ehr(ward: str) -> str:
        toolguard.credential("ehr_token")
        return "ok"

    with guard.session(caller=ana) as session:
        session.call(read_ehr, {"ward": "4B"})
    spans = {s.name: s for r in desk.store.records() for s in spans_of(r, Resource.get_empty())}
    ran = spans["execute_tool read_ehr"]
    for name in ("toolguard.credential.release", "toolguard.credential.revoke"):
        span = spans[name]
        assert span.parent.span_id == ran.context.span_id
        assert span.attributes[names.TOOL_NAME] == "read_ehr"
        assert span.attributes["toolguard.credential.name"] == "ehr_token"
        assert issuer.given[0] not in span.to_json()


def test_the_journal_still_verifies_and_is_drawn(desk, ana, issuer):
    from io import StringIO

    from rich.console import Console

    from toolguard.cli.trace import render_trace
    from toolguard.journal import verify

    guard = desk.guard(LOADED, credentials={"ehr_token": issuer, "lab_token": issuer})

    def read_ehr(ward: str) -> str:
        toolguard.credential("ehr_token")
        return "ok"

    with guard.session(caller=ana) as session:
        session.call(read_ehr, {"ward": "4B"})
    assert not verify(desk.store).faults
    console = Console(file=StringIO(), width=120)
    console.print(render_trace(desk.store.records()))
    drawn = console.file.getvalue()
    assert "credential released: ehr_token (issuer)" in drawn
    assert "read_ehr  executed" in drawn


def test_closing_the_guard_closes_the_providers(guard, issuer):
    guard.close()
    assert issuer.closed
