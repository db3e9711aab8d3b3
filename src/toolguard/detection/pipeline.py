"""From one text to the spans that identify someone in it: normalise, rules, tagger, decode, resolve."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping

from toolguard._core.masking import Shape
from toolguard.detection.allow import AllowList
from toolguard.detection.encoded import pieces, unescape
from toolguard.detection.lexer import Lexed
from toolguard.detection.normalise import Normalised, normalise
from toolguard.detection.propagate import KnownTerms
from toolguard.detection.resolve import believed
from toolguard.detection.rules import recognize
from toolguard.detection.rules.secrets import private_keys
from toolguard.detection.rules.tables import tables
from toolguard.detection.shapes import Shapes
from toolguard.detection.spans import DENY, TYPES, Reports, Span, Tagger, unite
from toolguard.detection.windows import MARGIN, SIZE, Check, in_windows

__all__ = ["TextPipeline"]

_LOCAL = 0.6
"""The least score of a name that is looked for again in its own text."""
_NESTED = 2
"""How many encodings one in the other are taken off."""


def _placed(span: Span, plain: Normalised) -> Span:
    if plain.starts is None:
        return span
    start, end = plain.original(span.start, span.end)
    return Span(start, end, span.type, span.score, span.source)


class TextPipeline:
    """Stateless recognition of one text; thread-safe.

    Args:
        tagger: a statistical recognizer run beside the rules, or None.
        allow: what stays in clear.
        deny: texts that are always identifiers, each with its type (``{"project zebra": "ID"}``).
        shapes: identifiers of the tenant's own.
        feedback: findings that people reported as missed or wrong.
        minimum: spans with a lower score are dropped.

    Raises:
        ConfigError: a shape's pattern is refused.
    """

    def __init__(
        self,
        *,
        tagger: Tagger | None = None,
        allow: AllowList | None = None,
        deny: Mapping[str, str] | None = None,
        shapes: Iterable[Shape] = (),
        feedback: Reports | None = None,
        minimum: float = 0.4,
    ) -> None:
        self._tagger = tagger
        self._allow = allow or AllowList()
        self._minimum = minimum
        self._shapes = Shapes(shapes)
        self._feedback = feedback
        self._deny: dict[str, list[tuple[list[str], str]]] = {}
        for text, type in (deny or {}).items():
            words = Lexed(normalise(text).text).folded
            if words:
                self._deny.setdefault(words[0], []).append((words, type))

    def spans(self, text: str, check: Check | None = None) -> list[Span]:
        """Identifiers in ``text`` with offsets into it, in order, not overlapping.

        Long text is read in windows; ``check`` is called before each and may raise.
        """
        plain = normalise(text)
        whole = plain.text
        if len(whole) <= SIZE + MARGIN:
            found = self._read(whole, 0)
        else:
            found = in_windows(whole, lambda part: self._read(part, 0), check)
            found += self._far(whole)
            found += self._across(whole, found, check)
            found = unite(found)
        return [_placed(s, plain) for s in found if s.end <= len(whole)]

    @property
    def types(self) -> frozenset[str]:
        """Every type a finding may have: our own and the tenant's."""
        denied = {type for terms in self._deny.values() for _, type in terms}
        return TYPES | denied | self._shapes.types

    @property
    def has_own(self) -> bool:
        """Whether the tenant has deny lists, shapes or feedback."""
        return bool(self._deny or self._shapes or self._feedback)

    def always(self, text: str) -> list[Span]:
        """Only the tenant's own identifiers in ``text``: deny list, shapes and what was reported as missed."""
        plain = normalise(text)
        found = self._shapes.find(plain.text) + self._denied(Lexed(plain.text))
        if self._feedback is not None:
            found += self._feedback.match(plain.text)
        return [_placed(s, plain) for s in unite(found)]

    def known(self, text: str, terms: KnownTerms, since: int = 0, check: Check | None = None) -> list[Span]:
        """Only the identifiers in ``text`` that ``terms`` knows, from generation ``since`` on."""
        plain = normalise(text)
        spans = in_windows(plain.text, lambda part: terms.find(Lexed(part), since), check)
        return [_placed(s, plain) for s in unite(spans) if not self._allow.keeps(s, plain.text)]

    def _read(self, text: str, depth: int) -> list[Span]:
        """Identifiers in normalised text, in order, not overlapping; ``depth``: how many encodings were taken off."""
        lexed = Lexed(text)
        found = [s for s in recognize(lexed) if s.score >= self._minimum]
        if self._tagger is not None:
            guesses = [Span(f.start, f.end, f.type, f.score, f.source or "tagger") for f in self._tagger.tag(text)]
            found = believed(found, guesses, lexed)
        if self._shapes:
            found += self._shapes.find(text)
        if depth < _NESTED:
            bare = unescape(text)
            if bare is not None:
                inner = normalise(bare.text)
                found += [_placed(_placed(s, inner), bare) for s in self._read(inner.text, depth + 1)]
            found += pieces(text, lambda hidden: self._read(normalise(hidden).text, depth + 1))
        found = [s for s in found if not self._allow.keeps(s, text)]
        if self._feedback is not None:
            found = [s for s in found if not self._feedback.keeps(text[s.start : s.end])]
        found += self._again(lexed, found)
        if self._feedback is not None:
            found += self._feedback.match(text)
        if self._deny:
            found += self._denied(lexed)
        return unite(found)

    def _far(self, text: str) -> list[Span]:
        """In a text of several windows, what no window sees whole: columns far from their header, keys of many lines."""
        found = [
            *tables(text),
            *private_keys(text),
            *pieces(text, lambda hidden: self._read(normalise(hidden).text, 1)),
        ]
        return [s for s in found if s.score >= self._minimum and not self._allow.keeps(s, text)]

    def _across(self, text: str, found: list[Span], check: Check | None) -> list[Span]:
        """Names found in one window, found again in the others."""
        names = {text[s.start : s.end] for s in found if s.type == "PERSON" and s.score >= _LOCAL}
        local = KnownTerms(limit=512)
        for name in sorted(names):
            local.add("PERSON", name)
        if not local.generation:
            return []
        return in_windows(text, lambda part: self._recalled(Lexed(part), local), check)

    def _again(self, lexed: Lexed, found: list[Span]) -> list[Span]:
        """Names found with good evidence in this text, found again in it by alias."""
        names = [span for span in found if span.type == "PERSON" and span.score >= _LOCAL]
        if not names:
            return []
        local = KnownTerms(limit=512)
        # counting all words pays where there are many names to ask for
        count = lexed.folded.count if len(names) < 8 else Counter(lexed.folded).__getitem__
        for span in names:
            first, last = bisect_left(lexed.starts, span.start), bisect_left(lexed.starts, span.end)
            if any(len(word) > 2 and count(word) > 1 for word in lexed.folded[first:last]):
                local.add("PERSON", lexed.text[span.start : span.end])
        if not local.generation:
            return []
        return self._recalled(lexed, local)

    def _recalled(self, lexed: Lexed, local: KnownTerms) -> list[Span]:
        again = local.find(lexed)
        return again if lexed.lower_style else [s for s in again if lexed.text[s.start].isupper()]

    def _denied(self, lexed: Lexed) -> list[Span]:
        out: list[Span] = []
        folded = lexed.folded
        for i, word in enumerate(folded):
            for term, type in self._deny.get(word, ()):
                last = i + len(term) - 1
                if folded[i : last + 1] == term:
                    out.append(Span(lexed.starts[i], lexed.ends[last], type, 1.0, DENY))
        return out
