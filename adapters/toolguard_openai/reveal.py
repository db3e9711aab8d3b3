"""Streamed text in clear for a person: a token cut in two by the stream is put together before it is looked up."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from toolguard import Session
from toolguard.errors import BadArgumentsError

__all__ = ["areveal_parsed", "areveal_stream", "reveal_parsed", "reveal_stream"]

M = TypeVar("M", bound=BaseModel)

_TAIL = re.compile(r"[A-Za-z0-9_<>\[\]&;]*\Z")
_HINT = re.compile(r"_[Mm]?[0-9]")
MAX_TAIL = 512
"""Characters held back at most: longer than any token."""


class _Whole:
    """Gives text back in pieces that never end inside what may become a token."""

    def __init__(self) -> None:
        self._held = ""

    def take(self, delta: str) -> str:
        text = self._held + delta
        match = _TAIL.search(text)
        at = match.start() if match else len(text)
        if len(text) - at > MAX_TAIL:
            at = len(text)
        self._held = text[at:]
        return text[:at]

    def rest(self) -> str:
        text, self._held = self._held, ""
        return text


def reveal_stream(deltas: Iterable[str | None], *, session: Session, purpose: str) -> Iterator[str]:
    """``deltas`` with their tokens in clear for the person behind the session, if the policy allows it.

    Each piece that holds a token is a disclosure of its own, decided and recorded before it is given out.

    Raises:
        DeniedError: the policy does not let this caller see it.
    """
    whole = _Whole()
    for delta in deltas:
        piece = whole.take(delta or "")
        if piece:
            yield session.reveal(piece, purpose=purpose).text if _HINT.search(piece) else piece
    piece = whole.rest()
    if piece:
        yield session.reveal(piece, purpose=purpose).text if _HINT.search(piece) else piece


async def areveal_stream(deltas: AsyncIterable[str | None], *, session: Session, purpose: str) -> AsyncIterator[str]:
    """`reveal_stream` on the event loop."""
    whole = _Whole()
    async for delta in deltas:
        piece = whole.take(delta or "")
        if piece:
            yield (await session.areveal(piece, purpose=purpose)).text if _HINT.search(piece) else piece
    piece = whole.rest()
    if piece:
        yield (await session.areveal(piece, purpose=purpose)).text if _HINT.search(piece) else piece


def reveal_parsed(text: str, model: type[M], *, session: Session, purpose: str) -> M:
    """A structured answer (its JSON text) in clear, for the person behind the session, as an object of ``model``.

    Ask the model for texts where an identifier may stand: a field that is a date or a number holds no token, and a model that
    is held to such a form makes a value up. ``model`` here may be stricter: it reads what the tokens stand for.

    Raises:
        DeniedError: the policy does not let this caller see it.
        BadArgumentsError: in clear it does not fit ``model``.
    """
    stream = session.stream_reveal(purpose=purpose, json=True)
    return _fit(stream.take(text) + stream.close(), model)


async def areveal_parsed(text: str, model: type[M], *, session: Session, purpose: str) -> M:
    """`reveal_parsed` on the event loop."""
    stream = session.stream_reveal(purpose=purpose, json=True)
    return _fit(await stream.atake(text) + await stream.aclose(), model)


def _fit(text: str, model: type[M]) -> M:
    try:
        return model.model_validate_json(text)
    except ValidationError as fault:
        where = sorted({".".join(map(str, e["loc"])) or "whole" for e in fault.errors(include_input=False)})
        raise BadArgumentsError(f"the answer does not fit {model.__name__!r} (wrong: {', '.join(where)})") from None
