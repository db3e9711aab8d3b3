"""What a run comes to: a result, or a pause that any process can go on from."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from toolguard import Clear, Session
from toolguard.errors import ConfigError

__all__ = ["CallReport", "Conversation", "PendingCall", "RunResult", "SuspendedRun"]

MAX_BLOB = 32_000_000
"""Characters of a blob that is read."""

Api = Literal["chat", "responses"]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CallReport(_Frozen):
    """What came of one call. ``tool`` is ``""`` for a tool that is not in the box: the model made up its name."""

    tool: str
    call_id: str
    ordinal: int
    outcome: str
    """``executed``; ``replayed`` (it had run, and its recorded result was given again); ``failed``; or the code of
    the refusal (``denied``, ``unknown_tool``, ``bad_arguments``, …)."""


class PendingCall(_Frozen):
    """A call that waits for a person."""

    tool: str
    call_id: str
    ordinal: int
    approval_id: str
    call_digest: str
    expires_at: float
    """UTC seconds since the epoch."""


def _not_ran(outcome: str) -> str:
    if outcome in ("executed", "replayed"):
        raise ValueError("what ran is read from the store")
    return outcome


NotRan: TypeAlias = Annotated[str, AfterValidator(_not_ran)]


class Conversation(_Frozen):
    """A run at rest. ``body`` is the request so far, masked, without its tools; ``settled`` are the answers to
    calls of the last message that did not run (position → text): what did run is read from the store again."""

    toolguard: Literal["openai-run/1"] = "openai-run/1"
    api: Api
    tenant: str
    run: str
    session: str
    body: dict[str, Any] = Field(repr=False)
    turns: Annotated[int, Field(ge=0)]
    max_turns: Annotated[int, Field(ge=1, le=1000)]
    reports: tuple[CallReport, ...] = ()
    settled: dict[int, tuple[str, NotRan]] = Field(default_factory=dict, repr=False)
    pending: tuple[PendingCall, ...] = ()

    @classmethod
    def from_json(cls, blob: str | bytes) -> Conversation:
        """Read a blob. It is only a record of where a run stood: whether a call may run, the store says.

        Raises:
            ConfigError: it is none.
        """
        if len(blob) > MAX_BLOB:
            raise ConfigError("the blob is too large to be a suspended run")
        try:
            return cls.model_validate_json(blob)
        except ValidationError as fault:
            where = sorted({".".join(map(str, e["loc"][:1])) or "whole" for e in fault.errors(include_input=False)})
            raise ConfigError(f"this is no suspended run of toolguard_openai (wrong: {', '.join(where)})") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A run that came to its end.

    Attributes:
        text: the model's last words, masked.
        messages: the whole conversation, masked: messages, or input items.
        calls: what came of every call, in order.
        stop: ``done``, or ``max_turns`` if the model would have gone on.
        response: the SDK's last object, as the model wrote it.
    """

    text: str = field(repr=False)
    messages: list[dict[str, Any]] = field(repr=False)
    calls: tuple[CallReport, ...]
    stop: Literal["done", "max_turns"]
    response: Any = field(repr=False)
    finished: bool = True

    def reveal(self, session: Session, *, purpose: str) -> Clear:
        """The text in clear for the person behind the session, if the policy allows it; recorded.

        Raises:
            DeniedError: the policy does not let this caller see it.
        """
        return session.reveal(self.text, purpose=purpose)

    async def areveal(self, session: Session, *, purpose: str) -> Clear:
        return await session.areveal(self.text, purpose=purpose)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendedRun:
    """A run that waits for a person. ``to_json`` it, and give that to ``box.resume`` in any process."""

    conversation: Conversation = field(repr=False)
    calls: tuple[CallReport, ...] = ()
    """What came of the calls so far."""
    finished: bool = False

    @classmethod
    def from_json(cls, blob: str | bytes) -> SuspendedRun:
        """Read `to_json` again, to see what waits and which session to open. Raises ConfigError."""
        conversation = Conversation.from_json(blob)
        return cls(conversation=conversation, calls=conversation.reports)

    @property
    def run(self) -> str:
        """``run=`` of the session to go on in."""
        return self.conversation.run

    @property
    def session(self) -> str:
        """``id=`` of the session to go on in."""
        return self.conversation.session

    @property
    def pending(self) -> tuple[PendingCall, ...]:
        """The calls that wait."""
        return self.conversation.pending

    def to_json(self) -> str:
        """The run at rest: masked conversation, call ids, digests, approval ids. No identifier in clear."""
        return json.dumps(self.conversation.model_dump(mode="json"), ensure_ascii=False)
