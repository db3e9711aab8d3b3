"""Detection: find identifiers in JSON values and in text.

`DefaultDetector` implements `toolguard.ports.Detector`. `TextPipeline` is the part of it that reads one text,
`Session` the part that walks values and remembers; adapters put another recognizer between the two.
"""

from __future__ import annotations

from toolguard._core.masking import Profile, Shape
from toolguard.detection.allow import AllowList
from toolguard.detection.detector import DefaultDetector, Session, tagger_of
from toolguard.detection.fields import name_words
from toolguard.detection.lexer import Lexed
from toolguard.detection.normalise import normalise
from toolguard.detection.pipeline import TextPipeline
from toolguard.detection.safe_harbor import zip3
from toolguard.detection.shapes import check_pattern
from toolguard.detection.spans import TYPES, Reports, Span, Tagger, unite
from toolguard.detection.windows import Check, in_windows

__all__ = [
    "TYPES",
    "AllowList",
    "Check",
    "DefaultDetector",
    "Lexed",
    "Profile",
    "Reports",
    "Session",
    "Shape",
    "Span",
    "Tagger",
    "TextPipeline",
    "check_pattern",
    "in_windows",
    "name_words",
    "normalise",
    "tagger_of",
    "unite",
    "zip3",
]
