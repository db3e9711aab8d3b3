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
from training.slots import SLOT, Scene, Segment

__all__ = ["VERSION", "Document", "documents"]

VERSION: Final = "10"
"""Raised whenever templates, word lists or slots change, so that a model card can name what it was trained on."""

_TEMPLATES: Final = Path(__file__).parent / "templates"
_CHOICE: Final = re.compile(r"⟨([^⟨⟩]*)⟩")


_SCANNED: Final = str.maketrans("OoIl", "00l1")
"""What a scanner's character recognition makes of some letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Genre:
    weight: float
    lower: float
    upper: float
    parts: int
    joins: tuple[str, ...]


_GENRES: Final = {
    "query": _Genre(weight=17, lower=0.15, upper=0.03, parts=1, joins=(" ",)),
    "notes": _Genre(weight=25, lower=0.08, upper=0.12, parts=5, joins=("\n", "\n", " ", "\n\n")),
    "triage": _Genre(weight=12, lower=0.7, upper=0.15, parts=2, joins=("\n", " ", ". ")),
    "spoken": _Genre(weight=11, lower=0.5, upper=0.02, parts=2, joins=("\n", " ")),
    "chat": _Genre(weight=22, lower=0.15, upper=0.03, parts=3, joins=("\n", "\n\n", " ")),
    "spanish": _Genre(weight=5, lower=0.2, upper=0.05, parts=2, joins=("\n", " ")),
    "records": _Genre(weight=14, lower=0.15, upper=0.06, parts=3, joins=("\n", "\n\n", " ")),
    "form": _Genre(weight=13, lower=0.1, upper=0.1, parts=1, joins=("\n",)),
    "structured": _Genre(weight=15, lower=0.03, upper=0.04, parts=2, joins=("\n", "\n\n")),
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
        segments += _fill(template, scene, random)
    return _lay_out(_roughen(segments, habits, random), genre)


def _fill(template: str, scene: Scene, random: Random) -> list[Segment]:
    while "⟨" in template:
        template = _CHOICE.sub(lambda match: random.choice(match[1].split("¦")), template)
    segments: list[Segment] = []
    at = 0
    for match in SLOT.finditer(template):
        segments.append((template[at : match.start()], None))
        segments += scene.fill(match[1] or match[3], match[2] or "")
        at = match.end()
    segments.append((template[at:], None))
    return segments


def _roughen(segments: list[Segment], habits: _Genre, random: Random) -> list[Segment]:
    draw = random.random()
    plain = random.random() < 0.3
    loud = random.random() < 0.06
    quiet = random.random() < 0.03
    typos = random.random() < 0.15
    scanned = random.random() < 0.02
    found: list[Segment] = []
    for text, label in segments:
        if plain and label:
            text = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
        if loud and label in ("PERSON", "FACILITY"):
            text = text.upper()
        elif quiet and label in ("PERSON", "LOCATION", "DATE"):
            text = text.lower()
        if typos and not label and len(text) > 12 and "{" not in text and "|" not in text:
            text = _typo(text, random)
        if scanned and not label:
            text = text.translate(_SCANNED)
        if draw < habits.lower:
            text = text.lower()
        elif draw < habits.lower + habits.upper:
            text = text.upper()
        found.append((text, label))
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
