"""Tokens for one record: `<PERSON_1>`, numbered in the order in which identifiers are met."""

from __future__ import annotations

from toolguard._core.call import Json
from toolguard._core.mask import Finding
from toolguard._core.vault import Namespace, Token, canonical_form, tokens_in

__all__ = ["WITHHELD", "Tokens"]

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
