"""Presidio's ``AnalyzerEngine`` around toolguard's own recognizers, without a language model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

from toolguard.detection import DefaultDetector, Lexed, Profile, Shape, Tagger
from toolguard.ports import Origin

__all__ = ["PlainNlpEngine", "ToolguardRecognizer", "analyzer_engine"]


class PlainNlpEngine(NlpEngine):
    """An NLP engine that loads nothing: it only cuts words, which Presidio's context words need."""

    def __init__(self, languages: Sequence[str] = ("en",)) -> None:
        self._languages = list(languages)

    def load(self) -> None:
        """Nothing to load."""

    def is_loaded(self) -> bool:
        return True

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        lexed = Lexed(text)
        return NlpArtifacts(
            entities=[],
            tokens=lexed.words,  # type: ignore[arg-type]  # only length and order are used; a spaCy Doc would need spaCy's model
            tokens_indices=lexed.starts,
            lemmas=lexed.folded,
            nlp_engine=self,
            language=language,
        )

    def process_batch(
        self, texts: Iterable[str], language: str, batch_size: int = 1, n_process: int = 1, **kwargs: Any
    ) -> Iterator[tuple[str, NlpArtifacts]]:
        for text in texts:
            yield text, self.process_text(text, language)

    def is_stopword(self, word: str, language: str) -> bool:
        return False

    def is_punct(self, word: str, language: str) -> bool:
        return not any(map(str.isalnum, word))

    def get_supported_entities(self) -> list[str]:
        return []

    def get_supported_languages(self) -> list[str]:
        return self._languages


class ToolguardRecognizer(EntityRecognizer):
    """All of toolguard's detection as one Presidio recognizer: what `DefaultDetector` finds in the same text.

    One, not one per type: its findings are resolved against each other before Presidio sees them. Text that is JSON,
    or holds some, is read by its structure. Each text is looked at by itself; nothing is remembered.
    """

    def __init__(self, detector: DefaultDetector | None = None, *, language: str = "en") -> None:
        self._detector = detector or DefaultDetector()
        super().__init__(
            supported_entities=sorted(self._detector.types), name="ToolguardRecognizer", supported_language=language
        )

    def load(self) -> None:
        """The lists load themselves at the first text."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        wanted = set(entities) if entities else self._detector.types
        return [
            RecognizerResult(
                entity_type=span.type,
                start=span.start,
                end=span.end,
                score=span.score,
                recognition_metadata={
                    RecognizerResult.RECOGNIZER_NAME_KEY: f"toolguard.{span.source}",
                    RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id,
                },
            )
            for span in self._detector.session().inspect(text, origin=Origin.RESULT)
            if span.type in wanted
        ]


def analyzer_engine(
    *,
    tagger: Tagger | None = None,
    profile: Profile | None = None,
    allow: Iterable[str] = (),
    deny: Mapping[str, str] | None = None,
    shapes: Iterable[Shape] = (),
    recognizers: Iterable[EntityRecognizer] = (),
    languages: Sequence[str] = ("en",),
) -> AnalyzerEngine:
    """A ready ``AnalyzerEngine`` with toolguard's recognizers, no language model, no network.

    What Presidio offers per request works as ever: ``analyze(text, language="en", allow_list=[…],
    ad_hoc_recognizers=[…], entities=[…], score_threshold=…)``.

    Args:
        tagger, profile, allow, deny, shapes: as for `toolguard.detection.DefaultDetector`.
        recognizers: the user's own, run beside ours (also through ``engine.registry.add_recognizer``).
        languages: the languages the engine accepts; our recognizers run for each.

    Raises:
        ConfigError: both a tagger and a profile are given, or a shape's pattern is refused.
    """
    detector = DefaultDetector(tagger=tagger, profile=profile, allow=allow, deny=deny, shapes=shapes)
    ours = [ToolguardRecognizer(detector, language=language) for language in languages]
    registry = RecognizerRegistry(recognizers=[*ours, *recognizers], supported_languages=list(languages))
    return AnalyzerEngine(registry=registry, nlp_engine=PlainNlpEngine(languages), supported_languages=list(languages))
