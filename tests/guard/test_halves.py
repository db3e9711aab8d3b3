"""The two halves of a call: the second works with what the first was made with, as long as that is what is in force."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from toolguard import BoundTool, Caller, Guard, Session
from toolguard._core.audit import AuditRecord
from toolguard.errors import InvalidatedError
from toolguard.testing import NoDetector
from toolguard.testing.desk import Desk


def send(to: str) -> str:
    """Send a message."""
    return f"sent to {to}"


@pytest.fixture
def guard(desk: Desk, policy: Path) -> Guard:
    return desk.guard(policy, detector=NoDetector())


@pytest.fixture
def session(guard: Guard, ana: Caller) -> Session:
    return guard.session(caller=ana)


@pytest.fixture
def bound(guard: Guard) -> BoundTool:
    return guard.tool(send)


class Heard:
    def __init__(self) -> None:
        self.kinds: list[str] = []

    def emit(self, records: Sequence[AuditRecord]) -> None:
        self.kinds += [record.draft.kind.value for record in records]


def test_calls_that_are_judged_before_any_runs_each_run_as_they_were_judged(session: Session, bound: BoundTool) -> None:
    permits = [session.authorise(bound, {"to": to}, ref=session.ref()) for to in ("a", "b", "c")]
    assert [session.execute(bound, permit).value for permit in permits] == ["sent to a", "sent to b", "sent to c"]


def test_a_permit_runs_nothing_else_even_right_after_its_call(session: Session, bound: BoundTool) -> None:
    permit = session.authorise(bound, {"to": "a"}, ref=session.ref())
    with pytest.raises(InvalidatedError):
        session.execute(bound, permit, {"to": "b"})


def test_who_begins_to_listen_between_the_halves_hears_the_second(
    guard: Guard, session: Session, bound: BoundTool
) -> None:
    heard = Heard()
    permit = session.authorise(bound, {"to": "a"}, ref=session.ref())
    guard.add_sink(heard)
    session.execute(bound, permit)
    assert "call.returned" in heard.kinds


def test_exceptions_that_are_a_pause_count_in_the_half_that_names_them(guard: Guard, session: Session) -> None:
    def waits() -> str:
        raise TimeoutError

    bound = BoundTool(tool=guard.tool(send).tool, invoke=lambda passed: waits())
    permit = session.authorise(bound, {"to": "a"}, ref=session.ref())
    with pytest.raises(TimeoutError):
        session.execute(bound, permit, pauses=(TimeoutError,))
