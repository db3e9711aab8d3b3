"""Detection: find identifiers in JSON values and in text.

`DefaultDetector` implements `toolguard.ports.Detector`. `TextPipeline` is the part of it that reads one text,
`Session` the part that walks values and remembers; adapters put another recognizer between the two.
"""

from __future__ import annotations

from toolguard.detection.allow import AllowList
from toolguard.detection.detector import DefaultDetector, Session
from toolguard.detection.lexer import Lexed
from toolguard.detection.normalise import normalise
from toolguard.detection.pipeline import TextPipeline
from toolguard.detection.safe_harbor import zip3
from toolguard.detection.spans import TYPES, Span, Tagger, unite

__all__ = [
    "TYPES",
    "AllowList",
    "DefaultDetector",
    "Lexed",
    "Session",
    "Span",
    "Tagger",
    "TextPipeline",
    "normalise",
    "unite",
    "zip3",
]
