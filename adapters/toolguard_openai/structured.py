"""Structured answers: a field that is a date or a number holds no token, so the model is told what stands for it there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from toolguard import Session
from toolguard_openai.requests import Request

__all__ = ["aadd_surrogates", "add_surrogates"]


def add_surrogates(session: Session, request: Request) -> None:
    """Say at the end of a masked request which surrogate may stand for which of its tokens, where the answer's schema wants one."""
    schemas = list(_schemas(request.body))
    if schemas:
        _put(request.body, _words(session.surrogates(request.body, schemas)))


async def aadd_surrogates(session: Session, request: Request) -> None:
    schemas = list(_schemas(request.body))
    if schemas:
        _put(request.body, _words(await session.asurrogates(request.body, schemas)))


def _schemas(body: dict[str, Any]) -> Iterator[Any]:
    """What the model is held to: the form of its answer, and the arguments of tools that are strict."""
    for holder, key in (("response_format", "json_schema"), ("text", "format")):
        held = body.get(holder)
        form = held.get(key) if isinstance(held, dict) else None
        if isinstance(form, dict) and isinstance(form.get("schema"), dict):
            yield form["schema"]
    for tool in body.get("tools") or ():
        inner = tool.get("function", tool)
        if isinstance(inner, dict) and inner.get("strict") is True:
            yield inner.get("parameters")


_BEFORE = (
    "Some values are written as placeholders, such as <ID_1>. Where a field has no room for a placeholder, write the surrogate "
    "that stands for it, exactly as given here; never make a value up."
)


def _words(surrogates: Any) -> str:
    if not surrogates:
        return ""
    return "\n".join((_BEFORE, *(f"{s.token} in a field of type {s.field}: {s.value}" for s in surrogates)))


def _put(body: dict[str, Any], words: str) -> None:
    """At the end, so that what the provider keeps of the beginning stays the same."""
    if not words:
        return
    if "messages" in body:
        body["messages"] = [*body["messages"], {"role": "system", "content": words}]
        return
    given = body.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else list(given or ())
    body["input"] = [*items, {"role": "developer", "content": words}]
