"""One call through the guard: what it asks for is read strictly, and whatever comes of it becomes text."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from toolguard import BoundTool, Done, Session, Suspended, Tool
from toolguard.errors import (
    BadArgumentsError,
    ConfigError,
    IdentityError,
    NotAllowedError,
    ToolFailedError,
    ToolguardError,
    UnknownToolError,
)
from toolguard_openai.entries import Entry
from toolguard_openai.texts import parse_arguments

__all__ = ["Answer", "Asked", "agate", "gate", "prepare"]

_log = logging.getLogger("toolguard.openai")

_ALOUD = (Suspended, IdentityError, ConfigError)
"""What the application must see: a pause, nobody behind the call, a mistake in the set-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call as the model asked for it.

    ``kind`` is the item's type (``function_call``, ``custom_tool_call``, or another one, which is refused);
    ``text`` its arguments or input; ``ordinal`` its position among the calls of its message.
    """

    kind: str
    name: str
    text: str
    call_id: str
    ordinal: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model gets. ``outcome`` is ``executed``, ``replayed``, ``failed`` or the code of the refusal."""

    text: str
    outcome: str

    @property
    def ran(self) -> bool:
        """Whether the store holds its result."""
        return self.outcome in ("executed", "replayed")


def prepare(entries: Mapping[str, Entry], asked: Asked) -> tuple[BoundTool, Any]:
    """The tool and its arguments; what cannot run becomes a tool that refuses, so that it is recorded."""
    if asked.kind not in ("function_call", "custom_tool_call"):
        return _refusing(
            _STRANGE, UnknownToolError("the model asked for an action at the provider that no guard can gate")
        ), {}
    entry = entries.get(asked.name)
    if entry is None or (entry.custom is not None) is not (asked.kind == "custom_tool_call"):
        return _refusing(_STRANGE, UnknownToolError("the model called a tool that is not in the box; nothing ran")), {}
    if entry.custom is not None:
        return entry.bound, {"input": asked.text}
    try:
        raw = parse_arguments(asked.text or "{}")
    except ValueError:
        raw = None
    if not isinstance(raw, dict):
        fault = f"the arguments of {entry.name!r} are no JSON object, or a key stands in it twice; the tool did not run"
        return _refusing(entry.bound, BadArgumentsError(fault)), {}
    return entry.bound, raw


def gate(session: Session, bound: BoundTool, raw: Any, asked: Asked, *, replays: bool) -> Answer:
    """Authorise and run one call.

    Raises:
        Suspended: it waits for a person.
        IdentityError, ConfigError: the application is set up wrongly.
    """
    ref = session.ref(asked.call_id, asked.ordinal)
    try:
        permit = session.authorise(bound, raw, ref=ref, reason=asked.reason, replays=replays)
        return _answer(session.execute(bound, permit, replays=replays))
    except _ALOUD:
        raise
    except ToolguardError as fault:
        return _refused(fault)


async def agate(session: Session, bound: BoundTool, raw: Any, asked: Asked, *, replays: bool) -> Answer:
    """`gate` on the event loop."""
    ref = session.ref(asked.call_id, asked.ordinal)
    try:
        permit = await session.aauthorise(bound, raw, ref=ref, reason=asked.reason, replays=replays)
        return _answer(await session.aexecute(bound, permit, replays=replays))
    except _ALOUD:
        raise
    except ToolguardError as fault:
        return _refused(fault)


def _answer(done: Done) -> Answer:
    text = done.value if isinstance(done.value, str) else json.dumps(done.value, ensure_ascii=False)
    return Answer(text=text, outcome="replayed" if done.replayed else "executed")


def _refused(fault: ToolguardError) -> Answer:
    # the model hears a constant text: a broken store or detector must be told to whoever runs the application
    if not isinstance(fault, NotAllowedError | ToolFailedError) or fault.code == "internal_error":
        _log.warning("%s", fault)
    outcome = "failed" if isinstance(fault, ToolFailedError) else fault.code
    return Answer(text=fault.model_text, outcome=outcome)


def _refusing(bound: BoundTool, fault: ToolguardError) -> BoundTool:
    def refuse(_: Any) -> Any:
        raise fault

    return replace(bound, validate=refuse)


_NEVER: Callable[[Any], Any] = lambda _: None  # noqa: E731 - the refusal comes before it
_STRANGE = BoundTool(
    tool=Tool.describe("toolguard.unknown", source="toolguard", description="A tool nobody has; the model made it up."),
    invoke=_NEVER,
)
