"""The tagger: CRFs trained by the project on text the project generates, with their models in the package."""

from __future__ import annotations

from toolguard.detection.tagger.crf import CrfTagger

__all__ = ["CrfTagger", "load"]


def load(profile: str = "fast") -> CrfTagger:
    """The tagger of a profile: ``fast`` (one model) or ``accurate`` (two, averaged, at about half the speed).

    Raises:
        DetectionError: there is no such profile, or the package data is missing or damaged.
    """
    return CrfTagger.load(profile)
