"""Tokens for one record: `<PERSON_1>`, numbered in the order in which identifiers are met."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from toolguard._core.call import Json
from toolguard._core.mask import Finding, Replace, apply_findings
from toolguard._core.vault import Namespace, Token, canonical_form, tokens_in
from toolguard.detection.jsontext import looks_like_json, parse

__all__ = ["WITHHELD", "Tokens", "put"]

WITHHELD = "<WITHHELD>"
"""What stands where a record could not be looked into."""


class Tokens:
    """The tokens of one record. Numbers that its own text already uses, token-shaped, are passed over.

    One identifier has one number, and each spelling of it one letter, so no two values share a token.
    """

    def __init__(self, value: Json) -> None:
        self._taken = {(t.type, t.index) for t in tokens_in(value) if t.namespace is Namespace.PROTECTED}
        self._numbers: dict[tuple[str, str], int] = {}
        self._last: dict[str, int] = {}
        self._spellings: dict[tuple[str, int], list[str]] = {}

    def __call__(self, finding: Finding, text: str) -> str:
        form = (finding.type, canonical_form(finding.type, text))
        number = self._numbers.get(form)
        if number is None:
            number = self._last.get(finding.type, 0) + 1
            while (finding.type, number) in self._taken:
                number += 1
            self._last[finding.type] = self._numbers[form] = number
        spellings = self._spellings.setdefault((finding.type, number), [])
        if text not in spellings:
            spellings.append(text)
        return str(Token(type=finding.type, index=number, variant=spellings.index(text)))


def put(value: Json, findings: Iterable[Finding], replace: Replace) -> Json:
    """`apply_findings`, and JSON text stays JSON: what replaces a bare number in it is quoted and escaped."""
    found = tuple(findings)
    bare = _bare(value, found)

    def quoted(finding: Finding, text: str) -> str:
        new = replace(finding, text)
        return new if finding not in bare or _NUMBER.fullmatch(new) else json.dumps(new)

    return apply_findings(value, found, quoted if bare else replace)


_LEXEME = re.compile(r'"(?:[^"\\]++|\\.)*+"|[^\s{}\[\],:"]+', re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")


def _bare(value: Json, findings: tuple[Finding, ...]) -> frozenset[Finding]:
    """The findings that are a whole bare number in a leaf that is JSON text."""
    leaves: dict[tuple[str | int, ...], list[Finding]] = {}
    for finding in findings:
        if not finding.key:
            leaves.setdefault(finding.path, []).append(finding)
    out: set[Finding] = set()
    for path, group in leaves.items():
        text = value
        for step in path:
            text = text[step]
        if isinstance(text, str) and looks_like_json(text) and parse(text) is not None:
            spans = {m.span() for m in _LEXEME.finditer(text) if not m[0].startswith('"')}
            out.update(f for f in group if (f.start, f.end) in spans)
    return frozenset(out)
