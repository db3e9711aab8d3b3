"""Deterministic stand-ins for what a test cannot control."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Mapping

from toolguard._core.call import Json
from toolguard._core.mask import Finding, leaves, merge_findings
from toolguard.ports import Origin, Term

__all__ = ["BrokenDetector", "CountingIds", "FakeClock", "NoDetector", "WordDetector"]


class FakeClock:
    """A clock that moves when it is told to; ``now`` is where it begins, in UTC seconds since the epoch."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now

    def now(self) -> float:
        """UTC seconds since the epoch."""
        return self._now

    def monotonic(self) -> float:
        """The same seconds: it goes back where the clock is set back."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move on, in seconds; a negative number sets the clock back."""
        self._now += seconds


class CountingIds:
    """``000…1000…1``, ``000…2000…2``, …: the same ids in every run. Thread-safe."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def new(self) -> str:
        """32 hex digits: the number, twice."""
        with self._lock:
            number = next(self._numbers)
        # both halves differ, so that span ids (the first half) do too
        return f"{number:016x}{number:016x}"


class NoDetector:
    """Finds nothing: for measuring what everything else costs."""

    version = "none/0"

    def session(self) -> NoDetector:
        """Itself: there is nothing to remember."""
        return self

    def inspect(self, value: Json, *, origin: Origin, schema: Mapping[str, Json] | None = None) -> tuple[Finding, ...]:
        """Always ``()``."""
        return ()

    def learn(self, terms: Iterable[Term]) -> None:
        """Nothing to learn."""


class WordDetector:
    """Finds exactly the given texts, wherever they stand: ``WordDetector({"Ada Byron": "PERSON"})``, text to type."""

    version = "words/0"

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = dict(words)

    def session(self) -> WordDetector:
        """Itself: its words are all it knows."""
        return self

    def inspect(self, value: Json, *, origin: Origin, schema: Mapping[str, Json] | None = None) -> tuple[Finding, ...]:
        """Every place of every word, in values and keys, without overlaps."""
        found = []
        for leaf in leaves(value):
            for word, kind in self._words.items():
                at = leaf.text.find(word)
                while at >= 0:
                    found.append(
                        Finding(
                            path=leaf.path,
                            start=at,
                            end=at + len(word),
                            type=kind,
                            source="words",
                            key=leaf.kind == "key",
                        )
                    )
                    at = leaf.text.find(word, at + 1)
        return merge_findings(found)

    def learn(self, terms: Iterable[Term]) -> None:
        """Only the given words are ever found."""


class BrokenDetector(NoDetector):
    """Fails on everything, with a message that must never be shown: for tests that nothing of it is."""

    version = "broken/0"

    def session(self) -> BrokenDetector:
        """Itself, which fails."""
        return self

    def inspect(self, value: Json, *, origin: Origin, schema: Mapping[str, Json] | None = None) -> tuple[Finding, ...]:
        """Raises RuntimeError with ``value`` in its message, as a careless detector would."""
        raise RuntimeError(f"could not read {value!r}")
