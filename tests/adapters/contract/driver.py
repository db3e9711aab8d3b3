"""What a way of using an adapter must be able to do to be tried: the same for every framework."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import copy_context
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, ClassVar, Self

from adapters.contract.ward import USER, Ward

__all__ = ["Call", "Driver", "Outcome", "settled"]


@dataclass(frozen=True)
class Call:
    """One call as the model writes it."""

    name: str
    arguments: dict[str, Any]
    id: str = "c1"


@dataclass
class Outcome:
    """Where a run stands: what answers each call (by its id), which approvals it waits for, the model's last words."""

    answers: dict[str, str] = field(default_factory=dict)
    waiting: tuple[str, ...] = ()
    said: str = ""


class Driver(ABC):
    """One path through one adapter. ``sync`` methods never wait for the event loop, so that threads can run them.

    Attributes:
        masks_context: the model's request passes the guard; otherwise the application masks it, as the docs say.
        says_unknown: a tool name that the model made up reaches the guard, and is recorded.
        keeps: what waits is kept as text somewhere (a checkpoint, a blob, the application's own list of calls).
    """

    adapter: ClassVar[str]
    path: ClassVar[str]
    modes: ClassVar[tuple[str, ...]]
    masks_context: ClassVar[bool] = False
    says_unknown: ClassVar[bool] = True
    error_settings: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)
    """Every way the path lets an application handle errors, as what is given to `__init__`."""

    def __init__(self, ward: Ward, **settings: Any) -> None:
        self.ward = ward
        self.settings = settings
        ward.inner = self.inner

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of sockets and files."""
        return

    # --- a run

    @abstractmethod
    async def start(self, *calls: Call, user: str = USER) -> Outcome:
        """The user says something; the model makes these calls, all at once, reads the answers and is done."""

    @abstractmethod
    async def resume(self) -> Outcome:
        """Go on where `start` was left waiting. May be called again and again."""

    async def again(self) -> Outcome:
        """Go back to where `start` was left waiting, though it is over, and go on from there."""
        return await self.resume()

    def swap(self, old: str, new: str) -> None:
        """Change a word where the waiting calls are kept. Both have the same length."""
        raise NotImplementedError

    def rename(self, old: str, new: str) -> None:
        """Change the name of the tool that the waiting calls are of."""
        self.swap(old, new)

    async def stream(self, text: str) -> list[str]:
        """The model says this, in bits; the bits as the path gives them to the application."""
        raise NotImplementedError

    @abstractmethod
    def freeze(self) -> dict[str, Any]:
        """All another process needs to go on, besides the store."""

    @abstractmethod
    def thaw(self, kept: Mapping[str, Any]) -> None:
        """Take up what `freeze` gave."""

    # --- what it showed

    @property
    @abstractmethod
    def model_saw(self) -> str:
        """All that went to the model."""

    @property
    def tracers_saw(self) -> str:
        """All that the framework's own tracers heard of the tools."""
        return ""

    @property
    def at_rest(self) -> str:
        """All that the framework wrote down."""
        return ""

    @abstractmethod
    def inner(self, name: str, arguments: dict[str, Any]) -> str:
        """A call of another guarded tool, made by a tool: its answer, or the name of the error."""

    @abstractmethod
    async def faces(self) -> list[tuple[Any, Any]]:
        """How each tool looks, bare and guarded."""

    # --- sync and async from one text

    async def do(self, thing: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        """``thing.name(…)``, or in the asynchronous way ``await thing.aname(…)``."""
        if self.ward.way == "sync":
            return getattr(thing, name)(*args, **kwargs)
        return await getattr(thing, f"a{name}")(*args, **kwargs)

    async def at_once(self, count: int, act: Callable[[], Coroutine[Any, Any, Any]]) -> list[Any]:
        """``act`` so often at the same time: in threads, or as tasks. Errors are results here."""
        if self.ward.way == "async":
            return list(await asyncio.gather(*(act() for _ in range(count)), return_exceptions=True))
        gate, results = threading.Barrier(count), list[Any]()

        def one() -> None:
            gate.wait()
            try:
                results.append(finish(act()))
            except Exception as fault:
                results.append(fault)

        threads = [threading.Thread(target=copy_context().run, args=(one,)) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results


def finish(running: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that never waits."""
    try:
        running.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("a synchronous driver waited for the event loop")


async def settled(
    driver: Driver, *calls: Call, act: Callable[[str], Any], begin: Callable[[], Awaitable[Any]] | None = None
) -> Any:
    """Start; a person acts on what waits; go on: in place where the call blocks, else by resuming."""
    ward = driver.ward
    start = begin or (lambda: driver.start(*calls))
    if ward.mode != "block":
        paused = await start()
        assert paused.waiting, "nothing waits"
        for approval in paused.waiting:
            act(approval)
        return await driver.resume()
    faults: list[BaseException] = []

    def person() -> None:
        try:
            ward.when_asked(act)
        except BaseException as fault:
            faults.append(fault)

    thread = threading.Thread(target=person)
    thread.start()
    try:
        return await start()
    finally:
        await asyncio.to_thread(thread.join) if ward.way == "async" else thread.join()
        if faults:
            raise faults[0]
