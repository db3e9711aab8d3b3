"""Texts with what must be hidden marked as ``[TYPE|text]``; the tables of the detection tests are written so."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from toolguard.detection import TextPipeline

_MARK = re.compile(r"\[([A-Z_]+)\|([^\]]*)\]")
PIPELINE = TextPipeline()


def plain(marked: str) -> str:
    """The text without its marks."""
    return _MARK.sub(lambda m: m[2], marked)


def hidden(text: str) -> list[tuple[str, str]]:
    """What the rules find in one text: type and words."""
    return [(span.type, text[span.start : span.end]) for span in PIPELINE.spans(text)]


def wanted(marked: str) -> list[tuple[str, str]]:
    return [(m[1], m[2]) for m in _MARK.finditer(marked)]


def shown(value: Any, findings: Iterable[Any]) -> list[tuple[str, str]]:
    """Findings in a JSON value: type and words; a key's own text for findings in keys."""
    out = []
    for finding in findings:
        item = value
        if finding.key:
            item = finding.path[-1]
        else:
            for step in finding.path:
                item = item[step]
        out.append((finding.type, str(item)[finding.start : finding.end]))
    return out
