"""Plain functions: `session.call` of a function as it is, and of one described with ``@guard.tool``."""

from __future__ import annotations

import inspect
import itertools
import json
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from adapters.contract.driver import Call, Driver, Outcome
from adapters.contract.ward import USER, Ward
from toolguard import IdentityError, Session, Suspended, ToolguardError, current_session
from toolguard.errors import ConfigError


class Loop(Driver):
    """A loop of somebody's own, without a framework around it: calls come, answers go back, errors are told."""

    says_unknown = False

    def __init__(self, ward: Ward, **settings: Any) -> None:
        super().__init__(ward, **settings)
        self.calls: list[Call] = []
        self.saw: list[str] = []
        self.numbers = itertools.count(1)

    async def start(self, *calls: Call, user: str = USER) -> Outcome:
        with self.ward.open() as session:
            self.saw.append(str(await self.do(session, "mask", user)))
        self.calls = list(calls)
        return await self.resume()

    async def resume(self) -> Outcome:
        answers, waiting = dict[str, str](), list[str]()
        with self.ward.open() as session:
            for at, call in enumerate(self.calls):
                try:
                    answers[call.id] = await self.run(session, call, at)
                except Suspended as pause:
                    waiting.append(pause.approval_id)
                except (IdentityError, ConfigError):
                    raise
                except ToolguardError as fault:
                    answers[call.id] = fault.model_text
        self.saw += answers.values()
        return Outcome(answers=answers, waiting=tuple(waiting), said="done")

    async def stream(self, text: str) -> list[str]:
        return [text[at : at + 3] for at in range(0, len(text), 3)]

    @abstractmethod
    async def run(self, session: Session, call: Call, at: int) -> str:
        """One call: its answer as text."""

    def swap(self, old: str, new: str) -> None:
        self.calls = [Call(c.name, json.loads(json.dumps(c.arguments).replace(old, new)), c.id) for c in self.calls]

    def rename(self, old: str, new: str) -> None:
        self.calls = [Call(c.name.replace(old, new), c.arguments, c.id) for c in self.calls]

    def freeze(self) -> dict[str, Any]:
        return {"calls": [[c.name, c.arguments, c.id] for c in self.calls]}

    def thaw(self, kept: Mapping[str, Any]) -> None:
        self.calls = [Call(*call) for call in kept["calls"]]

    @property
    def model_saw(self) -> str:
        return "\n".join(self.saw)


class PlainFunctions(Loop):
    adapter = "python"
    path = "session.call"
    modes = ("block", "raise")

    def __init__(self, ward: Ward, **settings: Any) -> None:
        super().__init__(ward, **settings)
        self.tools: dict[str, Any] = ward.tools()

    async def run(self, session: Session, call: Call, at: int) -> str:
        value = await self.do(session, "call", self.tools[call.name], call.arguments, call_id=call.id, ordinal=at)
        return value if isinstance(value, str) else json.dumps(value)

    def inner(self, name: str, arguments: dict[str, Any]) -> str:
        function = inspect.unwrap(self.ward.tools()[name])
        try:
            return str(current_session().call(function, arguments, call_id=f"inner-{next(self.numbers)}"))
        except ToolguardError as fault:
            return type(fault).__name__

    async def faces(self) -> list[tuple[Any, Any]]:
        found = []
        for name, function in self.ward.tools().items():
            tool = self.ward.guard.tool(function).tool
            bare = (name, inspect.getdoc(function), list(inspect.signature(function).parameters))
            found.append((bare, (tool.name, tool.description, list(tool.schema["properties"]))))
        return found


class DescribedFunctions(PlainFunctions):
    path = "@guard.tool"

    def __init__(self, ward: Ward, **settings: Any) -> None:
        super().__init__(ward, **settings)
        self.tools = {name: ward.guard.tool(function) for name, function in ward.tools().items()}
