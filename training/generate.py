"""Generate labelled documents: templates of ours, filled by `training.slots`, roughened as real text is.

``python -m training.generate --count 20`` prints some. Everything follows from the seed.
"""

from __future__ import annotations

import argparse
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

from training.forms import form
from training.people import lines
from training.slots import SLOT, Scene, Segment

__all__ = ["VERSION", "Document", "documents"]

VERSION: Final = "11"
"""Raised whenever templates, word lists or slots change, so that a model card can name what it was trained on."""

_TEMPLATES: Final = Path(__file__).parent / "templates"
_CHOICE: Final = re.compile(r"⟨([^⟨⟩]*)⟩")
_PIECE: Final = re.compile(r"«(\w+)»")
_RANGE: Final = re.compile(r"\{(\d+)-(\d+)\}")

_SCANNED: Final = str.maketrans("OoIl", "00l1")
"""What a scanner's character recognition makes of some letters."""

_HEARD: Final = frozenset(["spoken", "ward", "triage", "chat", "notes"])
_POINTS: Final = re.compile(r"[,.?!;:](?= |$)")
"""Speech recognition writes no punctuation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Genre:
    weight: float
    lower: float
    upper: float
    parts: int
    joins: tuple[str, ...]


_GENRES: Final = {
    "query": _Genre(weight=16, lower=0.15, upper=0.03, parts=1, joins=(" ",)),
    "notes": _Genre(weight=25, lower=0.08, upper=0.12, parts=5, joins=("\n", "\n", " ", "\n\n")),
    "triage": _Genre(weight=12, lower=0.7, upper=0.15, parts=2, joins=("\n", " ", ". ")),
    "spoken": _Genre(weight=11, lower=0.5, upper=0.02, parts=2, joins=("\n", " ")),
    "chat": _Genre(weight=22, lower=0.15, upper=0.03, parts=3, joins=("\n", "\n\n", " ")),
    "spanish": _Genre(weight=5, lower=0.2, upper=0.05, parts=2, joins=("\n", " ")),
    "records": _Genre(weight=14, lower=0.15, upper=0.06, parts=3, joins=("\n", "\n\n", " ")),
    "form": _Genre(weight=13, lower=0.1, upper=0.1, parts=1, joins=("\n",)),
    "structured": _Genre(weight=24, lower=0.04, upper=0.04, parts=2, joins=("\n", "\n\n")),
    "general": _Genre(weight=17, lower=0.12, upper=0.03, parts=2, joins=(" ", "\n", "\n\n")),
    "ward": _Genre(weight=34, lower=0.12, upper=0.12, parts=3, joins=("\n", " ", "\n\n")),
    "sms": _Genre(weight=10, lower=0.3, upper=0.01, parts=2, joins=("\n", " ")),
    "admin": _Genre(weight=20, lower=0.12, upper=0.05, parts=2, joins=("\n", " ", "\n\n")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A text and its identifiers as ``(start, end, label)``, offsets in characters."""

    text: str
    spans: tuple[tuple[int, int, str], ...]
    genre: str


def documents(count: int, seed: int) -> Iterator[Document]:
    """``count`` documents; equal arguments give equal documents."""
    random = Random(seed)
    names = list(_GENRES)
    weights = [_GENRES[name].weight for name in names]
    for _ in range(count):
        genre = random.choices(names, weights)[0]
        yield _document(Random(random.getrandbits(64)), genre)


@cache
def _templates(genre: str) -> tuple[str, ...]:
    text = (_TEMPLATES / f"{genre}.txt").read_text(encoding="utf-8")
    return tuple(
        line.replace("\\n", "\n").replace("\\t", "\t") for line in text.splitlines() if line and line[0] != "#"
    )


def every_template() -> Iterator[str]:
    """All templates and the pieces they are made of."""
    for genre in _GENRES:
        if genre != "form":
            yield from _templates(genre)
    yield from (option for options in _pieces().values() for option in options)


