"""A guard without the service's database: it asks, claims and reports over the wire, and runs nothing otherwise."""

from __future__ import annotations

import time

from remote.clinic import Clinic
from toolguard._core.approval import Answer, State
from toolguard.journal import verify


def test_an_allowed_call_asks_nobody(clinic: Clinic) -> None:
    guard = clinic.guard()
    with clinic.session(guard) as session:
        session.call(clinic.lookup, {"name": "x"})
        before = len(clinic.heard)
        assert session.call(clinic.lookup, {"name": "y"}) == "found"
    assert {path for _, path in clinic.heard[before:]} <= {"/v1/register"}
    assert clinic.ran == ["x", "y"]


def test_an_approved_call_runs_once_and_both_journals_hold_it(clinic: Clinic) -> None:
    guard = clinic.guard()
    person = clinic.answering(Answer.APPROVE)
    with clinic.session(guard) as session:
        assert session.call(clinic.export, {"path": "/out/a"}) == "written"
    person.join()
    assert clinic.ran == ["/out/a"]
    until = time.monotonic() + 5
    while clinic.waiting().state is not State.EXECUTED and time.monotonic() < until:
        time.sleep(0.02)
    assert clinic.waiting().state is State.EXECUTED
    assert verify(clinic.ward.store).ok
    assert verify(guard.parts.store.local).ok
