"""Detection: find identifiers in JSON values and in text.

`DefaultDetector` implements `toolguard.ports.Detector`; `TextPipeline` is the part of it that reads one text.
"""

from __future__ import annotations

from toolguard.detection.detector import DefaultDetector
from toolguard.detection.pipeline import TextPipeline
from toolguard.detection.spans import Span, Tagger

__all__ = ["DefaultDetector", "Span", "Tagger", "TextPipeline"]
