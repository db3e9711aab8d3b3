"""Which templates repeat wording of a data set: ``python -m training.overlap DATA.jsonl …``.

A set is only a fair measure if the training text does not follow it. Prints every template that shares four plain
words in a row with a text of the sets (``{"text": …, "spans": […]}`` lines; spans and slots count as one gap each).
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_WORD: Final = re.compile(r"[a-z]+|@")
_SLOT: Final = re.compile(r"@\w+(?:\.\w+)?")
_CHOICE: Final = re.compile(r"⟨([^⟨⟩]*)⟩")
_LENGTH: Final = 4


def _grams(text: str) -> Iterator[str]:
    words = _WORD.findall(text.lower())
    for at in range(len(words) - _LENGTH + 1):
        if "@" not in words[at : at + _LENGTH]:
            yield " ".join(words[at : at + _LENGTH])


def _readings(template: str) -> Iterator[str]:
    """The template with each option of each choice in turn, the other choices at their first option."""
    yield _CHOICE.sub(lambda match: match[1].split("¦")[0], template)
    for match in _CHOICE.finditer(template):
        for option in match[1].split("¦"):
            around = template[: match.start()] + option + template[match.end() :]
            yield _CHOICE.sub(lambda other: other[1].split("¦")[0], around)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+", type=Path)
    known: set[str] = set()
    for path in parser.parse_args().data:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            text, at, plain = row["text"], 0, ""
            for span in sorted(row["spans"], key=lambda span: int(span["start"])):
                plain += text[at : span["start"]] + " @ "
                at = max(at, span["end"])
            known.update(_grams(plain + text[at:]))
    found = 0
    here = Path(__file__).parent
    for file in [*sorted((here / "templates").glob("*.txt")), here / "data" / "phrases.txt"]:
        for number, template in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            shared = {
                gram
                for reading in _readings(_SLOT.sub(" @ ", template.replace("\\n", " @ ")))
                for gram in _grams(reading)
            } & known
            if shared and not template.startswith("#"):
                found += 1
                print(f"{file.name}:{number}: {'; '.join(sorted(shared))}")
    print(f"{found} templates")


if __name__ == "__main__":
    main()
