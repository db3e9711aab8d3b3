"""The tagger is loaded once: it is read-only, and most tests here run the command anew."""

import functools

import pytest

from toolguard.detection.tagger import CrfTagger


@pytest.fixture(scope="session", autouse=True)
def _one_tagger():
    load = CrfTagger.__dict__["load"]
    CrfTagger.load = functools.cache(CrfTagger.load)
    yield
    CrfTagger.load = load