def _document(random: Random, genre: str) -> Document:
    habits = _GENRES[genre]
    segments: list[Segment] = []
    scene = Scene(random)
    join = random.choice(habits.joins)
    for part in range(random.randint(1, habits.parts)):
        if part:
            segments.append((join, None))
            if random.random() < 0.3:
                scene = Scene(random)
        if genre == "form":
            template = form(random)
        elif random.random() < 0.12 and genre != "structured":
            template = " ".join(["@salad"] * random.randint(1, 3))
        else:
            template = random.choice(_templates(genre))
        filled = _fill(template, scene, random)
        draw = random.random()
        if draw < 0.06:
            filled = [(text.upper() if draw < 0.03 else text.lower(), label) for text, label in filled]
        segments += filled
    return _lay_out(_roughen(segments, habits, random, genre), genre)


@cache
def _pieces() -> dict[str, list[str]]:
    rows = (line.split(":", 1) for line in lines("phrases.txt"))
    return {name: [option.strip() for option in options.split(" ¦ ")] for name, options in rows}


def expand(template: str, random: Random) -> str:
    """``template`` with its ``«pieces»``, ``⟨choices¦of¦text⟩`` and ``{1-9}`` numbers decided."""
    while "⟨" in template or "«" in template:
        template = _CHOICE.sub(lambda match: random.choice(match[1].split("¦")), template)
        template = _PIECE.sub(lambda match: random.choice(_pieces()[match[1]]), template)
    return _RANGE.sub(lambda match: str(random.randint(int(match[1]), int(match[2]))), template)


def _fill(template: str, scene: Scene, random: Random) -> list[Segment]:
    template = expand(template, random)
    segments: list[Segment] = []
    at = 0
    for match in SLOT.finditer(template):
        segments.append((template[at : match.start()], None))
        segments += scene.fill(match[1] or match[3], match[2] or "")
        at = match.end()
    segments.append((template[at:], None))
    return segments


def _roughen(segments: list[Segment], habits: _Genre, random: Random, genre: str) -> list[Segment]:
    draw = random.random()
    plain = random.random() < 0.3
    loud = random.random() < 0.06
    quiet = random.random() < 0.05
    heard = genre in _HEARD and random.random() < 0.15
    typos = random.random() < 0.15
    scanned = random.random() < 0.02
    found: list[Segment] = []
    for text, label in segments:
        if plain and label:
            text = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
        if loud and label in ("PERSON", "FACILITY"):
            text = text.upper()
        elif quiet and label in ("PERSON", "LOCATION", "FACILITY", "DATE"):
            text = text.lower()
        if typos and not label and len(text) > 12 and "{" not in text and "|" not in text:
            text = _typo(text, random)
        if scanned and not label:
            text = text.translate(_SCANNED)
        if heard and not label:
            text = _POINTS.sub("", text)
        if draw < habits.lower:
            text = text.lower()
        elif draw < habits.lower + habits.upper:
            text = text.upper()
        found.append((text, label))
    return _wrap(found, random) if random.random() < 0.05 else found


def _wrap(segments: list[Segment], random: Random) -> list[Segment]:
    """The text broken into lines of a fixed width, as terminals, faxes and mail programs do."""
    width, mark = random.choice([40, 60, 72, 80]), random.choice(["\n", "\n", "\n> ", "\n  "])
    column = 0
    found: list[Segment] = []
    for text, label in segments:
        words = text.split(" ")
        wrapped = words[0]
        column += len(words[0])
        for word in words[1:]:
            breaks = column + len(word) >= width
            wrapped += (mark if breaks else " ") + word
            column = len(word) if breaks else column + len(word) + 1
        if "\n" in text:
            column = len(text) - text.rindex("\n")
        found.append((wrapped, label))
    return found


def _typo(text: str, random: Random) -> str:
    at = random.randrange(1, len(text) - 2)
    if text[at].isalpha() and text[at + 1].isalpha():
        return random.choice([text[:at] + text[at + 1] + text[at] + text[at + 2 :], text[:at] + text[at + 1 :]])
    return text


def _lay_out(segments: list[Segment], genre: str) -> Document:
    parts: list[str] = []
    spans: list[tuple[int, int, str]] = []
    at = 0
    for text, label in segments:
        if label and text:
            spans.append((at, at + len(text), label))
        parts.append(text)
        at += len(text)
    return Document(text="".join(parts), spans=tuple(spans), genre=genre)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for document in documents(given.count, given.seed):
        shown, at = "", 0
        for start, end, label in document.spans:
            shown += f"{document.text[at:start]}[{label} {document.text[start:end]}]"
            at = end
        print(f"--- {document.genre}\n{shown}{document.text[at:]}")


if __name__ == "__main__":
    main()
