"""The SDK's own ResponsesToolRunner with gated functions. It cannot hold a pause, so every call waits where it is."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from openai.lib.responses_tool_runner import (
    AsyncRegisteredFunction,
    AsyncResponsesToolRunner,
    RegisteredFunction,
    ResponsesToolRunner,
)

from toolguard import Session, Suspended
from toolguard.errors import ConfigError
from toolguard_openai.entries import Entry
from toolguard_openai.gate import Asked, agate, gate, prepare

__all__ = ["async_runner", "runner"]

Current = Callable[[], Session]


def runner(entries: Iterable[Entry], current: Current) -> ResponsesToolRunner:
    """Raises ConfigError if a tool is one that the runner cannot run."""
    found = {entry.name: entry for entry in entries}
    functions = []
    for entry in found.values():
        if entry.awaits:
            raise ConfigError(f"tool {entry.name!r} is a coroutine function; use async_runner")
        functions.append(RegisteredFunction(tool=_definition(entry), execute=_execute(found, entry, current)))
    return ResponsesToolRunner(functions=functions)


def async_runner(entries: Iterable[Entry], current: Current) -> AsyncResponsesToolRunner:
    """`runner` on the event loop."""
    found = {entry.name: entry for entry in entries}
    functions = [
        AsyncRegisteredFunction(tool=_definition(entry), execute=_aexecute(found, entry, current))
        for entry in found.values()
    ]
    return AsyncResponsesToolRunner(functions=functions)


def _definition(entry: Entry) -> Any:
    if entry.native is not None or entry.custom is not None:
        raise ConfigError(
            f"the SDK's runner runs functions only, and {entry.name!r} is none; use box.run_responses for it"
        )
    return entry.response()


def _asked(session: Session, entry: Entry, arguments: Mapping[str, Any]) -> Asked:
    # the runner tells no call id, so each attempt is a call of its own
    text, call_id = json.dumps(arguments, ensure_ascii=False), session.ref().call_id
    return Asked(kind="function_call", name=entry.name, text=text, call_id=call_id, ordinal=0)


def _execute(entries: Mapping[str, Entry], entry: Entry, current: Current) -> Callable[[dict[str, object]], str]:
    def execute(arguments: dict[str, object]) -> str:
        session = current()
        asked = _asked(session, entry, arguments)
        try:
            return gate(session, *prepare(session.guard, entries, asked), asked, replays=False, suspend="block").text
        except Suspended as pause:  # it waited as long as it may; nobody will make this very call again
            return pause.model_text

    return execute


def _aexecute(
    entries: Mapping[str, Entry], entry: Entry, current: Current
) -> Callable[[dict[str, object]], Awaitable[str]]:
    async def execute(arguments: dict[str, object]) -> str:
        session = current()
        asked = _asked(session, entry, arguments)
        try:
            answer = await agate(
                session, *prepare(session.guard, entries, asked), asked, replays=False, suspend="block"
            )
        except Suspended as pause:
            return pause.model_text
        return answer.text

    return execute
