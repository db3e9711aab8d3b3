"""Credentials taken out of an exception: its text, its attributes, what it came from, and the variables it keeps alive."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TypeVar

from toolguard._core.scrub import REMOVED, scrub_text

__all__ = ["scrub_error"]

E = TypeVar("E", bound=BaseException)
_DEPTH = 16


def scrub_error(error: E, secrets: frozenset[str]) -> E | Exception:
    """``error`` without ``secrets``; another exception where its class keeps them in its text all the same.

    The variables of the frames it passed through are cleared: error reporters read them.
    """
    for link in list(_chain(error)):
        traceback.clear_frames(link.__traceback__)
        _clean(link, secrets)
        for name in ("__cause__", "__context__"):
            earlier = getattr(link, name)
            if earlier is not None and _shows(earlier, secrets):
                setattr(link, name, None)
    if _shows(error, secrets):
        return RuntimeError(f"{type(error).__name__}: its text held a credential and is withheld")
    return error


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting += [link.__cause__, link.__context__]
        if isinstance(link, BaseExceptionGroup):
            waiting += link.exceptions


def _clean(error: BaseException, secrets: frozenset[str]) -> None:
    with suppress(Exception):  # a class may guard its attributes; what then still shows is replaced as a whole
        error.args = tuple(_without(a, secrets, 0) for a in error.args)
    for name, value in list(vars(error).items()):
        with suppress(Exception):
            setattr(error, name, _without(value, secrets, 0))
    for name in ("filename", "filename2", "strerror", "object", "reason", "msg", "text"):
        with suppress(Exception):
            value = getattr(error, name, None)
            if isinstance(value, str | bytes):
                setattr(error, name, _without(value, secrets, 0))


def _without(value: Any, secrets: frozenset[str], depth: int) -> Any:
    """``value`` without the secrets: text and containers rebuilt, any other object that shows one replaced."""
    if isinstance(value, str):
        return scrub_text(value, secrets)
    if value is None or isinstance(value, bool | BaseException):
        return value  # exceptions in the chain are cleaned by themselves
    if depth < _DEPTH:
        if isinstance(value, list | tuple) and type(value) in (list, tuple):
            return type(value)(_without(v, secrets, depth + 1) for v in value)
        if type(value) is dict:
            return {_without(k, secrets, depth + 1): _without(v, secrets, depth + 1) for k, v in value.items()}
    try:
        shown = value.decode("latin-1") if isinstance(value, bytes) else repr(value)
    except Exception:  # noqa: BLE001 - what cannot be shown cannot show a secret here, and is not worth the risk
        return REMOVED
    if scrub_text(shown, secrets) == shown:
        return value
    return REMOVED.encode() if isinstance(value, bytes) else REMOVED


def _shows(error: BaseException, secrets: frozenset[str]) -> bool:
    try:
        shown = f"{error}\n{error!r}\n{vars(error)!r}"
    except Exception:  # noqa: BLE001 - text nobody can have leaks nothing, and is not worth keeping
        return True
    return scrub_text(shown, secrets) != shown
