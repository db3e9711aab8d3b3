"""Text that looks like identifiers and holds none: by kind, and in pairs with the identifier it looks like.

``look_alikes.txt``: one text a line (``\\n`` for a line break), by kind. ``look_alike_pairs.txt``: on each line a text
without and, after ``|``, one with identifiers in ``‹…›``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolguard.detection import DefaultDetector
from toolguard.ports import Origin

HERE = Path(__file__).parent
DETECTOR = DefaultDetector(profile="fast")
TOUCHED = 0.04  # of all texts; one kind may have single ones more


def texts() -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for line in (HERE / "look_alikes.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("=== "):
            kind = out.setdefault(line[4:], [])
        elif line:
            kind.append(line.replace("\\n", "\n"))
    return out


def pairs() -> Iterator[tuple[str, str]]:
    for line in (HERE / "look_alike_pairs.txt").read_text(encoding="utf-8").splitlines():
        clean, _, marked = line.partition(" | ")
        yield clean, marked


def hidden(text: str) -> list[str]:
    findings = DETECTOR.session().inspect(text, origin=Origin.RESULT)
    return [text[finding.start : finding.end] for finding in findings]


@pytest.mark.parametrize("kind", texts())
def test_hardly_any_text_without_identifiers_is_touched(kind: str) -> None:
    touched = {text: found for text in texts()[kind] if (found := hidden(text))}
    assert len(touched) <= max(2, 0.08 * len(texts()[kind])), touched


def test_over_all_kinds_few_texts_are_touched() -> None:
    every = [text for kind in texts().values() for text in kind]
    assert sum(bool(hidden(text)) for text in every) <= TOUCHED * len(every)


def test_of_a_pair_the_look_alike_stays() -> None:
    touched = {clean: found for clean, _ in pairs() if (found := hidden(clean))}
    assert len(touched) <= 4, touched


def test_of_a_pair_the_identifier_goes() -> None:
    seen = []
    for _, marked in pairs():
        text = re.sub("[‹›]", "", marked)
        found = " ".join(hidden(text))
        seen += [marked for name in re.findall("‹([^›]+)›", marked) if not set(words(name)) <= set(words(found))]
    assert len(seen) <= 2, seen


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)
