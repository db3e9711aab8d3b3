"""One call through the guard: what it asks for is read strictly, and whatever comes of it becomes text."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from toolguard import BoundTool, Done, Guard, Permit, Session, Suspended, Tool
from toolguard.errors import (
    BadArgumentsError,
    ConfigError,
    DeniedError,
    IdentityError,
    NotAllowedError,
    ToolFailedError,
    ToolguardError,
    UnknownToolError,
)
from toolguard_openai.entries import Entry
from toolguard_openai.mcp import mcp_tool
from toolguard_openai.native import arguments_of, checks_of, native_of
from toolguard_openai.texts import parse_arguments

__all__ = ["Answer", "Asked", "agate", "gate", "prepare"]

_log = logging.getLogger("toolguard.openai")

_ALOUD = (Suspended, IdentityError, ConfigError)
"""What the application must see: a pause, nobody behind the call, a mistake in the set-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call as the model asked for it.

    ``kind`` is the item's type; ``text`` its arguments or input; ``ordinal`` its position among the calls of its
    message; ``item`` the whole call, of kinds that have more than a text.
    """

    kind: str
    name: str
    text: str
    call_id: str
    ordinal: int
    reason: str = ""
    item: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def place(self) -> int:
        """The ordinal of its reference. An MCP request has an id of its own, wherever it is met again."""
        return 0 if self.kind == "mcp_approval_request" else self.ordinal


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model gets. ``outcome`` is ``executed``, ``replayed``, ``failed`` or the code of the refusal; ``value`` the
    masked result of a call that ran."""

    text: str
    outcome: str
    value: Any = field(default=None, repr=False)

    @property
    def ran(self) -> bool:
        """Whether the store holds its result."""
        return self.outcome in ("executed", "replayed")


def prepare(guard: Guard, entries: Mapping[str, Entry], asked: Asked) -> tuple[BoundTool, Any]:
    """The tool and its arguments; what cannot run becomes a tool that refuses, so that it is recorded."""
    if asked.kind not in ("function_call", "custom_tool_call"):
        return _prepare_action(guard, entries, asked)
    entry = entries.get(asked.name)
    if (
        entry is None
        or entry.native is not None
        or (entry.custom is not None) is not (asked.kind == "custom_tool_call")
    ):
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


def _prepare_action(guard: Guard, entries: Mapping[str, Entry], asked: Asked) -> tuple[BoundTool, Any]:
    """A provider tool that is carried out here, or the request of an MCP server there."""
    name, strange = native_of(asked.kind), "the model asked for an action that this box does not carry out"
    entry = entries.get(name) if name else None
    try:
        if entry is not None and entry.native is not None:
            return entry.bound, arguments_of(asked.item)
        found = mcp_tool(guard, asked.item) if asked.kind == "mcp_approval_request" else None
    except ValueError:
        fault = "the call has another shape than the provider's; it did not run"
        return _refusing(entry.bound if entry else _STRANGE, BadArgumentsError(fault)), {}
    return found or (_refusing(_STRANGE, UnknownToolError(f"{strange}; nothing ran")), {})


def gate(
    session: Session, bound: BoundTool, raw: Any, asked: Asked, *, replays: bool, suspend: str | None = None
) -> Answer:
    """Authorise and run one call. ``suspend``: what happens to it if it has to wait; default as the session has it.

    Raises:
        Suspended: it waits for a person.
        IdentityError, ConfigError: the application is set up wrongly.
    """
    ref = session.ref(asked.call_id, asked.place)
    try:
        permit = session.authorise(bound, raw, ref=ref, reason=asked.reason, replays=replays, suspend=suspend)
        if _unchecked(asked, permit):
            session.abandon(bound, permit, "safety_checks")
            return _refused(_no_person(bound))
        return _answer(session.execute(bound, permit, replays=replays))
    except _ALOUD:
        raise
    except ToolguardError as fault:
        return _refused(fault)


async def agate(
    session: Session, bound: BoundTool, raw: Any, asked: Asked, *, replays: bool, suspend: str | None = None
) -> Answer:
    """`gate` on the event loop."""
    ref = session.ref(asked.call_id, asked.place)
    try:
        permit = await session.aauthorise(bound, raw, ref=ref, reason=asked.reason, replays=replays, suspend=suspend)
        if _unchecked(asked, permit):
            await session.aabandon(bound, permit, "safety_checks")
            return _refused(_no_person(bound))
        return _answer(await session.aexecute(bound, permit, replays=replays))
    except _ALOUD:
        raise
    except ToolguardError as fault:
        return _refused(fault)


def _unchecked(asked: Asked, permit: Permit) -> bool:
    """Whether the provider wants a person to look first, and none has."""
    return bool(asked.kind == "computer_call" and checks_of(asked.item)) and permit.approval is None


def _no_person(bound: BoundTool) -> DeniedError:
    return DeniedError(
        f"the provider has safety checks pending for this call of {bound.tool.name!r}, and no person approved it; "
        "let the policy require an approval where args.safety_checks is not empty",
        code="safety_checks",
    )


def _answer(done: Done) -> Answer:
    text = done.value if isinstance(done.value, str) else json.dumps(done.value, ensure_ascii=False)
    return Answer(text=text, outcome="replayed" if done.replayed else "executed", value=done.value)


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
