"""Records in results: which values stand together in one object, so that a name leads to an address.

Only whole fields count. What stands inside a text ties nothing to anything, since whoever wrote the text chose both;
the fields of a record are chosen by the program that keeps it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from toolguard._core.call import Json

__all__ = ["Links"]

MAX_FIELDS = 50_000
"""Fields kept; what comes later ties nothing."""
MAX_PROSE = 1_000_000
"""Characters of texts in records that are kept."""
MAX_RECORD = 60
MAX_LENGTH = 200
"""A longer text is prose, not a field."""
_PROSE = re.compile(
    r"(?:^|[\W_])(?:subject|title|description|body|text|content|message|notes?|comments?|summary|caption|reason|memo)$",
    re.IGNORECASE,
)
"""Fields in which people write: they may name a record, but never hold the address or id that a record leads to."""
_PIECES = re.compile(r"[ _.\-]+")
_MAX_NAME = 80
_MAX_DEPTH = 6
_MAX_HOLDERS = 200


class Links:
    """Which record holds which value in which field."""

    __slots__ = ("_by_field", "_by_piece", "_by_value", "_left", "_prose", "_records", "_room")

    def __init__(self) -> None:
        self._records: list[frozenset[tuple[str, str]]] = []
        self._by_value: dict[str, set[int]] = {}
        self._by_field: dict[tuple[str, str], set[int]] = {}
        self._by_piece: dict[str, set[str]] = {}
        self._prose: list[tuple[int, str]] = []
        self._left = MAX_FIELDS
        self._room = MAX_PROSE

    def add(self, value: Json, stream: Callable[[str], str]) -> None:
        """Take in every record of ``value``. ``stream`` gives the form in which values are compared."""
        for fields in _records(value, 0):
            read = [(name, words, len(text)) for name, text in fields if (words := stream(text))]
            record = frozenset((name, words) for name, words, length in read if length <= MAX_LENGTH)
            if not 0 < len(record) <= self._left:
                continue
            for name, words, length in read:
                if (length > MAX_LENGTH or _PROSE.search(name)) and len(words) <= self._room:
                    self._room -= len(words)
                    self._prose.append((len(self._records), f" {words} "))
            self._left -= len(record)
            number = len(self._records)
            self._records.append(record)
            for name, words in record:
                if words not in self._by_value and len(words) <= _MAX_NAME:
                    for piece in _PIECES.split(words):
                        self._by_piece.setdefault(piece, set()).add(words)
                self._by_value.setdefault(words, set()).add(number)
                self._by_field.setdefault((name, words), set()).add(number)

    def holds(self, value: str) -> bool:
        """Whether a record has ``value`` as a field."""
        return value in self._by_value

    def meant(self, value: str, named: Callable[[str], bool]) -> bool:
        """Whether a part of ``value`` that no other field shares was ``named``: "External" leads to ``External_0``."""
        pieces = _PIECES.split(value) if len(value) <= _MAX_NAME else []
        return len(pieces) > 1 and any(
            len(piece) > 3 and self._by_piece.get(piece) == {value} and named(piece) for piece in pieces
        )

    def pointed(self, value: str, named: Callable[[str], bool]) -> bool:
        """Whether a text that ``value`` stands in is part of a record of which another field was ``named``."""
        needle = f" {value} "
        return any(
            needle in text
            and any(not _PROSE.search(name) and named(words) for name, words in self._records[number] if words != value)
            for number, text in self._prose
        )

    def tied(self, value: str, named: Callable[[str], bool]) -> bool:
        """Whether a record that has ``value`` as a field has another that was ``named``, and leaves no doubt.

        Where two records have the named field and hold something else in the place of ``value``, it could be either.
        """
        holders = self._by_value.get(value, set())
        if len(holders) > _MAX_HOLDERS:
            return False
        tried: dict[str, bool] = {}
        for number in holders:
            record = self._records[number]
            places = [name for name, words in record if words == value and not _PROSE.search(name)]
            for name, words in record:
                if words == value:
                    continue
                if words not in tried:
                    tried[words] = named(words)
                if tried[words] and any(self._sure(name, words, place, value) for place in places):
                    return True
        return False

    def _sure(self, name: str, words: str, place: str, value: str) -> bool:
        rivals = self._by_field[(name, words)]
        return all(
            (place, value) in self._records[r] or not any(n == place for n, _ in self._records[r]) for r in rivals
        )


def _records(value: Json, depth: int) -> Iterator[list[tuple[str, str]]]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, Mapping):
        fields = list(_fields(value))
        if 0 < len(fields) <= MAX_RECORD:
            yield fields
        for key, item in value.items():
            if isinstance(item, Mapping):  # what it is filed under belongs to it
                yield from _records({**item, "": str(key)}, depth + 1)
            elif isinstance(item, list | tuple):
                yield from _records(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            if isinstance(item, str) and len(item) <= MAX_LENGTH:
                yield [("", item)]  # an entry of a plain list, tied to nothing
            else:
                yield from _records(item, depth + 1)


def _fields(record: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """The record's own fields: texts and numbers, and lists of them. Records inside it are records of their own."""
    for key, item in record.items():
        for one in item if isinstance(item, list | tuple) else (item,):
            if isinstance(one, bool) or one is None:
                continue
            if isinstance(one, str):
                yield str(key), one
            elif isinstance(one, int | float):
                yield str(key), repr(one)
