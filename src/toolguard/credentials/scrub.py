"""Credentials taken out of an exception: its text, its attributes, what it came from, and the variables it keeps alive."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import ModuleType
from typing import Any, TypeVar

from toolguard._core.scrub import REMOVED, Scrubber

__all__ = ["scrub_error"]

E = TypeVar("E", bound=BaseException)
_DEPTH = 16
_MOST = 2_000
"""Objects looked at in one attribute."""


def scrub_error(error: E, secrets: frozenset[str]) -> E | Exception:
    """``error`` without ``secrets``; another exception where its class keeps them in its text all the same.

    The variables of the frames it passed through are cleared: error reporters read them.
    """
    scrubber = Scrubber(secrets)
    for link in list(_chain(error)):
        traceback.clear_frames(link.__traceback__)
        _clean(link, scrubber)
        for name in ("__cause__", "__context__"):
            earlier = getattr(link, name)
            if earlier is not None and _shows(earlier, scrubber):
                setattr(link, name, None)
    if _shows(error, scrubber):
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


def _clean(error: BaseException, scrubber: Scrubber) -> None:
    with suppress(Exception):  # a class may guard its attributes; what then still shows is replaced as a whole
        error.args = tuple(_without(a, scrubber, 0) for a in error.args)
    for name, value in list(vars(error).items()):
        with suppress(Exception):
            setattr(error, name, _without(value, scrubber, 0))
    for name in ("filename", "filename2", "strerror", "object", "reason", "msg", "text"):
        with suppress(Exception):
            value = getattr(error, name, None)
            if isinstance(value, str | bytes):
                setattr(error, name, _without(value, scrubber, 0))


def _without(value: Any, scrubber: Scrubber, depth: int) -> Any:
    """``value`` without the secrets: text and containers rebuilt, any other object that shows one replaced."""
    if isinstance(value, str):
        return scrubber.out_of_text(value)
    if value is None or isinstance(value, bool | BaseException):
        return value  # exceptions in the chain are cleaned by themselves
    if depth < _DEPTH:
        if isinstance(value, list | tuple) and type(value) in (list, tuple):
            return type(value)(_without(v, scrubber, depth + 1) for v in value)
        if type(value) is dict:
            return {_without(k, scrubber, depth + 1): _without(v, scrubber, depth + 1) for k, v in value.items()}
    if not _holds(value, scrubber):
        return value
    return REMOVED.encode() if isinstance(value, bytes) else REMOVED


def _holds(value: Any, scrubber: Scrubber) -> bool:
    """Whether an object, or what hangs from it (a request with its headers), shows a secret.

    What is too large to be looked through, or cannot be, is taken to hold one.
    """
    waiting, seen = [(value, 0)], set[int]()
    while waiting:
        item, depth = waiting.pop()
        if id(item) in seen or item is None or isinstance(item, bool | ModuleType | type | Callable):
            continue
        seen.add(id(item))
        if len(seen) > _MOST or depth > _DEPTH:
            return True
        try:
            if isinstance(item, str | bytes | bytearray | int | float):
                text = item.decode("latin-1") if isinstance(item, bytes | bytearray) else str(item)
            else:
                text = repr(item)
                waiting += [(part, depth + 1) for part in _parts(item)]
            if scrubber.out_of_text(text) != text:
                return True
        except Exception:  # noqa: BLE001 - what cannot be looked into is not worth the risk
            return True
    return False


def _parts(item: Any) -> Iterator[Any]:
    if isinstance(item, Mapping):
        yield from item.keys()
        yield from item.values()
    elif isinstance(item, list | tuple | set | frozenset):
        yield from item
    yield from getattr(item, "__dict__", {}).values()
    for kind in type(item).__mro__:
        for name in (names,) if isinstance(names := kind.__dict__.get("__slots__", ()), str) else names:
            with suppress(AttributeError):
                yield getattr(item, name)


def _shows(error: BaseException, scrubber: Scrubber) -> bool:
    try:
        shown = f"{error}\n{error!r}\n{vars(error)!r}"
    except Exception:  # noqa: BLE001 - text nobody can have leaks nothing, and is not worth keeping
        return True
    return scrubber.out_of_text(shown) != shown
