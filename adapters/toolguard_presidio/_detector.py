"""A user's whole Presidio registry as the guard's detector."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import tldextract
from presidio_analyzer import AnalyzerEngine

from toolguard.detection import AllowList, Check, Session, Shape, Span, TextPipeline, in_windows, name_words, unite

__all__ = ["PresidioDetector"]

_TYPES = {
    "DATE_TIME": "DATE",
    "EMAIL_ADDRESS": "EMAIL",
    "IBAN_CODE": "ACCOUNT",
    "MEDICAL_LICENSE": "LICENSE",
    "MEDICAL_RECORD_NUMBER": "MRN",
    "PHONE_NUMBER": "PHONE",
    "US_BANK_NUMBER": "ACCOUNT",
    "US_DRIVER_LICENSE": "LICENSE",
    "US_ITIN": "SSN",
    "US_MBI": "HEALTH_PLAN_ID",
    "US_NPI": "NPI",
    "US_PASSPORT": "ID",
    "US_SSN": "SSN",
}
"""Presidio's names for what toolguard calls otherwise; every other type keeps its name."""


class PresidioDetector:
    """Runs an ``AnalyzerEngine`` on prose, inside toolguard's walk over structure, memory and propagation.

    Implements `toolguard.ports.Detector`. Presidio's e-mail recognizer would fetch the public suffix list; here
    the copy packaged with ``tldextract`` is used, and no cache is written.

    Args:
        engine: any engine, for instance the user's own with custom recognizers, deny lists and languages.
        language: the language it is asked for.
        entities: the entity types asked for; None for all.
        score_threshold: results below it are dropped; None for the engine's own.
        allow, deny, shapes, fields, fhir_ids, time_budget: as for `toolguard.detection.DefaultDetector`.
    """

    def __init__(
        self,
        engine: AnalyzerEngine,
        *,
        language: str = "en",
        entities: list[str] | None = None,
        score_threshold: float | None = None,
        allow: Iterable[str] = (),
        deny: Mapping[str, str] | None = None,
        shapes: Iterable[Shape] = (),
        fields: Mapping[str, str] | None = None,
        fhir_ids: bool = True,
        time_budget: float = 30.0,
    ) -> None:
        self._engine = engine
        self._language = language
        self._entities = entities
        self._score_threshold = score_threshold
        self._fhir_ids = fhir_ids
        self._time_budget = time_budget
        self._allow = AllowList(allow)
        self._fields = {name_words(name): type for name, type in (fields or {}).items()}
        own = TextPipeline(allow=self._allow, deny=deny, shapes=shapes)
        self._recall = own.known
        self._denied = own.always
        self._own = own.has_own
        _stay_offline()

    @property
    def version(self) -> str:
        from importlib.metadata import version

        return f"presidio-analyzer/{version('presidio-analyzer')}"

    def session(self) -> Session:
        return Session(
            self._spans,
            self._recall,
            always=self._denied if self._own else None,
            allow=self._allow,
            fields=self._fields,
            fhir_ids=self._fhir_ids,
            time_budget=self._time_budget,
        )

    def _spans(self, text: str, check: Check) -> list[Span]:
        found = in_windows(text, self._analyze, check)
        return unite(s for s in [*found, *self._denied(text)] if not self._allow.keeps(s, text))

    def _analyze(self, text: str) -> list[Span]:
        results = self._engine.analyze(
            text=text, language=self._language, entities=self._entities, score_threshold=self._score_threshold
        )
        return [Span(r.start, r.end, _TYPES.get(r.entity_type, r.entity_type), r.score, "presidio") for r in results]


def _stay_offline() -> None:
    """Make tldextract's shared extractor use its packaged list: without this the first e-mail address asks the network."""
    module = tldextract.tldextract
    if module.TLD_EXTRACTOR.suffix_list_urls:
        module.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
