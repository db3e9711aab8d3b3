"""The default detector: structure first, then rules and tagger on prose, then what the session knows."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from toolguard._core.call import Json
from toolguard._core.mask import Finding, merge_findings
from toolguard._core.masking import Profile, Shape
from toolguard.detection.allow import AllowList
from toolguard.detection.fields import name_words
from toolguard.detection.jsontext import to_text_offsets
from toolguard.detection.pipeline import TextPipeline
from toolguard.detection.propagate import KnownTerms
from toolguard.detection.spans import DENY, Reports, Span, Tagger, remains
from toolguard.detection.structure import Piece, Walk
from toolguard.detection.windows import Check
from toolguard.errors import ConfigError, DetectionError
from toolguard.ports import Origin, Term

__all__ = ["DefaultDetector", "Session", "tagger_of"]

VERSION = "toolguard-rules/1"
_FAILED = "detection failed, the value is withheld; see the detector's own tests or report the kind of input"
_LATE = "detection ran out of time, the value is withheld; raise time_budget or pass smaller values"
_CACHE_BYTES = 64 << 20


def tagger_of(tagger: Tagger | None, profile: Profile | None) -> Tagger | None:
    """The tagger given, or the one of this profile that comes with the package.

    Raises:
        ConfigError: both are given.
        DetectionError: the package data is missing or damaged.
    """
    if profile is None:
        return tagger
    if tagger is not None:
        raise ConfigError("both a tagger and a profile are given, leave one of them out")
    from toolguard.detection.tagger import load  # rules alone need no model

    return load(profile)


class DefaultDetector:
    """Finds identifiers of the 18 HIPAA Safe Harbor kinds, and secrets, in JSON values and text.

    Args:
        tagger: a statistical recognizer run beside the rules on prose, or None for rules alone.
        profile: ``fast`` or ``accurate``: the tagger of that name that comes with the package; None for `tagger`.
        allow: texts that stay in clear (compared without regard to case).
        deny: texts that are always identifiers, each with its type.
        shapes: identifiers of the tenant's own, by pattern.
        fields: names of fields (in any case and style) whose values are identifiers, each with its type.
        feedback: findings that people reported as missed or wrong (`toolguard.feedback.FeedbackFile`).
        allow_hosts: further public hosts whose URLs stay.
        fhir_ids: report logical ids of FHIR patients (``Patient/123``) as ``FHIR_ID``; off where a trusted
            server's ids must reach the model as they are.
        time_budget: seconds for one `inspect`; beyond it DetectionError.

    Raises:
        ConfigError: both a tagger and a profile are given, or a shape's pattern is refused.
    """

    def __init__(
        self,
        *,
        tagger: Tagger | None = None,
        profile: Profile | None = None,
        allow: Iterable[str] = (),
        deny: Mapping[str, str] | None = None,
        shapes: Iterable[Shape] = (),
        fields: Mapping[str, str] | None = None,
        feedback: Reports | None = None,
        allow_hosts: Iterable[str] = (),
        fhir_ids: bool = True,
        time_budget: float = 10.0,
    ) -> None:
        tagger = tagger_of(tagger, profile)
        self._allow = AllowList(allow, allow_hosts)
        self._pipeline = TextPipeline(tagger=tagger, allow=self._allow, deny=deny, shapes=shapes, feedback=feedback)
        self._fields = {name_words(name): type for name, type in (fields or {}).items()}
        self._fhir_ids = fhir_ids
        self._time_budget = time_budget
        tagged = getattr(tagger, "version", type(tagger).__name__) if tagger is not None else None
        self._version = f"{VERSION}+{tagged}" if tagged else VERSION

    @property
    def version(self) -> str:
        return self._version

    @property
    def types(self) -> frozenset[str]:
        """Every type a finding may have."""
        return self._pipeline.types | frozenset(self._fields.values())

    def session(self) -> Session:
        return Session(
            self._pipeline.spans,
            self._pipeline.known,
            always=self._pipeline.always if self._pipeline.has_own else None,
            allow=self._allow,
            fields=self._fields,
            fhir_ids=self._fhir_ids,
            time_budget=self._time_budget,
        )


Recognize = Callable[[str, Check], list[Span]]
Recall = Callable[[str, KnownTerms, int, Check], list[Span]]


class Session:
    """Detection with memory (see `toolguard.ports.DetectorSession`). Thread-safe.

    Prose once seen is remembered by a keyed digest with its findings, never by its text, so history that an
    agent sends again at every step costs one look-up; a new identifier re-checks old prose for that one only.
    """

    def __init__(
        self,
        recognize: Recognize,
        recall: Recall,
        *,
        always: Callable[[str], list[Span]] | None = None,
        allow: AllowList | None = None,
        fields: Mapping[str, str] | None = None,
        fhir_ids: bool = True,
        time_budget: float = 10.0,
    ) -> None:
        """``recognize`` reads a text, ``recall`` looks only for known terms, ``always`` (if given) for what counts even
        where a code is expected; the rest is as for `DefaultDetector`.
        """
        self._recognize = recognize
        self._recall = recall
        self._always = always
        self._allow = allow or AllowList()
        self._fields = fields or {}
        self._fhir_ids = fhir_ids
        self._time_budget = time_budget
        self._terms = KnownTerms()
        self._lock = threading.Lock()
        self._cache: OrderedDict[bytes, tuple[list[Span], int, int]] = OrderedDict()
        self._held = 0
        self._key = os.urandom(16)

    def inspect(self, value: Json, *, origin: Origin, schema: Mapping[str, Json] | None = None) -> tuple[Finding, ...]:
        """See `toolguard.ports.DetectorSession.inspect`."""
        deadline = time.monotonic() + self._time_budget

        def check() -> None:
            if time.monotonic() > deadline:
                raise DetectionError(_LATE)

        try:
            found, learned = self._inspect(value, origin, schema, check, 0)
            if learned:
                before = self._terms.generation
                for type, text in learned:
                    self._terms.add(type, text)
                if self._terms.generation > before:
                    found, _ = self._inspect(value, Origin.MODEL, schema, check, 0)
            return merge_findings(_yielding(found))
        except DetectionError:
            raise
        except Exception:  # noqa: BLE001 - whatever went wrong, the value is withheld
            # constant text, and no cause: an exception's own message could hold what was inspected
            raise DetectionError(_FAILED) from None

    def learn(self, terms: Iterable[Term]) -> None:
        """See `toolguard.ports.DetectorSession.learn`."""
        for term in terms:
            self._terms.add(term.type, term.value)

    def _inspect(
        self, value: Json, origin: Origin, schema: Mapping[str, Json] | None, check: Check, nested: int
    ) -> tuple[list[Finding], list[tuple[str, str]]]:
        walk = Walk(fhir_ids=self._fhir_ids, nested=nested, fields=self._fields, check=check)
        walk.walk(value, schema)
        found = (
            [f for f in walk.findings if not self._allow.word(_at(value, f))]
            if self._allow.words
            else list(walk.findings)
        )
        if self._always is not None:
            for piece in (*walk.safe, *walk.fenced):
                found += _findings(piece, self._always(piece.text))
            found += [
                replace(f, start=f.start + s.start, end=f.start + s.end, type=s.type, score=s.score, source=s.source)
                for f in walk.findings
                for s in self._always(_at(value, f))
                if s.source == DENY
            ]
        learned: list[tuple[str, str]] = []
        if origin in (Origin.TRUSTED, Origin.USER):
            learned += [(f.type, _at(value, f)) for f in found]
        local = KnownTerms(limit=256)
        if walk.prose and found:
            for finding in found[:4096]:
                local.add(finding.type, _at(value, finding))
        for piece in walk.prose:
            spans = self._prose(piece.text, check)
            if origin is Origin.USER and not piece.key:
                learned += [(s.type, piece.text[s.start : s.end]) for s in spans if s.score >= 0.6]
            if local.generation:
                spans = spans + self._recall(piece.text, local, 0, check)
            found += _findings(piece, spans)
        for piece in walk.fenced:
            found += _findings(piece, self._recall(piece.text, self._terms, 0, check))
        for piece in walk.numbers:
            if self._terms.begins(piece.text.lstrip("-")):
                found += _findings(piece, self._recall(piece.text, self._terms, 0, check))
        for piece, inner in walk.embedded:
            check()
            inside, more = self._inspect(inner, origin, None, check, nested + 1)
            found += to_text_offsets(piece.text, inside, piece.path, piece.key)
            learned += more
        return found, learned

    def _prose(self, text: str, check: Check) -> list[Span]:
        """Spans in one piece of prose: from memory if it was seen before, plus what was learned since."""
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16).digest()
        generation = self._terms.generation
        with self._lock:
            entry = self._cache.get(digest)
            if entry is not None:
                self._cache.move_to_end(digest)
        check()
        if entry is None:
            spans = self._recognize(text, check)
            since = 0
        else:
            spans, since, _ = entry
        if generation > since:
            spans = spans + self._recall(text, self._terms, since, check)
        if entry is None or generation > since:
            size = 120 + 96 * len(spans)
            with self._lock:
                old = self._cache.pop(digest, None)
                self._cache[digest] = (spans, generation, size)
                self._held += size - (old[2] if old else 0)
                while self._held > _CACHE_BYTES and self._cache:
                    self._held -= self._cache.popitem(last=False)[1][2]
        return spans


def _findings(piece: Piece, spans: Iterable[Span]) -> list[Finding]:
    return [
        Finding(path=piece.path, start=s.start, end=s.end, type=s.type, score=s.score, source=s.source, key=piece.key)
        for s in spans
    ]


def _yielding(found: list[Finding]) -> list[Finding]:
    """The findings, cut where the tenant's deny list claims their characters: what is denied keeps its own type."""
    denied: dict[tuple[tuple[str | int, ...], bool], set[tuple[int, int]]] = {}
    for finding in found:
        if finding.source == DENY:
            denied.setdefault((finding.path, finding.key), set()).add((finding.start, finding.end))
    if not denied:
        return found
    out = []
    for finding in found:
        taken = denied.get((finding.path, finding.key))
        if taken is None or finding.source == DENY:
            out.append(finding)
        else:
            parts = remains(finding.start, finding.end, sorted(taken))
            out += [replace(finding, start=start, end=end) for start, end in parts]
    return out


def _at(value: Json, finding: Finding) -> str:
    """The text a finding of `Walk` covers."""
    if finding.key:
        return str(finding.path[-1])[finding.start : finding.end]
    for step in finding.path:
        value = value[step]
    return str(value)[finding.start : finding.end]
