"""One loaded tagger for the whole folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from toolguard.detection.tagger import CrfTagger, load

sys.path.insert(0, str(Path(__file__).parents[2]))  # `training` is no part of the package, so it is found by its place


@pytest.fixture(scope="session")
def tagger() -> CrfTagger:
    return CrfTagger.load()


@pytest.fixture(scope="session")
def accurate() -> CrfTagger:
    return load("accurate")
