"""The text of a request, collected where it stands, masked in one go per origin, and put back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from pydantic_core import to_jsonable_python

from toolguard import Origin, Session
from toolguard.errors import DeniedError

__all__ = ["Texts", "parse_arguments", "plain"]

MAX_TEXT = 2_000_000
"""Characters of one JSON text that is parsed; a longer one is masked as text, or refused as arguments."""


def plain(value: Any) -> Any:
    """A copy as plain JSON, detached from what the caller may still change.

    Raises:
        DeniedError: something in it is no JSON; what cannot be read is not sent.
    """
    kind = type(value)
    if kind is str or value is None or kind is bool or kind is int or kind is float:
        return value
    if kind is dict:
        return {str(k): plain(v) for k, v in value.items()}
    if kind is list or kind is tuple:
        return [plain(v) for v in value]
    try:
        return plain(to_jsonable_python(value, exclude_none=True))
    except Exception:  # noqa: BLE001 - the fault may show the value
        raise DeniedError(
            f"the request was not sent: it holds a {kind.__name__!r}, which is no JSON; pass plain data", code="no_json"
        ) from None


def parse_arguments(text: str) -> Any:
    """The value of a JSON text in which nothing hides: no repeated key, no NaN, no infinity.

    Raises:
        ValueError: it is none; no piece of the text is shown.
    """
    if len(text) > MAX_TEXT:
        raise ValueError("too long")
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        raise ValueError("no JSON, or a key stands in it twice") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _no_constant(name: str) -> Any:
    raise ValueError


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


Put: TypeAlias = Callable[[Any], None]
_JOINT = re.compile(r"[_-]+")
_NO_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_ID = re.compile(
    r"(?:[a-z]{2,12}[_-])?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|(?:[a-z]{2,12}[_-]){1,2}(?=[A-Za-z0-9]*[0-9])(?=[A-Za-z0-9]*[A-Za-z])[A-Za-z0-9]{16,64}"
)
"""An id as providers make them (``call_…``, ``resp_…``, ``chatcmpl-tool-…``): random, and nobody's."""


class Texts:
    """Places in a request that hold text, with where each came from."""

    def __init__(self) -> None:
        self._groups: dict[tuple[Origin, int], tuple[Mapping[str, Any] | None, list[Any], list[Put]]] = {}
        self._words: dict[str, list[Put]] = {}

    def add(self, origin: Origin, holder: Any, key: Any, schema: Mapping[str, Any] | None = None) -> None:
        """``holder[key]``: text, or any JSON, masked as it is."""

        def put(masked: Any) -> None:
            holder[key] = masked

        self._take(origin, holder[key], put, schema)

    def add_json(self, origin: Origin, holder: Any, key: Any, schema: Mapping[str, Any] | None = None) -> None:
        """``holder[key]``: JSON as text, masked inside and written again; as text where it is no JSON object or array."""
        text = holder[key]
        try:
            value = parse_arguments(text) if isinstance(text, str) and text.lstrip()[:1] in ("{", "[") else None
        except ValueError:
            value = None
        if not isinstance(value, dict | list):
            self.add(origin, holder, key)
            return

        def put(masked: Any) -> None:
            if masked != value:
                holder[key] = json.dumps(masked, ensure_ascii=False)

        self._take(origin, value, put, schema)

    def add_name(self, origin: Origin, holder: Any, key: Any) -> None:
        """``holder[key]``: a name the provider allows letters, digits, ``_`` and ``-`` in; a token loses its brackets."""
        if not isinstance(holder[key], str):
            self.add(origin, holder, key)
            return
        words = _JOINT.sub(" ", holder[key])

        def put(masked: Any) -> None:
            if masked != words:
                self.put_name(holder, key, masked)

        self._take(origin, words, put, None)

    def add_word(self, word: str, put: Put) -> None:
        """An id, or a word of the protocol: ``put`` is called with what it became, where something was found in it.

        It is looked into like what a model wrote: it is nobody's word, and tells no protected value from a guess.
        """
        if not word or _ID.fullmatch(word):
            return
        known = self._words.get(word)
        if known is not None:
            known.append(put)
            return
        puts = self._words[word] = [put]

        def each(masked: Any) -> None:
            if masked != word:
                for one in puts:
                    one(masked)

        self._take(Origin.MODEL, word, each, None)

    def add_id(self, holder: Any, key: Any) -> None:
        """``holder[key]``: an id. Where a token takes its place, it loses its brackets."""

        def put(masked: Any) -> None:
            self.put_name(holder, key, masked)

        self.add_word(holder[key], put)

    def add_keys(self, holder: Any, key: Any) -> None:
        """The keys of the object ``holder[key]``, and of those in it, each looked into like an id."""

        def put(name: str) -> Put:
            return lambda masked: _rename(holder[key], name, _NO_NAME.sub("_", masked).strip("_"))

        for name in set(_keys(holder[key])):
            self.add_word(name, put(name))

    @staticmethod
    def put_name(holder: Any, key: Any, masked: str) -> None:
        holder[key] = _NO_NAME.sub("_", masked).strip("_")

    def _take(self, origin: Origin, value: Any, put: Put, schema: Mapping[str, Any] | None) -> None:
        if value is None or isinstance(value, bool) or value in ("", [], {}):
            return
        group = self._groups.setdefault((origin, id(schema)), (schema, [], []))
        group[1].append(value)
        group[2].append(put)

    def mask(self, session: Session) -> None:
        """Mask everything collected and put it back where it stood."""
        for origin, schema, value, put in self._batches():
            put(session.mask(value, origin=origin, schema=schema))

    async def amask(self, session: Session) -> None:
        for origin, schema, value, put in self._batches():
            put(await session.amask(value, origin=origin, schema=schema))

    def _batches(self) -> Iterator[tuple[Origin, Mapping[str, Any] | None, Any, Put]]:
        """What people typed first: it may be learned, and is then found in everything else."""
        for wanted in _ORDER:
            for (origin, _), (schema, values, puts) in self._groups.items():
                if origin is wanted and schema is None:
                    yield origin, None, values, _each(puts)
                elif origin is wanted:
                    for value, put in zip(values, puts, strict=True):
                        yield origin, schema, value, put


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _keys(item)


def _rename(value: Any, name: str, other: str) -> None:
    if isinstance(value, dict) and name in value:
        value[other] = value.pop(name)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _rename(item, name, other)


def _each(puts: list[Put]) -> Put:
    def put(masked: Any) -> None:
        for one, value in zip(puts, masked, strict=True):
            one(value)

    return put


_ORDER = (Origin.USER, Origin.TRUSTED, Origin.SYSTEM, Origin.RESULT, Origin.MODEL)
