"""toolguard's detection in Presidio's frame, and Presidio's registry in toolguard's guard.

`analyzer_engine` returns a Presidio ``AnalyzerEngine`` with toolguard's recognizers and no NLP model: add your own
recognizers to its registry. `PresidioDetector` runs any ``AnalyzerEngine`` as the guard's detector.
"""

from __future__ import annotations

from toolguard_presidio._detector import PresidioDetector
from toolguard_presidio._engine import PlainNlpEngine, ToolguardRecognizer, analyzer_engine

__all__ = ["PlainNlpEngine", "PresidioDetector", "ToolguardRecognizer", "analyzer_engine"]
