"""Train the tagger: ``python -m training.train_tagger --data src/toolguard/detection/tagger/data``, or ``make model``.

Same recipe, same model, byte for byte. Needs ``gazetteer.z`` in the folder (`training.build_gazetteer`).
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypedDict

import pycrfsuite

from toolguard.detection.tagger.features import Features
from toolguard.detection.tagger.gazetteer import unpack
from toolguard.detection.tagger.model import pack
from toolguard.detection.tagger.tokens import tokenize
from training.generate import VERSION, Document, documents

__all__ = ["RECIPES", "Recipe", "label_tokens", "train"]


class Recipe(TypedDict):
    """What decides a model: documents to generate and their seed, and the trainer's settings."""

    count: int
    seed: int
    iterations: int
    c1: float
    c2: float


RECIPES: Final[dict[str, Recipe]] = {
    "fast.model": {"count": 24_000, "seed": 20_261_122, "iterations": 90, "c1": 0.7, "c2": 0.01},
    "second.model": {"count": 14_000, "seed": 20_261_123, "iterations": 75, "c1": 0.35, "c2": 0.01},
}
"""The models of the package. The second sees other documents and keeps more rare features."""

_VIEWS: Final = 4  # the last view sees the whole gazetteer; each other one lacks a third of the listed names


def label_tokens(document: Document) -> tuple[list[str], list[str]]:
    """Tokens of a document and their labels, ``B-``/``I-`` plus type, or ``O``."""
    words, starts, ends = tokenize(document.text)
    labels = ["O"] * len(words)
    at = 0
    for start, end, kind in document.spans:
        while at < len(words) and ends[at] <= start:
            at += 1
        first = True
        index = at
        while index < len(words) and starts[index] < end:
            labels[index] = ("B-" if first else "I-") + kind
            first = False
            index += 1
    return words, labels


def _hidden(view: int, word: str) -> bool:
    return hashlib.blake2b(word.encode(), digest_size=2).digest()[0] % 3 == view


def examples(count: int, seed: int, flags: dict[str, str]) -> Iterator[tuple[list[list[bytes]], list[str]]]:
    """Feature rows and labels of generated documents."""
    views = [Features(flags, hide=lambda word, view=view: _hidden(view, word)) for view in range(_VIEWS - 1)]  # type: ignore[misc]  # mypy: default argument in lambda
    views.append(Features(flags))
    for number, document in enumerate(documents(count, seed)):
        words, labels = label_tokens(document)
        if words:
            yield views[number % _VIEWS](words), labels


def train(
    out: Path, gazetteer: Path, *, count: int, seed: int, iterations: int, c1: float, c2: float, verbose: bool = False
) -> None:
    """Write the model to ``out``."""
    flags = unpack(gazetteer.read_bytes())
    trainer = pycrfsuite.Trainer(verbose=verbose)
    trainer.select("lbfgs", "crf1d")
    trainer.set_params(
        {
            "c1": c1,
            "c2": c2,
            "max_iterations": iterations,
            "feature.minfreq": 3 if count > 2000 else 1,
            "feature.possible_transitions": False,
        }
    )
    for rows, labels in examples(count, seed, flags):
        trainer.append(rows, labels)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        made = Path(folder) / "crf"
        trainer.train(str(made))
        tagger = pycrfsuite.Tagger()
        tagger.open(str(made))
        out.write_bytes(pack(made.read_bytes(), {name for name, _ in tagger.info().state_features}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with gazetteer.z, where the models go")
    parser.add_argument("--only", choices=sorted(RECIPES), help="train just this one")
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    for name, recipe in RECIPES.items():
        if given.only in (None, name):
            begun, out = time.perf_counter(), given.data / name
            train(out, given.data / "gazetteer.z", **recipe, verbose=given.verbose)
            print(
                f"{name}: generator {VERSION}, {recipe}, {out.stat().st_size} bytes, "
                f"sha256 {hashlib.sha256(out.read_bytes()).hexdigest()}, {time.perf_counter() - begun:.0f} s"
            )


if __name__ == "__main__":
    main()
