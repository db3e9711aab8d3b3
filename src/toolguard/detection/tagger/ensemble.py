"""Several models asked about one text: what most of the probability says, leaning towards hiding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pycrfsuite

__all__ = ["decide"]

_OUTSIDE: Final = "O"
_FIGURES: Final = frozenset({"DATE", "AGE", "ID", "PHONE"})
_DOUBT: Final = 0.1  # so much surer of figures: rules know their shapes, and measurements look alike


def decide(taggers: Sequence[pycrfsuite.Tagger], rows: list[list[bytes]], least: float) -> list[str]:
    """One label per token: hidden if the models' mean probability that it identifies someone is ``least``, for figures more.

    Its type, and whether a new span begins, is what the surest model says.
    """
    answers = []
    for tagger in taggers:
        labels = tagger.tag(rows)  # leaves the text set, for the marginals
        answers.append((tagger, labels, [1.0 - tagger.marginal(_OUTSIDE, at) for at in range(len(rows))]))
    share = 1 / len(answers)
    decided: list[str] = []
    before = _OUTSIDE
    for at in range(len(rows)):
        mean = share * sum(inside[at] for *_, inside in answers)
        label = _OUTSIDE
        if mean >= least:
            tagger, labels, _ = max(answers, key=lambda answer: (answer[1][at] != _OUTSIDE, answer[2][at]))
            label = labels[at]
            if label == _OUTSIDE:
                label = max(
                    (name for name in tagger.labels() if name != _OUTSIDE), key=lambda n: tagger.marginal(n, at)
                )
            if label[2:] in _FIGURES and mean < least + _DOUBT:
                label = _OUTSIDE
            elif label[0] == "I" and before[2:] != label[2:]:
                label = "B" + label[1:]
        decided.append(label)
        before = label
    return decided
