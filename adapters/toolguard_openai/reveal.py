"""Streamed text in clear for a person: a token cut in two by the stream is put together before it is looked up."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from toolguard import Session
from toolguard.errors import BadArgumentsError

__all__ = ["areveal_parsed", "areveal_stream", "reveal_parsed", "reveal_stream"]

M = TypeVar("M", bound=BaseModel)


def reveal_stream(deltas: Iterable[str | None], *, session: Session, purpose: str) -> Iterator[str]:
    """``deltas`` with their tokens and surrogates in clear for the person behind the session, if the policy allows it.

    Each is decided upon and recorded once, before its value is given out.

    Raises:
        DeniedError: the policy does not let this caller see it.
    """
    return session.stream_reveal(purpose=purpose).over(deltas)


def areveal_stream(deltas: AsyncIterable[str | None], *, session: Session, purpose: str) -> AsyncIterator[str]:
    """`reveal_stream` on the event loop."""
    return session.stream_reveal(purpose=purpose).aover(deltas)


def reveal_parsed(text: str, model: type[M], *, session: Session, purpose: str) -> M:
    """A structured answer (its JSON text) in clear, for the person behind the session, as an object of ``model``.

    A field that is a date or a number holds no token: the guarded client tells the model which surrogate stands for it, and
    that turns back here. ``model`` need not be the one that was asked for: it reads what tokens and surrogates stand for.

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
