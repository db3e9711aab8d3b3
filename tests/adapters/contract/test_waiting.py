"""S8 to S15: calls that wait for a person, in every mode. The approvals are real."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.contract.driver import Call, Driver, settled
from adapters.contract.table import rule
from adapters.contract.ward import (
    ADA,
    DENIED,
    EXPIRED,
    INVALIDATED,
    PERSON,
    SAID_NO,
    Ward,
    assert_masked,
)
from toolguard.errors import ApprovalError
from toolguard.testing import FakeClock

LETTER = Call("send", {"to": PERSON, "text": "hello"})
SENT = ("send", ADA, "hello")


def suspends(driver: Driver) -> bool:
    return driver.ward.mode != "block"


@rule("S8", modes=("interrupt", "raise"))
async def test_a_suspension_survives_every_way_of_handling_errors(drive: Any, place: Any) -> None:
    for settings in place[0].error_settings:
        driver = await drive("send", "find", "drop", settings=settings)
        found = await driver.start(LETTER, Call("drop", {"patient": PERSON}, "c2"))
        assert found.waiting == tuple(driver.ward.asked())
        assert len(found.waiting) == 1
        assert driver.ward.ran == []
        assert_masked(driver.model_saw)


@rule("S9")
async def test_an_approved_call_runs_with_what_was_approved(drive: Any) -> None:
    driver = await drive("send")
    found = await settled(driver, LETTER, act=driver.ward.desk.approve)
    assert driver.ward.ran == [SENT]
    assert found.answers == {"c1": f"sent to {PERSON}"}
    assert found.waiting == ()


@rule("S9", modes=("interrupt", "raise"))
async def test_arguments_changed_where_they_are_kept_do_not_run(drive: Any) -> None:
    driver = await drive("send")
    paused = await driver.start(LETTER)
    driver.ward.desk.approve(paused.waiting[0])
    driver.swap("hello", "HELLO")
    found = await driver.resume()
    assert driver.ward.ran == []
    assert found.answers == {"c1": INVALIDATED}
    driver.swap("HELLO", "hello")
    assert (await driver.again()).answers["c1"] in (INVALIDATED, DENIED), "the approval does not come back with them"
    assert driver.ward.ran == []


@rule("S9", modes=("block",))
async def test_arguments_changed_in_place_while_a_call_waits_do_not_run(drive: Any) -> None:
    driver = await drive("send")
    arguments = dict(LETTER.arguments)

    def approve(approval: str) -> None:
        arguments["text"] = "HELLO"
        driver.ward.desk.approve(approval)

    await settled(driver, Call("send", arguments), act=approve)
    assert driver.ward.ran == [SENT]


@rule("S10")
async def test_an_approved_call_runs_once_however_often_it_is_gone_on_with_at_once(drive: Any) -> None:
    driver = await drive("send")
    if suspends(driver):
        paused = await driver.start(LETTER)
        driver.ward.desk.approve(paused.waiting[0])
        results = await driver.at_once(4, driver.resume)
    else:
        results = await settled(
            driver, act=driver.ward.desk.approve, begin=lambda: driver.at_once(4, lambda: driver.start(LETTER))
        )
    assert driver.ward.ran == [SENT]
    assert [r for r in results if isinstance(r, BaseException)] == []
    assert driver.ward.kinds().count("call.executing") == 1


@rule("S10")
async def test_going_back_to_where_it_waited_does_not_run_it_again(drive: Any) -> None:
    driver = await drive("send")
    await settled(driver, LETTER, act=driver.ward.desk.approve)
    for _ in range(2):
        if suspends(driver):
            await driver.again()
            await driver.resume()
        else:
            await driver.start(LETTER)
    assert driver.ward.ran == [SENT]
    assert driver.ward.kinds().count("call.executing") == 1


@rule("S10", modes=("interrupt", "raise"))
async def test_a_verdict_that_nobody_gave_is_not_believed(drive: Any) -> None:
    driver = await drive("send")
    paused = await driver.start(LETTER)
    for _ in range(3):
        assert (await driver.resume()).waiting == paused.waiting
    assert driver.ward.ran == []
    driver.ward.desk.deny(paused.waiting[0], reason=f"not for {ADA}")
    found = await driver.resume()
    assert found.answers == {"c1": SAID_NO}
    assert driver.ward.ran == []
    assert ADA not in driver.model_saw


@rule("S11")
async def test_calls_beside_one_that_waits_run_once(drive: Any) -> None:
    driver = await drive("send", "note")
    sibling = Call("note", {"text": "x"}, "c2")
    if suspends(driver):
        paused = await driver.start(LETTER, sibling)
        for _ in range(2):
            assert (await driver.resume()).waiting == paused.waiting
        assert driver.ward.ran == [("note", "x")]
        driver.ward.desk.approve(paused.waiting[0])
        await driver.resume()
        found = await driver.resume()
    else:
        found = await settled(driver, LETTER, sibling, act=driver.ward.desk.approve)
    assert sorted(driver.ward.ran) == [("note", "x"), SENT]
    assert set(found.answers) == {"c1", "c2"}
    assert_masked(driver.model_saw)


@rule("S12")
async def test_one_request_one_notice_and_one_span_of_each_kind(drive: Any) -> None:
    driver = await drive("send")
    ward: Ward = driver.ward
    notices: list[int] = []

    def look_and_approve(approval: str) -> None:
        notices.append(len([row for row in ward.desk.store.outbox() if row.approval == approval]))
        ward.desk.approve(approval)

    if suspends(driver):
        paused = await driver.start(LETTER)
        for _ in range(3):
            await driver.resume()
        look_and_approve(paused.waiting[0])
        await driver.resume()
        await driver.resume()
    else:
        await settled(driver, LETTER, act=look_and_approve)
    assert notices == [1]
    assert len(ward.asked()) == 1
    kinds = ward.kinds()
    for kind in ("call.decided", "approval.requested", "call.executing", "call.returned"):
        assert kinds.count(kind) == 1, kind
    spans = ward.spans()
    for name in ("toolguard.evaluate send", "toolguard.approval.request", "execute_tool send"):
        assert spans[name] == 1, name


@rule("S13")
async def test_a_late_yes_does_not_count(drive: Any) -> None:
    clock = FakeClock()
    driver = await drive("send", clock=clock, wait=10_000.0)
    refused: list[str] = []

    def too_late(approval: str) -> None:
        clock.advance(3601)
        with pytest.raises(ApprovalError) as caught:
            driver.ward.desk.approve(approval)
        refused.append(caught.value.code)
        driver.ward.desk.authority.sweep()  # as the service does; who waits would look by itself only later

    found = await settled(driver, LETTER, act=too_late)
    assert refused == ["expired"]
    assert found.answers == {"c1": EXPIRED}
    assert driver.ward.ran == []


@rule("S13", modes=("interrupt", "raise"))
async def test_a_yes_that_is_not_used_in_time_expires(drive: Any) -> None:
    clock = FakeClock()
    driver = await drive("send", clock=clock)
    paused = await driver.start(LETTER)
    driver.ward.desk.approve(paused.waiting[0])
    clock.advance(7200)
    found = await driver.resume()
    assert found.answers == {"c1": EXPIRED}
    assert driver.ward.ran == []


@rule("S14")
async def test_who_asks_or_owns_the_agent_cannot_approve(drive: Any) -> None:
    driver = await drive("send", wait=0.2)
    tried: list[str] = []

    def approve(approval: str) -> None:
        for who in ({"by": "ana"}, {"by": "7781", "issuer": "badge"}, {"by": "okafor"}, {"by": "lee"}):
            with pytest.raises(ApprovalError):
                driver.ward.desk.approve(approval, **who)
            tried.append(who["by"])

    found = await settled(driver, LETTER, act=approve)
    assert len(tried) == 4
    assert driver.ward.ran == []
    assert bool(found.waiting) == suspends(driver)


@rule("S15")
async def test_what_an_approver_proposes_instead_is_a_new_call_that_another_must_approve(drive: Any) -> None:
    driver = await drive("send", wait=20.0)
    desk, instead = driver.ward.desk, {"to": PERSON, "text": "other"}

    def propose(approval: str) -> None:
        desk.authority.propose(desk.human("chen"), approval, instead, reason="shorter")

    found = await settled(driver, LETTER, act=propose)
    assert driver.ward.ran == []
    assert '"text":"other"' in found.answers["c1"]
    assert_masked(found.answers["c1"])
    (first,) = driver.ward.asked()

    def approve(approval: str) -> None:
        assert approval != first
        with pytest.raises(ApprovalError):
            desk.approve(approval, by="chen")
        desk.approve(approval, by="diaz")

    await settled(driver, Call("send", instead, "c9"), act=approve)
    assert driver.ward.ran == [("send", ADA, "other")]


@rule("S15", modes=("interrupt", "raise"))
async def test_a_call_edited_to_another_tool_is_judged_by_that_tools_policy(drive: Any) -> None:
    driver = await drive("send", "drop")
    paused = await driver.start(Call("send", {"to": PERSON, "text": "hello"}))
    driver.ward.desk.approve(paused.waiting[0])
    driver.rename("send", "drop")
    found = await driver.resume()
    assert driver.ward.ran == []
    assert found.answers["c1"] in (DENIED, INVALIDATED) or "do not fit" in found.answers["c1"]
