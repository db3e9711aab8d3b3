"""Operators: what may stand in the place of an identifier."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Operator"]


class Operator(StrEnum):
    """What takes an identifier's place, by the word a policy writes."""

    TOKEN = "token"  # noqa: S105 # the name of an operator, not a secret
    REDACT = "redact"
    PSEUDONYM = "pseudonym"
    FPE = "fpe"
    SURROGATE = "surrogate"
    DATE_SHIFT = "date_shift"
    YEAR = "year"
    AGE_BIN = "age_bin"
    ZIP3 = "zip3"
    KEEP = "keep"
