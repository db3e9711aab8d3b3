"""`CrfTagger`: finds names, places, dates and other identifiers in free text with small CRFs of our own.

The models and their word lists come with the package; nothing is fetched. Load takes well under 0.3 s. See
``docs/model-card.md`` for what they were trained on and where they fail.
"""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Final, Self

import pycrfsuite

from toolguard._core.mask import Finding
from toolguard.detection.tagger import model as model_file
from toolguard.detection.tagger.ensemble import decide
from toolguard.detection.tagger.features import Features
from toolguard.detection.tagger.gazetteer import unpack
from toolguard.detection.tagger.spans import spans_of
from toolguard.detection.tagger.tokens import NEWLINE, tokenize
from toolguard.errors import DetectionError

__all__ = ["CrfTagger"]

_CHUNK: Final = 4_000  # tokens handed to the model at once; longer texts are cut, at a line break where there is one
_SCORE: Final = 0.85
_LEAST: Final = 0.4  # below one half, since a missed identifier is worse than a word hidden for nothing
_PROFILES: Final = {"fast": ("fast.model",), "accurate": ("fast.model", "second.model")}


class CrfTagger:
    """Tags one text at a time. Instances may be shared between threads; calls take turns."""

    def __init__(self, models: Sequence[bytes], gazetteer: bytes, *, least: float = _LEAST) -> None:
        """``models`` and ``gazetteer``: files of `pack` in `toolguard.detection.tagger.model` and `….gazetteer`.

        One model gives its best sequence of labels. Several are averaged, and a token is hidden if their mean
        probability that it identifies someone is ``least``.
        """
        self._taggers: list[pycrfsuite.Tagger] = []
        self._files: list[bytes] = []  # CRFsuite reads them in place
        known: set[bytes] = set()
        try:
            self._flags = unpack(gazetteer)
            for model in models:
                crf, features = model_file.unpack(model)
                tagger = pycrfsuite.Tagger()
                tagger.open_inmemory(crf)
                self._taggers.append(tagger)
                self._files.append(crf)
                known |= features
        except (ValueError, zlib.error) as error:
            raise _damaged(error) from error
        self._features = Features(self._flags, known=known)
        self._least = least
        self._version = "crf-" + hashlib.sha256(b"".join([*models, gazetteer])).hexdigest()[:12]
        self._lock = threading.Lock()

    @property
    def version(self) -> str:
        """Names the model: what a detector records beside its findings."""
        return self._version

    @classmethod
    def load(cls, profile: str = "fast") -> Self:
        """The models that come with the package: one (``fast``) or all (``accurate``).

        Raises:
            DetectionError: there is no such profile, or the package data is missing or damaged.
        """
        names = _PROFILES.get(profile)
        if names is None:
            raise DetectionError(f"there is no tagger profile {profile!r}: use one of {sorted(_PROFILES)}")
        data = resources.files("toolguard.detection.tagger") / "data"
        try:
            return cls([(data / name).read_bytes() for name in names], (data / "gazetteer.z").read_bytes())
        except OSError as error:
            raise _damaged(error) from error

    def tag(self, text: str) -> list[Finding]:
        """Findings in ``text``, in order and without overlap; offsets are Python string indices into ``text``.

        Raises:
            DetectionError: the model failed; the message holds nothing of ``text``.
        """
        if not text or text.isspace():
            return []
        words, starts, ends = tokenize(text)
        try:
            labels: list[str] = []
            with self._lock:
                for chunk in _chunks(words):
                    labels += self._labels(self._features(chunk))
        except Exception as error:  # noqa: BLE001  # whatever fails, the text stays out of the message
            raise DetectionError(
                f"the tagger failed on a text of {len(text)} characters ({type(error).__name__}): "
                "nothing was tagged, treat the whole text as an identifier"
            ) from None
        return [
            Finding(start=start, end=end, type=kind, score=_SCORE, source="crf")
            for start, end, kind in spans_of(text, words, starts, ends, labels, self._flags)
        ]

    def _labels(self, rows: list[list[bytes]]) -> list[str]:
        if len(self._taggers) == 1:
            labels: list[str] = self._taggers[0].tag(rows)
            return labels
        return decide(self._taggers, rows, self._least)


def _damaged(error: Exception) -> DetectionError:
    return DetectionError(
        f"the tagger's model could not be loaded ({type(error).__name__}): its package data is missing or damaged; "
        "install the package again"
    )


def _chunks(words: list[str]) -> Iterator[Sequence[str]]:
    if len(words) <= _CHUNK:
        yield words
        return
    start, total = 0, len(words)
    while start < total:
        end = min(start + _CHUNK, total)
        if end < total:
            for at in range(end, start + _CHUNK // 2, -1):
                if words[at - 1] == NEWLINE or words[at - 1] == ".":
                    end = at
                    break
        yield words[start:end]
        start = end
