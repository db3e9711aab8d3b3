"""Operators: what may stand in the place of an identifier.

All but ``token`` are functions of the text, its type and keys alone, so that one identifier has one replacement
wherever it stands, and joins between files survive. None of them makes data de-identified by itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Never

from toolguard._core.dates import read_date, year_of
from toolguard._core.fakes import fake
from toolguard._core.safe_harbor import zip3
from toolguard._core.vault import canonical_form

__all__ = ["FPE_DOMAIN", "ONE_WAY", "Keys", "Operator", "apply", "one_way", "redacted", "undo"]

FPE_DOMAIN = 1_000_000
"""Values an identifier's form must allow at least, for format-preserving encryption (NIST SP 800-38G rev. 1)."""


class Operator(StrEnum):
    """What takes an identifier's place, by the word a policy writes."""

    TOKEN = "token"  # noqa: S105 # the name of an operator, not a secret
    """``<PERSON_1>``: a session's own, its value in the vault. It needs a session; `apply` gives a pseudonym."""
    REDACT = "redact"
    """``<PERSON>``, for whoever it is."""
    PSEUDONYM = "pseudonym"
    """``PERSON-7KQ2…``: 16 characters from a keyed digest; whoever holds the key can test guesses."""
    FPE = "fpe"
    """Digits become digits and letters letters, by FF1 under a key, which can also undo it."""
    SURROGATE = "surrogate"
    """A made-up value of the same kind, from names and ranges that belong to nobody."""
    DATE_SHIFT = "date_shift"
    """A date moved by 1 to 365 days, by the same number for all dates of one subject: intervals are kept."""
    YEAR = "year"
    """The year of a date."""
    AGE_BIN = "age_bin"
    """``40-49``; ``90+`` from ninety on."""
    ZIP3 = "zip3"
    """The first three digits of a US ZIP code, ``000`` for areas of few people."""
    KEEP = "keep"
    """The text itself."""


ONE_WAY = frozenset({Operator.REDACT, Operator.YEAR, Operator.AGE_BIN, Operator.ZIP3})
"""What nothing turns back, not even the vault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Keyed functions and the present, for `apply`; made by `toolguard.keys` and by tests.

    Attributes:
        digest: (purpose, text) → 32 bytes, such as an HMAC-SHA256 under the tenant's key.
        encrypt: (decimal digits, tweak) → as many decimal digits; a permutation for each tweak, such as FF1.
        decrypt: what undoes ``encrypt``.
        year: this year; nobody's year of birth tells that they are older than 89.
    """

    digest: Callable[[str, str], bytes] = field(repr=False)
    encrypt: Callable[[str, str], str] = field(repr=False)
    decrypt: Callable[[str, str], str] = field(repr=False)
    year: int


def redacted(type: str) -> str:
    """What says only that an identifier of ``type`` stood here."""
    return f"<{type}>"


def apply(operator: Operator, type: str, text: str, *, keys: Keys, subject: str = "") -> str:
    """What takes the place of ``text``, an identifier of ``type``.

    Where an operator cannot do its work on a text (a date it cannot read, a number too short to encrypt) the text is
    redacted: ``<TYPE>``. What is given back is never the text itself by failure.

    Args:
        operator: ``TOKEN`` needs a session's vault and is ``PSEUDONYM`` here.
        subject: whose data it is (a patient's number, the record's id): dates of one subject move together. Empty:
            one subject for everything.
    """
    return _TABLE[operator](type, text, keys, subject) or redacted(type)


def one_way(operator: Operator, type: str, text: str, *, year: int) -> str:
    """`apply` for an operator of `ONE_WAY`, which needs no key. ``year``: this one."""
    return apply(operator, type, text, keys=Keys(digest=_no_key, encrypt=_no_key, decrypt=_no_key, year=year))


def _no_key(*_: str) -> Never:
    raise AssertionError("an operator without a key asked for one")


def undo(type: str, text: str, *, keys: Keys) -> str | None:
    """The text that ``FPE`` encrypted to ``text``; None where it never does."""
    return _permuted(type, text, keys.decrypt)


Apply = Callable[[str, str, Keys, str], str | None]


def _pseudonym(type: str, text: str, keys: Keys, subject: str) -> str:
    number = int.from_bytes(_digest(keys, "pseudonym", type, text)[:10], "big")
    word = ""
    for _ in range(16):
        number, place = divmod(number, 32)
        word += _LETTERS[place]
    return f"{type}-{word}"


