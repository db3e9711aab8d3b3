"""What counts as hidden: full recall, precision by characters, clean texts touched.

A gold span is recalled if *every* letter and digit of it is hidden; whether the type is right does not matter.
Precision is the share of hidden letters and digits that stand in a gold span. A clean text is one without any
labelled span; it is touched if anything in it was hidden.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

IGNORED = frozenset({"ROOM", "PEDIATRIC_AGE", "TITLE", "AGE", "NRP", "ORGANIZATION", "PROFESSION"})
"""Labels that no Safe Harbor identifier stands behind: hiding them counts neither for nor against."""
DATES = frozenset({"DATE", "DATE_TIME", "DOB"})
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_GOLD, _IGNORED = 1, 2

Found = tuple[int, int, str]
"""Start, end (half-open, in characters) and the finder's own type."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts that add up over texts and sets."""

    texts: int = 0
    chars: int = 0
    gold: int = 0
    full: int = 0
    marked: int = 0
    right: int = 0
    clean: int = 0
    touched: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    labels_full: Counter[str] = field(default_factory=Counter)
    genres: Counter[str] = field(default_factory=Counter)
    genres_full: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    """Letters and digits hidden for nothing, by the finder's type."""

    def add(self, doc: Mapping[str, Any], found: Iterable[Found], *, years_ok: bool = False) -> None:
        """Count one text. With ``years_ok`` a year left visible in a date is no leak (Safe Harbor lets it stay)."""
        text, genre = doc["text"], str(doc.get("genre", ""))
        hidden: list[str | None] = [None] * len(text)
        for start, end, type in found:
            for at in range(max(0, start), min(end, len(text))):
                hidden[at] = type
        wanted = bytearray(len(text))
        for span in doc["spans"]:
            if span["label"] in IGNORED:
                wanted[span["start"] : span["end"]] = bytes([_IGNORED]) * (span["end"] - span["start"])
        self.texts += 1
        self.chars += len(text)
        for span in doc["spans"]:
            start, end, label = span["start"], span["end"], span["label"]
            if label in IGNORED:
                continue
            wanted[start:end] = bytes([_GOLD]) * (end - start)
            need = {at for at in range(start, end) if text[at].isalnum()}
            if years_ok and label in DATES:
                for year in _YEAR.finditer(text[start:end]):
                    need -= set(range(start + year.start(), start + year.end()))
                if not need:
                    continue
            whole = all(hidden[at] is not None for at in need)
            self.gold += 1
            self.full += whole
            self.labels[label] += 1
            self.labels_full[label] += whole
            if genre:
                self.genres[genre] += 1
                self.genres_full[genre] += whole
        for at, char in enumerate(text):
            type_there = hidden[at]
            if type_there is not None and char.isalnum() and wanted[at] != _IGNORED:
                self.marked += 1
                if wanted[at] == _GOLD:
                    self.right += 1
                else:
                    self.wrong[type_there] += 1
        if not doc["spans"]:
            self.clean += 1
            self.touched += any(type is not None for type in hidden)

    def __iadd__(self, other: Tally) -> Self:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    def rates(self) -> dict[str, float | int | None]:
        """Recall, precision and clean touched as shares (None where there is nothing to share), with what they stand on."""
        return {
            "texts": self.texts,
            "chars": self.chars,
            "gold": self.gold,
            "recall": self.full / self.gold if self.gold else None,
            "precision": self.right / self.marked if self.marked else None,
            "clean": self.clean,
            "clean_touched": self.touched / self.clean if self.clean else None,
        }

    def worst(self) -> dict[str, dict[str, list[int]]]:
        """Errors by kind, most first: ``label``/``genre`` → [missed, of], ``hidden for nothing`` → [characters, of]."""

        def missed(all_: Counter[str], full: Counter[str]) -> dict[str, list[int]]:
            rows = [(kind, [n - full[kind], n]) for kind, n in all_.items() if n > full[kind]]
            return dict(sorted(rows, key=lambda row: -row[1][0]))

        return {
            "missed by label": missed(self.labels, self.labels_full),
            "missed by genre": missed(self.genres, self.genres_full),
            "hidden for nothing": {type: [n, self.marked] for type, n in self.wrong.most_common()},
        }
