"""Train the tagger: ``python -m training.train_tagger --out src/toolguard/detection/tagger/data/phi.crfsuite``.

Same arguments, same model, byte for byte. Needs ``gazetteer.z`` beside the output (`training.build_gazetteer`).
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pycrfsuite

from toolguard.detection.tagger.features import Features
from toolguard.detection.tagger.gazetteer import unpack
from toolguard.detection.tagger.tokens import tokenize
from training.generate import VERSION, Document, documents

__all__ = ["label_tokens", "train"]

SEED: Final = 20_261_122
COUNT: Final = 22_000
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


def examples(count: int, seed: int, flags: dict[str, str]) -> Iterator[tuple[list[list[str]], list[str]]]:
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
    trainer.train(str(out))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="where the model goes")
    parser.add_argument("--gazetteer", type=Path, help="default: gazetteer.z beside the model")
    parser.add_argument("--count", type=int, default=COUNT, help="documents to generate")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--iterations", type=int, default=95)
    parser.add_argument("--c1", type=float, default=0.7)
    parser.add_argument("--c2", type=float, default=0.01)
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    begun = time.perf_counter()
    train(
        given.out, given.gazetteer or given.out.with_name("gazetteer.z"), count=given.count, seed=given.seed,
        iterations=given.iterations, c1=given.c1, c2=given.c2, verbose=given.verbose,
    )  # fmt: skip
    print(
        f"generator {VERSION}, seed {given.seed}, {given.count} documents: {given.out.stat().st_size} bytes, "
        f"sha256 {hashlib.sha256(given.out.read_bytes()).hexdigest()[:16]}, {time.perf_counter() - begun:.0f} s"
    )


if __name__ == "__main__":
    main()
