"""Recipients, amounts of money and cloud actions in arguments."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from toolguard._core.call import Json
from toolguard._core.risk import Evidence
from toolguard.analysis.notes import COMMUNICATION, FINANCIAL, HIGH, LOW, MEDIUM, note
from toolguard.analysis.words import unmask

__all__ = ["MANY_RECIPIENTS", "addresses", "amount_of", "money_evidence", "recipient_evidence"]

MANY_RECIPIENTS = 10
LARGE_AMOUNT = Decimal(1_000)
"""From this amount on, whatever the currency, money counts as high."""
_MAIL = re.compile(r"[\w.+'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_WIDE = re.compile(
    r"(?:^|[.@_-])(?:all|everyone|everybody|staff|company|list|lists|users|customers|patients|employees|team|announce|members|newsletter|channel|here)(?:[.@_-]|$)",
    re.IGNORECASE,
)


def addresses(value: Json) -> list[str]:
    """Every e-mail address in ``value``, lower case."""
    found: list[str] = []
    for text in _texts(value):
        found += [a.lower() for a in _MAIL.findall(unmask(text[:20_000]))]
    return found


def _texts(value: Json) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value[:1_000]:
            yield from _texts(item)


def recipient_evidence(value: Json) -> list[Evidence]:
    """What the recipients of a message say."""
    texts = [t for t in _texts(value) if t.strip()]
    found = addresses(texts)
    names = [name for t in texts for name in addresses(t) or [t]]
    if not names:
        return []
    source = "args.recipient"
    if len(set(names)) > MANY_RECIPIENTS:
        return [note(source, COMMUNICATION, HIGH, f"it reaches more than {MANY_RECIPIENTS} recipients")]
    if any(_WIDE.search(name) for name in names):
        return [note(source, COMMUNICATION, HIGH, "a recipient looks like a list of many people")]
    domains = {a.rpartition("@")[2] for a in found}
    if len(domains) > 1:
        return [note(source, COMMUNICATION, MEDIUM, "it reaches recipients at several organizations")]
    return [note(source, COMMUNICATION, MEDIUM, "it reaches a recipient")]


def amount_of(value: Json) -> Decimal | None:
    """The number ``value`` stands for: a number, or text such as ``"1,250.00 €"``; None if there is none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        text = repr(value)
    elif isinstance(value, str):
        text = re.sub(r"[^\d.,eE+-]", "", unmask(value[:64]))
        text = re.sub(r"[.,](?=\d{3}(?:\D|$))", "", text).replace(",", ".")
    else:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _currency(value: Json) -> bool:
    return isinstance(value, str) and len(value) <= 4 and value.isalpha()


def money_evidence(value: Json) -> list[Evidence]:
    """What an amount says."""
    values = [v for v in (value if isinstance(value, list) else [value]) if not _currency(v)]
    amounts = [amount_of(v) for v in values]
    source = "args.amount"
    if any(a is None for a, v in zip(amounts, values, strict=True) if v is not None):
        return [note(source, FINANCIAL, HIGH, "an amount cannot be read")]
    largest = max((abs(a) for a in amounts if a is not None), default=None)
    if largest is None:
        return []
    if largest >= LARGE_AMOUNT:
        return [note(source, FINANCIAL, HIGH, f"the amount is {LARGE_AMOUNT} or more")]
    return [note(source, FINANCIAL, MEDIUM if largest else LOW, "it names an amount")]
