"""Streamed text in clear for a person: a token cut in two by the stream is put together before it is looked up."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator

from toolguard import Session

__all__ = ["areveal_stream", "reveal_stream"]

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
