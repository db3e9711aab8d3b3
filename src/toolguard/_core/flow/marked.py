"""Masking that says what it did: the masked text, and where in it each identifier stood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from toolguard._core.flow.masking import apart, tokenise
from toolguard._core.flow.setting import Flow
from toolguard._core.mask import Finding
from toolguard._core.masking import Masking
from toolguard._core.operators import Operator
from toolguard._core.steps import Inspect, Origin
from toolguard._core.vault import LITERAL, Namespace
from toolguard.shown import Shown

__all__ = ["MarkedSpan", "MarkedText", "mask_marked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedSpan:
    """What took an identifier's place: half-open in the masked text, with the kind, the score and who found it.

    ``kept`` says that the policy lets this kind stand, so that nothing took its place.
    """

    start: int
    end: int
    type: str
    score: float
    source: str
    kept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedText(Shown):
    """Text as the model sees it. ``text`` is what `Session.mask` gives; no value that was replaced is in here."""

    text: str = field(repr=False)
    spans: tuple[MarkedSpan, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many of each kind, by name."""
        found: dict[str, int] = {}
        for span in self.spans:
            found[span.type] = found.get(span.type, 0) + 1
        return dict(sorted(found.items()))


def mask_marked(text: str, origin: Origin, masking: Masking) -> Flow[MarkedText]:
    """``text`` masked piece by piece, so that every replacement is known."""
    findings = cast("tuple[Finding, ...]", (yield Inspect(text, origin)))
    _, put = yield from apart(text, origin, findings, True)
    namespace = Namespace.MODEL if origin is Origin.MODEL else Namespace.PROTECTED
    parts, spans, at, length = list[str](), list[MarkedSpan](), 0, 0
    for finding in sorted(put, key=lambda f: f.start):
        piece = text[finding.start : finding.end]
        inner = replace(finding, start=0, end=len(piece))
        shown = str((yield from tokenise(piece, (inner,), namespace, masking=masking)))
        parts += [text[at : finding.start], shown]
        start = length + finding.start - at
        kept = namespace is not Namespace.MODEL and masking.operators.get(finding.type) is Operator.KEEP
        if finding.type != LITERAL:
            spans.append(
                MarkedSpan(
                    start=start,
                    end=start + len(shown),
                    type=finding.type,
                    score=finding.score,
                    source=finding.source,
                    kept=kept,
                )
            )
        length, at = start + len(shown), finding.end
    return MarkedText(text="".join([*parts, text[at:]]), spans=tuple(spans))
