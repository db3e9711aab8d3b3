"""The tagger: a CRF trained by the project on text the project generates, with its model in the package."""

from __future__ import annotations

from toolguard.detection.tagger.crf import CrfTagger

__all__ = ["CrfTagger"]
