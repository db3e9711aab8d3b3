"""From one text to the spans that identify someone in it: normalise, rules, tagger, resolve."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping

from toolguard.detection.allow import AllowList
from toolguard.detection.lexer import Lexed
from toolguard.detection.normalise import Normalised, normalise
from toolguard.detection.propagate import KnownTerms
from toolguard.detection.resolve import plausible
from toolguard.detection.rules import recognize
from toolguard.detection.spans import Span, Tagger, unite

__all__ = ["TextPipeline"]

_LOCAL = 0.6
"""The least score of a name that is looked for again in its own text."""


def _placed(span: Span, plain: Normalised) -> Span:
    start, end = plain.original(span.start, span.end)
    return Span(start, end, span.type, span.score, span.source)


class TextPipeline:
    """Stateless recognition of one text; thread-safe.

    Args:
        tagger: a statistical recognizer run beside the rules, or None.
        allow: what stays in clear.
        deny: texts that are always identifiers, each with its type (``{"project zebra": "ID"}``).
        minimum: spans with a lower score are dropped.
    """

    def __init__(
        self,
        *,
        tagger: Tagger | None = None,
        allow: AllowList | None = None,
        deny: Mapping[str, str] | None = None,
        minimum: float = 0.4,
    ) -> None:
        self._tagger = tagger
        self._allow = allow or AllowList()
        self._minimum = minimum
        self._deny = [(Lexed(normalise(text).text), type) for text, type in (deny or {}).items()]

    def spans(self, text: str) -> list[Span]:
        """Identifiers in ``text`` with offsets into it, in order, not overlapping."""
        plain = normalise(text)
        lexed = Lexed(plain.text)
        found = recognize(lexed)
        if self._tagger is not None:
            guesses = [
                Span(f.start, f.end, f.type, f.score, f.source or "tagger") for f in self._tagger.tag(plain.text)
            ]
            found += [guess for guess in guesses if plausible(guess, lexed)]
        found = [s for s in found if s.score >= self._minimum and not self._allow.keeps(s, plain.text)]
        found += self._again(lexed, found)
        if self._deny:
            found += self._denied(lexed)
        return [_placed(s, plain) for s in unite(found) if s.end <= len(plain.text)]

    def known(self, text: str, terms: KnownTerms, since: int = 0) -> list[Span]:
        """Only the identifiers in ``text`` that ``terms`` knows, from generation ``since`` on."""
        plain = normalise(text)
        spans = terms.find(Lexed(plain.text), since)
        return [_placed(s, plain) for s in unite(spans) if not self._allow.keeps(s, plain.text)]

    def _again(self, lexed: Lexed, found: list[Span]) -> list[Span]:
        """Names found with good evidence in this text, found again in it by alias."""
        names = [span for span in found if span.type == "PERSON" and span.score >= _LOCAL]
        if not names:
            return []
        local = KnownTerms(limit=512)
        count = Counter(lexed.folded)
        for span in names:
            first, last = bisect_left(lexed.starts, span.start), bisect_left(lexed.starts, span.end)
            if any(len(word) > 2 and count[word] > 1 for word in lexed.folded[first:last]):
                local.add("PERSON", lexed.text[span.start : span.end])
        if not local.generation:
            return []
        again = local.find(lexed)
        return again if lexed.lower_style else [s for s in again if lexed.text[s.start].isupper()]

    def _denied(self, lexed: Lexed) -> list[Span]:
        out: list[Span] = []
        for term, type in self._deny:
            size = len(term.folded)
            out += [
                Span(lexed.starts[i], lexed.ends[i + size - 1], type, 1.0, "deny")
                for i in range(len(lexed.folded) - size + 1)
                if size and lexed.folded[i : i + size] == term.folded
            ]
        return out
