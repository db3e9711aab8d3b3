"""The loop of a run, once for both APIs, sync and async: a generator that asks its driver for what must be done."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from toolguard import BoundTool, Session, Suspended
from toolguard_openai.chat import add_message
from toolguard_openai.entries import Entry
from toolguard_openai.gate import Answer, Asked, prepare
from toolguard_openai.items import (
    asked_of,
    calls_in_chat,
    calls_in_response,
    chat_message,
    next_items,
    output_items,
)
from toolguard_openai.native import native_of
from toolguard_openai.requests import Request
from toolguard_openai.responses import add_item
from toolguard_openai.results import CallReport, Conversation, PendingCall, RunResult, SuspendedRun

__all__ = ["Loop", "Mask", "Model", "Run", "go"]


@dataclass(frozen=True, slots=True)
class Mask:
    """→ None; masks what the request collected."""

    request: Request


@dataclass(frozen=True, slots=True)
class Model:
    """→ the SDK's response."""

    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """→ Answer; raises Suspended."""

    bound: BoundTool
    raw: Any
    asked: Asked


Loop: TypeAlias = Generator[Mask | Model | Run, Any, RunResult | SuspendedRun]


def go(session: Session, entries: Mapping[str, Entry], at: Conversation, *, resumed: bool, blank: Request) -> Loop:
    """Go on from ``at`` until the model is done, a person is needed, or the turns are used up.

    ``blank`` carries what the client lets through. The conversation only ever holds masked text.
    """
    items: list[dict[str, Any]] = list(at.body["messages" if at.api == "chat" else "input"])
    body = {k: v for k, v in at.body.items() if k not in ("messages", "input")}
    reports, turns, response = list(at.reports), at.turns, None
    settled = dict(at.settled) if resumed else {}
    calls = _open_calls(at.api, items) if resumed else []
    words = ""
    while True:
        if calls:
            pending: list[PendingCall] = []
            outputs: list[dict[str, Any]] = []
            now: list[CallReport] = []
            for ordinal, call in enumerate(calls):
                asked = asked_of(call, ordinal, words)
                try:
                    answer: Answer = yield from _answered(session, entries, asked, settled)
                except Suspended as pause:
                    pending.append(_waiting(asked, pause))
                    continue
                if not answer.ran:
                    settled[ordinal] = (answer.text, answer.outcome)
                outputs += output_items(call, answer)
                now.append(_report(entries, asked, answer))
            if pending:
                rest = {**body, "messages" if at.api == "chat" else "input": items}
                changes = {
                    "body": rest,
                    "turns": turns,
                    "reports": tuple(reports),
                    "settled": settled,
                    "pending": tuple(pending),
                }
                return SuspendedRun(conversation=at.model_copy(update=changes), calls=(*reports, *now))
            items += outputs
            reports += now
            settled = {}
        if turns >= at.max_turns:
            return RunResult(text=words, messages=items, calls=tuple(reports), stop="max_turns", response=response)
        turns += 1
        response = yield Model({**body, "messages" if at.api == "chat" else "input": items})
        said = _said(at.api, response, session, keep_reasoning="reasoning" in blank.allowed)
        request = Request({}, blank.allowed)
        for item in said:
            if at.api == "chat":
                add_message(request, item)
            else:
                add_item(request, item)
        yield Mask(request)
        items += said
        words = _words(said)
        calls = calls_in_chat(said[0]) if at.api == "chat" else calls_in_response(said)
        if not calls:
            return RunResult(text=words, messages=items, calls=tuple(reports), stop="done", response=response)


def _answered(
    session: Session, entries: Mapping[str, Entry], asked: Asked, settled: Mapping[int, tuple[str, str]]
) -> Generator[Run, Any, Answer]:
    if asked.ordinal in settled:
        text, outcome = settled[asked.ordinal]
        return Answer(text=text, outcome=outcome)
    bound, raw = prepare(session.guard, entries, asked)
    answer: Answer = yield Run(bound, raw, asked)
    return answer


def _said(api: str, response: Any, session: Session, *, keep_reasoning: bool) -> list[dict[str, Any]]:
    """The model's turn as items of the conversation; a call without an id gets one, so that it stays one call."""
    if api == "chat":
        message = chat_message(response.choices[0].message)
        for call in calls_in_chat(message):
            call["id"] = call["id"] or session.ref().call_id
        return [message]
    items = next_items(response.output, reasoning=keep_reasoning)
    for item in calls_in_response(items):
        if item.get("type") in ("function_call", "custom_tool_call"):
            item["call_id"] = item.get("call_id") or session.ref().call_id
    return items


def _words(said: list[dict[str, Any]]) -> str:
    words = []
    for item in said:
        content = item.get("content") if item.get("role") == "assistant" else None
        if isinstance(content, str):
            words.append(content)
        elif content:
            words += [str(part.get("text") or part.get("refusal") or "") for part in content]
        elif item.get("refusal"):
            words.append(str(item["refusal"]))
    return "\n".join(words)


def _open_calls(api: str, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The calls the conversation ends with."""
    if api == "chat":
        return calls_in_chat(items[-1]) if items else []
    last: list[dict[str, Any]] = []
    for item in reversed(items):
        kind = str(item.get("type", ""))
        if item.get("role") in ("user", "system", "developer") or kind.endswith(("_output", "_approval_response")):
            break
        last.append(item)
    return calls_in_response(last[::-1])


def _waiting(asked: Asked, pause: Suspended) -> PendingCall:
    return PendingCall(
        tool=pause.tool,
        call_id=asked.call_id,
        ordinal=asked.ordinal,
        approval_id=pause.approval_id,
        call_digest=pause.call_digest,
        expires_at=pause.expires_at,
    )


def _report(entries: Mapping[str, Entry], asked: Asked, answer: Answer) -> CallReport:
    name = native_of(asked.kind) or asked.name
    tool = name if name in entries else ""
    return CallReport(tool=tool, call_id=asked.call_id, ordinal=asked.ordinal, outcome=answer.outcome)
