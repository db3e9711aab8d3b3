"""Plain Python: ``@guard.tool`` and ``session.call(fn, …)``, for every kind of function there is."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from toolguard import BoundTool, Caller, Guard, Suspended, from_function
from toolguard.errors import BadArgumentsError, ConfigError, IdentityError
from toolguard.policyfile import load_policy
from toolguard.testing.desk import Desk

POLICY = load_policy("""\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: plain, version: 1}
defaults: {unknown_tool: allow, args: pass, results: pass}
approvals: {default: {approvers: ["group:privacy-office"], expires: 1h}}
tools: {ask_first: {risk: low}, aask_first: {risk: low}}
rules:
  - {id: ask, because: Somebody looks., match: {tool: ["*ask_first"]}, effect: require_approval}
""")
RAN: list[Any] = []


def plain(x: int, y: int = 2) -> int:
    """Add."""
    RAN.append((x, y))
    return x + y


async def later(x: int, y: int = 2) -> int:
    """Add."""
    RAN.append((x, y))
    return x + y


def of_tenant(tenant: str, x: int) -> str:
    """Count in a tenant."""
    RAN.append((tenant, x))
    return f"{tenant}:{x}"


async def alater(tenant: str, x: int) -> str:
    """Count in a tenant."""
    return of_tenant(tenant, x)


class Ward:
    """Methods of every kind."""

    def __init__(self, bed: int) -> None:
        self.bed = bed

    def method(self, x: int, y: int = 2) -> int:
        """Add."""
        RAN.append((x, y))
        return x + y

    async def amethod(self, x: int, y: int = 2) -> int:
        """Add."""
        return self.method(x, y)

    @classmethod
    def of_class(cls, x: int, y: int = 2) -> int:
        """Add."""
        return cls(0).method(x, y)

    @staticmethod
    def alone(x: int, y: int = 2) -> int:
        """Add."""
        return Ward(0).method(x, y)


class Callable_:
    def __call__(self, x: int, y: int = 2) -> int:
        """Add."""
        return Ward(0).method(x, y)


class ACallable:
    async def __call__(self, x: int, y: int = 2) -> int:
        """Add."""
        return Ward(0).method(x, y)


@dataclasses.dataclass
class Unhashable:
    more: int = 0

    def __call__(self, x: int, y: int = 2) -> int:
        """Add."""
        return Ward(0).method(x, y) + self.more


def wrapped(function: Callable[..., int]) -> Callable[..., int]:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> int:
        return function(*args, **kwargs)

    return inner


SYNC: dict[str, Callable[..., Any]] = {
    "function": plain,
    "method": Ward(4).method,
    "classmethod": Ward.of_class,
    "staticmethod": Ward.alone,
    "callable": Callable_(),
    "unhashable": Unhashable(),
    "wrapped": wrapped(plain),
    "partial": functools.partial(plain),
}
ASYNC: dict[str, Callable[..., Any]] = {
    "coroutine": later,
    "method": Ward(4).amethod,
    "callable": ACallable(),
    "partial": functools.partial(later),
}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    RAN.clear()
    desk = Desk(tmp_path, store="memory:")
    yield desk
    desk.store.close()


@pytest.fixture
def guard(desk: Desk) -> Guard:
    return desk.guard(POLICY)


def ana(guard: Guard) -> Any:
    return guard.session(caller=Caller.of("ana", agent="desk", tenant="general"))


@pytest.mark.holds("S1", "S3", adapter="python", path="session.call")
@pytest.mark.parametrize("kind", SYNC)
def test_every_kind_of_function_is_a_tool(guard: Guard, kind: str) -> None:
    with ana(guard) as session:
        assert session.call(SYNC[kind], {"x": 1}) == 3
        assert session.call(SYNC[kind], {"x": "1", "y": 5}) == 6
        with pytest.raises(BadArgumentsError):
            session.call(SYNC[kind], {"x": 1, "z": 1})
    assert RAN == [(1, 2), (1, 5)], "defaults are the function's, and texts become what the annotation says"


@pytest.mark.holds("S1", "S3", adapter="python", path="session.acall")
@pytest.mark.parametrize("kind", [*ASYNC, *SYNC])
async def test_the_event_loop_runs_both_kinds(guard: Guard, kind: str) -> None:
    with ana(guard) as session:
        for function in (found[kind] for found in (ASYNC, SYNC) if kind in found):
            guard = session.guard
            assert await session.acall(_named(function, guard), {"x": 1}) == 3


def _named(function: Callable[..., Any], guard: Guard) -> BoundTool:
    """The same tool under a name of its own: one guard knows one tool by a name."""
    bound = from_function(function)
    from toolguard import Tool

    named = f"{bound.tool.name}_{id(function)}"
    return dataclasses.replace(
        bound, tool=Tool.describe(named, source="here", description="", schema=bound.tool.schema)
    )


@pytest.mark.parametrize("kind", ASYNC)
def test_s16_a_coroutine_function_is_not_begun_without_an_event_loop(guard: Guard, kind: str) -> None:
    with ana(guard) as session, pytest.raises(ConfigError, match="acall"):
        session.call(ASYNC[kind], {"x": 1})
    assert RAN == []
    assert from_function(ASYNC[kind]).awaits


def generator(x: int) -> Iterator[int]:
    RAN.append(x)
    yield x


async def agenerator(x: int) -> AsyncIterator[int]:
    RAN.append(x)
    yield x


def positional(x: int, /) -> int:
    return x


def many(*x: int) -> int:
    return len(x)


def anything(**x: int) -> int:
    return len(x)


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "generator": (generator, "generator"),
    "async-generator": (agenerator, "generator"),
    "partial-generator": (functools.partial(generator), "generator"),
    "positional-only": (positional, "by name"),
    "star": (many, "by name"),
    "double-star": (anything, "by name"),
    "unbound-method": (Ward.method, "bound"),
}


@pytest.mark.holds("S16", adapter="python", path="guard.tool")
@pytest.mark.parametrize("kind", REFUSED)
def test_s16_what_cannot_be_gated_is_refused_when_it_is_described(guard: Guard, kind: str) -> None:
    function, why = REFUSED[kind]
    with pytest.raises(ConfigError, match=why):
        guard.tool(function)
    with ana(guard) as session, pytest.raises(ConfigError, match=why):
        session.call(function, {"x": 1})
    assert RAN == []


FILLED = {
    "by-name": functools.partial(of_tenant, tenant="general"),
    "by-position": functools.partial(of_tenant, "general"),
    "twice": functools.partial(functools.partial(of_tenant), tenant="general"),
}


@pytest.mark.parametrize("how", FILLED)
def test_t8_what_a_partial_has_filled_in_cannot_be_passed_by_a_model(guard: Guard, how: str) -> None:
    bound = guard.tool(FILLED[how])
    assert set(bound.tool.schema["properties"]) == {"x"}
    assert (bound.tool.name, bound.tool.description) == ("of_tenant", "Count in a tenant.")
    with ana(guard) as session:
        assert session.call(bound, {"x": 1}) == "general:1"
        with pytest.raises(BadArgumentsError):
            session.call(bound, {"x": 1, "tenant": "other"})
    assert RAN == [("general", 1)]


async def test_a_partial_of_a_coroutine_function_runs_on_the_event_loop(guard: Guard) -> None:
    bound = guard.tool(functools.partial(alater, tenant="general"))
    assert bound.awaits
    with ana(guard) as session:
        assert await session.acall(bound, {"x": 1}) == "general:1"


class Level(enum.Enum):
    LOW = "low"


class Bed(BaseModel):
    number: Annotated[int, Field(ge=1)]


def typed(
    day: dt.date, level: Level, bed: Bed, kind: Literal["a", "b"], beds: list[Bed], note: str | None = None
) -> str:
    """Everything a signature can say."""
    RAN.append((day, level, bed, kind, beds, note))
    return day.isoformat()


GOOD = {"day": "2026-01-02", "level": "low", "bed": {"number": 1}, "kind": "a", "beds": [{"number": 2}]}


def test_s4_a_function_gets_the_types_it_says(guard: Guard) -> None:
    with ana(guard) as session:
        assert session.call(typed, GOOD) == "2026-01-02"
        for wrong in ({"day": "soon"}, {"level": "high"}, {"bed": {"number": 0}}, {"kind": "c"}, {"beds": [{}]}):
            with pytest.raises(BadArgumentsError):
                session.call(typed, {**GOOD, **wrong})
    assert [(dt.date(2026, 1, 2), Level.LOW, Bed(number=1), "a", [Bed(number=2)], None)] == RAN


def test_the_decorator_gives_what_a_session_calls(guard: Guard) -> None:
    @guard.tool
    def close_bed(bed: int) -> str:
        """Close a bed."""
        RAN.append(bed)
        return "closed"

    assert isinstance(close_bed, BoundTool)
    assert guard.known("close_bed") is close_bed.tool
    assert not callable(close_bed), "there is no way past the session by calling it"
    with ana(guard) as session:
        assert session.call(close_bed, {"bed": 4}) == "closed"


def ask_first(x: int) -> int:
    """Wait for somebody."""
    RAN.append(x)
    return x


async def aask_first(x: int) -> int:
    """Wait for somebody."""
    return ask_first(x)


@pytest.mark.holds("S8", "S9", "S10", adapter="python", mode="raise")
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_s8_a_function_waits_for_a_person_and_runs_once_with_what_was_seen(desk: Desk, way: str) -> None:
    guard = desk.guard(POLICY, suspend="raise")

    async def call(session: Any, x: int) -> Any:
        if way == "sync":
            return session.call(ask_first, {"x": x}, call_id="c")
        return await session.acall(aask_first, {"x": x}, call_id="c")

    with ana(guard) as session:
        with pytest.raises(Suspended) as waits:
            await call(session, 1)
        desk.approve(waits.value.approval_id)
        assert await call(session, 1) == 1
        for again in (1, 2):
            with pytest.raises(Exception, match=r"ran|carried out|asked"):
                await call(session, again)
    assert RAN == [1]


@pytest.mark.holds("S16", adapter="python", path="session.call")
def test_s16_a_session_that_was_left_calls_nothing(guard: Guard) -> None:
    from toolguard import current_session

    with pytest.raises(IdentityError):
        current_session().call(plain, {"x": 1})
    assert RAN == []