_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ0123456789"  # without I, L, O and U, which are misread


def _digest(keys: Keys, purpose: str, type: str, text: str) -> bytes:
    return keys.digest(f"toolguard.{purpose}", f"{type}\x00{canonical_form(type, text)}")


def _fpe(type: str, text: str, keys: Keys, _: str) -> str | None:
    return _permuted(type, text, keys.encrypt)


def _permuted(type: str, text: str, step: Callable[[str, str], str]) -> str | None:
    """``text`` with its digits and letters as another member of the same form: the place of each kind stays.

    The form's members are numbered from 0 to D - 1. FF1 permutes the numbers of as many decimal digits; from one that
    is no member it is applied again (cycle walking), which permutes exactly the members.
    """
    folded = unicodedata.normalize("NFKC", text)
    kinds = [next((k for k in _KINDS if c in k), "") for c in folded]
    if any(c.isalnum() and not kind for c, kind in zip(folded, kinds, strict=True)):
        return None
    number, members = 0, 1
    for char, kind in zip(folded, kinds, strict=True):
        if kind:
            number, members = number * len(kind) + kind.index(char), members * len(kind)
    if members < FPE_DOMAIN or len(folded) > _LONGEST:
        return None
    width = len(str(members - 1))
    tweak = f"{type}\x00" + "".join(kind[:1] or char for char, kind in zip(folded, kinds, strict=True))
    number = int(step(f"{number:0{width}}", tweak))
    while number >= members:
        number = int(step(f"{number:0{width}}", tweak))
    out: list[str] = []
    for char, kind in zip(reversed(folded), reversed(kinds), strict=True):
        place = 0
        if kind:
            number, place = divmod(number, len(kind))
        out.append(kind[place] if kind else char)
    return "".join(reversed(out))


_KINDS = (digits, ascii_uppercase, ascii_lowercase)
_LONGEST = 64


def _surrogate(type: str, text: str, keys: Keys, subject: str) -> str | None:
    if type == "AGE":
        return _age_bin(type, text, keys, subject)
    made = fake(type, text, _digest(keys, "surrogate", type, text))
    return made or _date_shift(type, text, keys, subject) or _fpe(type, text, keys, subject)


def _date_shift(_: str, text: str, keys: Keys, subject: str) -> str | None:
    written = read_date(text)
    if written is None:
        return None
    number = int.from_bytes(keys.digest("toolguard.date_shift", subject)[:8], "big") % (2 * _FARTHEST)
    days = number - _FARTHEST if number < _FARTHEST else number - _FARTHEST + 1
    return written.moved(days)


_FARTHEST = 365


def _year(type: str, text: str, keys: Keys, _: str) -> str | None:
    year = year_of(text)
    if year is None:
        return None
    oldest = keys.year - 90
    return f"{oldest} or before" if type == "DATE_OF_BIRTH" and year <= oldest else str(year)


def _age_bin(_: str, text: str, keys: Keys, __: str) -> str | None:
    number = re.search(r"(?<![0-9.])([0-9]{1,3})(?![0-9])", text)
    if number is None:
        return None
    age = 0 if re.search(r"[0-9][ -]*(?:months?|mo|weeks?|wk|days?|d|m|w)\b", text, re.IGNORECASE) else int(number[1])
    return "90+" if age >= 90 else f"{age // 10 * 10}-{age // 10 * 10 + 9}"


def _zip3(_: str, text: str, keys: Keys, __: str) -> str | None:
    return zip3(text) if re.fullmatch(r"\s*[0-9]{5}(?:-?[0-9]{4})?\s*", text, re.ASCII) else None


def _redact(_: str, __: str, ___: Keys, ____: str) -> None:
    return None


def _keep(_: str, text: str, __: Keys, ___: str) -> str:
    return text


_TABLE: Mapping[Operator, Apply] = {
    Operator.TOKEN: _pseudonym,
    Operator.REDACT: _redact,
    Operator.PSEUDONYM: _pseudonym,
    Operator.FPE: _fpe,
    Operator.SURROGATE: _surrogate,
    Operator.DATE_SHIFT: _date_shift,
    Operator.YEAR: _year,
    Operator.AGE_BIN: _age_bin,
    Operator.ZIP3: _zip3,
    Operator.KEEP: _keep,
}
