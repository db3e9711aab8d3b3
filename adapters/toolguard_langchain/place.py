"""Where a call stands in LangChain and LangGraph: whose session, which message, and how it waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, NamedTuple, NoReturn, TypeAlias

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp
from langgraph.types import interrupt

from toolguard import CallRef, Guard, Session, current_session
from toolguard.errors import ConfigError, IdentityError, Suspended

__all__ = [
    "SESSION_KEY",
    "GraphSuspended",
    "Mode",
    "SessionSource",
    "check_checkpointer",
    "check_mode",
    "in_graph",
    "leave",
    "pause",
    "pin",
    "place",
    "session_for",
]

Mode: TypeAlias = Literal["block", "interrupt", "raise"]
"""How a call waits for a person: in place and bounded; by LangGraph's own pause; by raising `GraphSuspended`."""

SessionSource: TypeAlias = Session | Callable[[RunnableConfig], Session]
"""A session, or how the application finds it from a run's config (say, by a verified user's id)."""

SESSION_KEY = "toolguard_session"
"""``config["configurable"]`` may hold the `Session` object under this key. A name is not enough: clients write configs."""

_READ = "__pregel_read"
_CHECKPOINTER = "__pregel_checkpointer"
_MODES = ("block", "interrupt", "raise")

_pinned: ContextVar[_Pin | None] = ContextVar("toolguard_langchain_session", default=None)


class _Pin(NamedTuple):
    """The session a `GuardMiddleware` found, for the tools that run inside it, and what else was said then."""

    session: Session
    entered: Session | None
    given: object


@contextmanager
def pin(session: Session, config: RunnableConfig | None) -> Iterator[None]:
    """Make ``session`` the one of the tools that run inside, until they say otherwise themselves."""
    mark = _pinned.set(_Pin(session, _entered(), _configurable(config).get(SESSION_KEY)))
    try:
        yield
    finally:
        _pinned.reset(mark)


def _entered() -> Session | None:
    try:
        return current_session()
    except IdentityError:
        return None


def _found(guard: Guard, config: RunnableConfig | None) -> Any:
    """Whose run it is where nobody said: a session given or entered since the middleware's comes before it."""
    held = _pinned.get()
    given = _configurable(config).get(SESSION_KEY)
    if held is None or held.session.guard is not guard:
        return current_session() if given is None else given
    if given is not None and given is not held.given:
        return given
    entered = _entered()
    anew = entered is not None and entered is not held.entered and entered.guard is guard
    return entered if anew else held.session


class GraphSuspended(Suspended, GraphBubbleUp):
    """The call waits for a person. It leaves the graph whatever ``handle_tool_errors`` says.

    Make the same call again (resume the thread) once it is decided; the attributes are those of
    `toolguard.Suspended`.
    """

    @classmethod
    def of(cls, waits: Suspended) -> GraphSuspended:
        """The same pause, as the graph lets it through."""
        return cls(
            str(waits),
            approval_id=waits.approval_id,
            call_digest=waits.call_digest,
            tool=waits.tool,
            expires_at=waits.expires_at,
        )


def check_mode(mode: str | None) -> None:
    """Raises ConfigError unless ``mode`` is None (the session's own way) or one of the three."""
    if mode is not None and mode not in _MODES:
        raise ConfigError(f"mode {mode!r} is unknown; use one of {', '.join(map(repr, _MODES))}")


def session_for(guard: Guard, source: SessionSource | None, config: RunnableConfig | None) -> Session:
    """The session behind a run: said explicitly, by the middleware, in the config, or the one this code runs in.

    Raises:
        IdentityError: there is none, or it belongs to another guard.
    """
    session = source(config or {}) if callable(source) else source
    if session is None:
        session = _found(guard, config)
    if not isinstance(session, Session):
        raise IdentityError(
            f"what was given as session is a {type(session).__name__!r}; give a Session object (names and ids in a "
            "config can be written by anyone), or session=<function from config to Session>"
        )
    if session.guard is not guard:
        raise IdentityError("the session belongs to another guard; open it with the guard that guards these tools")
    return session


def _configurable(config: RunnableConfig | None) -> Mapping[str, Any]:
    return (config or {}).get("configurable") or {}


def place(session: Session, config: RunnableConfig | None, call_id: str | None, arguments: object) -> CallRef:
    """Which call this is: thread, AI message and call id, position in the message.

    Outside a graph that keeps messages it is the session's run and the call id; without a call id every
    attempt is a new call.
    """
    if not call_id:
        return session.ref()
    configurable = _configurable(config)
    run = str(configurable.get("thread_id") or session.run)
    for message in reversed(_messages(configurable)):
        if AIMessage in type(message).__mro__ and message.tool_calls:
            same = [i for i, c in enumerate(message.tool_calls) if c["id"] == call_id]
            if same:
                exact = [i for i in same if message.tool_calls[i]["args"] == arguments]
                ident = f"{message.id}:{call_id}" if message.id else call_id
                return CallRef(run=run, call_id=ident, ordinal=(exact or same)[0])
    return CallRef(run=run, call_id=call_id)


def _messages(configurable: Mapping[str, Any]) -> list[Any]:
    read = configurable.get(_READ)
    if read is None:
        return []
    try:
        found = read("messages")
    except KeyError:
        return []  # a graph that keeps its messages elsewhere: the call id alone tells calls apart
    return found if isinstance(found, list) else []


def in_graph(config: RunnableConfig | None) -> bool:
    """Whether this runs as a step of a graph (whose tool node injects arguments itself)."""
    configurable = _configurable(config)
    return _READ in configurable or "__pregel_runtime" in configurable


def check_checkpointer(config: RunnableConfig | None) -> None:
    """Raises ConfigError where LangGraph's pause could not be resumed."""
    if _configurable(config).get(_CHECKPOINTER) is None:
        raise ConfigError(
            "mode 'interrupt' needs a graph with a checkpointer, or a paused call could never be resumed; "
            "compile the graph with checkpointer=..., or use mode 'block' or 'raise'"
        )


def pause(waits: Suspended) -> None:
    """LangGraph's own pause. What a client resumes it with is not believed: the store decides."""
    interrupt(waits.to_dict())


def leave(waits: Suspended) -> NoReturn:
    """Out of the graph."""
    raise GraphSuspended.of(waits)
