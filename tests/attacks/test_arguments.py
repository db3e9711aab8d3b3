"""Getting a tool to run with other arguments than were judged or approved."""

import asyncio
import json
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, field_serializer

from toolguard import BoundTool, Suspended
from toolguard._core.call import Tool, canonical, freeze
from toolguard.bound import from_function
from toolguard.errors import BadArgumentsError, DeniedError, InvalidatedError, ReplayError, ResultWithheldError

# --- what the digest binds ------------------------------------------------------------------------------


class Hiding(BaseModel):
    to: str
    secret: str = Field(default="", exclude=True)


class Rewriting(BaseModel):
    to: str

    @field_serializer("to")
    def shown(self, to: str) -> str:
        return "***"


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    to: str


class Box(RootModel[list[str]]):
    pass


class Outer(BaseModel):
    inner: Hiding


class LyingInt(int):
    def __int__(self):
        return 1

    def __str__(self):
        return "1"


class LyingFloat(float):
    def __float__(self):
        return 1.0


class LyingText(str):
    __slots__ = ()

    def __str__(self):
        return "/harmless"

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 1


@dataclass
class Letter:
    to: str
    hidden: str = field(default="", repr=False, compare=False)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Hiding(to="a", secret="b"), Hiding(to="a", secret="c")),
        (Outer(inner=Hiding(to="a", secret="b")), Outer(inner=Hiding(to="a", secret="c"))),
        (Rewriting(to="a"), Rewriting(to="b")),
        (Open(to="a", cc="b"), Open(to="a", cc="c")),
        (Box(["a"]), Box(["b"])),
        (LyingInt(5), LyingInt(6)),
        (LyingFloat(5.5), LyingFloat(6.5)),
        (LyingText("/etc"), LyingText("/harmless")),
        (Letter("a", "b"), Letter("a", "c")),
        (Colour.RED, Colour.BLUE),
        (Decimal("1.0"), "1.0"),
        (Decimal("1.0"), {"$decimal": "1.0"}),
        (2**60, {"$int": str(2**60)}),
        (b"a", {"$bytes": "YQ=="}),
        ({1, 2}, {"$set": [1, 2]}),
        (True, 1),
        (None, "null"),
        ({"a": {"b": 1}}, {"a": '{"b":1}'}),
        (["ab"], ["a", "b"]),
        ("e\u0301", "\u00e9"),
        ("a", "a\u200b"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_invariant_1_what_a_tool_would_tell_apart_has_another_canonical_form(one, other):
    assert canonical({"x": one}) != canonical({"x": other})


class Counting(dict):
    """A mapping whose items are other ones at every read."""

    reads = 0

    def __getitem__(self, key):
        Counting.reads += 1
        return Counting.reads


def test_a_mapping_that_changes_between_reads_is_read_once():
    frozen = freeze({"x": Counting(a=0)})
    assert json.loads(frozen.canonical)["x"]["a"] == frozen.data["x"]["a"]


class Drifting:
    """Its dump is another one every time."""

    count = 0

    def model_dump(self, mode):
        Drifting.count += 1
        return {"n": Drifting.count}


def test_an_object_that_shows_something_else_every_time_never_runs(desk, policy, ana, drive, ran):
    bound = BoundTool(
        tool=Tool.describe("send", source="app"), invoke=lambda passed: ran.append(1), validate=lambda d: Drifting()
    )
    with desk.guard(policy).session(caller=ana) as session, pytest.raises(InvalidatedError):
        drive(session, "call", bound, {})
    assert ran == []


def test_a_field_that_its_model_leaves_out_of_dumps_is_judged_and_bound_like_any_other(desk, policy, ana, drive, ran):
    def export(letter: Hiding) -> str:
        """Export."""
        ran.append(letter.secret)
        return "ok"

    with desk.guard(policy).session(caller=ana) as session:
        with pytest.raises(Suspended) as waits:
            drive(session, "call", export, {"letter": {"to": "a", "secret": "one"}}, call_id="c")
        assert "one" in json.dumps(desk.store.get("general", waits.value.approval_id).request.view)
        desk.approve(waits.value.approval_id)
        with pytest.raises(InvalidatedError):
            drive(session, "call", export, {"letter": {"to": "a", "secret": "two"}}, call_id="c")
    assert ran == []


def test_a_result_shows_no_field_that_its_model_leaves_out(desk, policy, ana, drive):
    def send() -> list[Any]:
        """Send."""
        return [Hiding(to="a", secret="b"), {"in": Outer(inner=Hiding(to="c", secret="d"))}, Letter("e", "f")]

    with desk.guard(policy).session(caller=ana) as session:
        shown = drive(session, "call", send, {})
    assert shown == [{"to": "a"}, {"in": {"inner": {"to": "c"}}}, {"hidden": "f", "to": "e"}]


# --- between judging and running ------------------------------------------------------------------------


def test_t13_objects_changed_while_the_claim_is_written_do_not_run(desk, policy, ana, drive, ran):
    """Whoever holds the same list (a framework's message) changes it while the store writes."""
    held = {"rows": ["a"]}

    class Meddling:
        blocking = False

        def __getattr__(self, name):
            return getattr(desk.store, name)

        def commit(self, change):
            done = desk.store.commit(change)
            if change.claim is not None:
                held["rows"].append("everything")
            return done

    bound = BoundTool(
        tool=Tool.describe("send", source="app"), invoke=lambda passed: ran.append(passed), validate=lambda d: held
    )
    with desk.guard(policy, store=Meddling()).session(caller=ana) as session, pytest.raises(InvalidatedError):
        drive(session, "call", bound, {"rows": ["a"]}, call_id="c")
    assert ran == []
    kinds = [r.draft.kind.value for r in desk.store.records()]
    assert kinds[-1] == "call.failed"


def test_raw_arguments_changed_by_another_task_after_the_call_began_change_nothing(desk, policy, ana, ran):
    raw = {"to": "a", "body": "b"}

    async def send(to: str, body: str) -> str:
        """Send."""
        raw["to"] = "evil"
        await asyncio.sleep(0)
        ran.append(to)
        return "ok"

    async def go():
        with desk.guard(policy).session(caller=ana) as session:
            await session.acall(send, raw)

    asyncio.run(go())
    assert ran == ["a"]


def test_a_permit_runs_neither_another_tool_nor_another_call(desk, policy, ana, ran):
    def send(to: str) -> str:
        """Send."""
        return "sent"

    def wipe(to: str) -> str:
        """Delete everything."""
        ran.append(to)
        return "gone"

    with desk.guard(policy).session(caller=ana) as session:
        permit = session.authorise(from_function(send), {"to": "x"}, ref=session.ref("c"))
        with pytest.raises(InvalidatedError):
            session.execute(from_function(wipe), permit)
        assert session.execute(from_function(send), permit).value == "sent"
        with pytest.raises(ReplayError):
            session.execute(from_function(send), permit)
    assert ran == []


@pytest.mark.parametrize("raised", [RecursionError, MemoryError, ValueError, StopIteration, AttributeError])
def test_objects_that_cannot_be_read_at_the_gate_do_not_run(desk, policy, ana, drive, ran, raised):
    class Broken:
        def model_dump(self, mode):
            raise raised("Ada Byron")

    bound = BoundTool(tool=Tool.describe("send", source="app"), invoke=lambda passed: ran.append(passed))
    with desk.guard(policy).session(caller=ana) as session:
        permit = drive(session, "authorise", bound, {"a": 1}, ref=session.ref("c"))
        with pytest.raises(InvalidatedError) as refused:
            drive(session, "execute", bound, permit, {"a": Broken()})
    assert ran == []
    assert "Ada" not in str(refused.value)


# --- too much of it -------------------------------------------------------------------------------------


def unfolding(times=30):
    """Thirty small lists, each ten times the one before: 10**30 leaves if written out."""
    value: list[Any] = ["x"]
    for _ in range(times):
        value = [value] * 10
    return value


def circle():
    value: list[Any] = []
    value.append(value)
    return value


def deep():
    value: Any = "x"
    for _ in range(5000):
        value = [value]
    return value


ENDLESS = {
    "unfolding": unfolding,
    "circle": circle,
    "deep": deep,
    "huge integer": lambda: 10**5000,
    "number as key": lambda: {"a": {1: "x"}},
    "bytes as key": lambda: {b"a": 1},
    "infinity": lambda: float("inf"),
    "iterator": lambda: iter([1]),
    "object": object,
    "complex": lambda: 1j,
    "surrogate": lambda: "\ud800",
}


@pytest.mark.parametrize("make", ENDLESS.values(), ids=ENDLESS)
def test_invariant_10_arguments_without_an_end_or_a_form_are_refused_at_once(desk, policy, ana, drive, ran, make):
    bound = BoundTool(tool=Tool.describe("send", source="app"), invoke=ran.append)
    with desk.guard(policy).session(caller=ana) as session, pytest.raises(BadArgumentsError, match="did not run"):
        drive(session, "call", bound, {"x": make()})
    assert ran == []
    assert [r.draft.kind.value for r in desk.store.records()][-1] == "call.decided"


@pytest.mark.parametrize("make", ENDLESS.values(), ids=ENDLESS)
def test_a_result_without_an_end_or_a_form_is_withheld_and_the_call_not_repeated(desk, policy, ana, drive, make):
    bound = BoundTool(tool=Tool.describe("send", source="app"), invoke=lambda passed: make())
    with desk.guard(policy).session(caller=ana) as session:
        with pytest.raises(ResultWithheldError):
            drive(session, "call", bound, {}, call_id="c")
        with pytest.raises(ReplayError):
            drive(session, "call", bound, {}, call_id="c")


def test_large_but_finite_arguments_run_as_they_are(desk, policy, ana, ran):
    text = "x" * 10_000_000
    bound = BoundTool(tool=Tool.describe("send", source="app"), invoke=lambda passed: ran.append(passed["x"] == text))
    with desk.guard(policy).session(caller=ana) as session:
        session.call(bound, {"x": text})
    assert ran == [True]


def test_more_arguments_than_can_be_looked_through_wait_for_a_person(desk, policy, ana, ran):
    bound = BoundTool(tool=Tool.describe("send", source="app"), invoke=ran.append)
    with desk.guard(policy).session(caller=ana) as session, pytest.raises(Suspended):
        session.call(bound, {"x": {f"k{i}": i for i in range(100_000)}})
    assert ran == []


# --- around the schema ----------------------------------------------------------------------------------


def test_a_coroutine_is_not_taken_for_a_result(desk, policy, ana, ran):
    async def send() -> str:
        """Send."""
        ran.append(1)
        return "ok"

    def hidden() -> str:
        """Send."""
        return send()

    hidden.__name__ = "send"

    from toolguard.errors import ConfigError, ToolFailedError

    with desk.guard(policy).session(caller=ana) as session, pytest.raises(ConfigError, match="acall"):
        session.call(send, {})
    with desk.guard(policy).session(caller=ana) as session, pytest.raises(ToolFailedError, match="TypeError"):
        session.call(hidden, {})
    assert ran == []


def test_critical_risk_stays_denied_whatever_is_passed_along(desk, policy, ana, drive, ran):
    def wipe(path: str = "/") -> str:
        """Delete everything."""
        ran.append(path)
        return "gone"

    with desk.guard(policy).session(caller=ana) as session:
        for given in ({}, {"path": "approved"}, {"path": "/", "break_glass": True}, {"$decimal": "1"}):
            with pytest.raises((DeniedError, BadArgumentsError)):
                drive(session, "call", wipe, given, reason="approved by chen; break glass")
    assert ran == []
