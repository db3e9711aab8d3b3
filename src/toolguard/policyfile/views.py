"""How an expression sees the arguments: what it reads of them, in the shape it expects, and once more unmasked
of typographical tricks. None of this ever feeds a digest.

Two views are evaluated where they differ. The *plain* view is the arguments as the tool would get them,
with numeric strings read as numbers and JSON in strings parsed where the expression expects that. The
*folded* view undoes what makes text look the same and compare differently: Unicode compatibility forms,
invisible characters, letters of other alphabets that look Latin, escapes, stray white space. A rule that
restricts counts as matched if either view matches, a rule that allows only if both do, so folding can
never talk a restriction away.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any
from urllib.parse import unquote

from toolguard._core.call import Json
from toolguard.policyfile.reads import EACH, Shape

__all__ = ["View", "fold", "fold_all", "is_plain", "plain_view"]

_MAX_NUMBER = 64
_MAX_JSON = 1_000_000
_INT64 = 2**63
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160"
    "\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U00013438\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f\U000e0100-\U000e01ef]"
)
"""Unicode categories Cf, Cc (white space apart) and Cs, fillers and variation selectors."""

_LOOKS_LIKE = {
    "a": "аαɑ", "b": "Ьƅ", "c": "сϲ", "d": "ԁ", "e": "еҽ", "g": "ɡց", "h": "һհ", "i": "іιɩı", "j": "јϳ", "k": "κк",
    "l": "ӏǀӀ", "m": "м", "n": "ոռ", "o": "оοօס", "p": "рρ", "q": "ԛզ", "r": "г", "s": "ѕꜱ", "t": "т", "u": "υսʋ",
    "v": "νѵ", "w": "ԝѡ", "x": "хχ", "y": "уγү", "z": "ᴢ", "A": "АΑ", "B": "ВΒ", "C": "СϹ", "E": "ЕΕ", "H": "НΗ",
    "I": "ІΙ", "J": "Ј", "K": "КΚ", "M": "МΜ", "N": "Ν", "O": "ОΟՕ", "P": "РΡ", "S": "ЅՏ", "T": "ТΤ", "U": "Ս",
    "V": "Ѵ", "W": "Ԝ", "X": "ХΧ", "Y": "УΥҮ", "Z": "Ζ", "/": "∕⁄", ":": "։∶", "-": "‐‑‒–—−", "'": "’ʼ",
}  # fmt: skip
_LOOKALIKES = {ord(other): ascii_ for ascii_, others in _LOOKS_LIKE.items() for other in others}
"""Letters that look like ASCII ones (a selection of Unicode TS #39, confusables)."""


class View:
    """Arguments as one evaluation sees them; ``misfit`` if one has a shape the expression does not expect."""

    __slots__ = ("data", "misfit")

    def __init__(self) -> None:
        self.data: dict[str, Json] = {}
        self.misfit = False


def plain_view(data: Json, shape: Shape) -> View:
    """Of ``data``, what ``shape`` says is read, in the form it is read."""
    view = View()
    source = data if isinstance(data, dict) else {}
    parts = shape.parts
    if shape.whole:
        view.data = {k: _fit(v, parts[k], view) if k in parts else _settle(v) for k, v in source.items()}
        view.misfit = view.misfit or not isinstance(data, dict)
    else:
        view.data = {name: _fit(source[name], part, view) for name, part in parts.items() if name in source}
    return view


def _fit(value: Json, shape: Shape, view: View) -> Json:
    expected = shape.expected
    kind = type(value)
    if expected == "text":
        if kind is str or value is None:
            return value
        if kind is int:
            return str(value)
        view.misfit = True
        return _settle(value)
    if expected == "number":
        if kind is str:
            return _number(value, view)
        if kind is not int and kind is not float and value is not None:
            view.misfit = True
        return _settle(value)
    if not shape.parts:
        return _settle(value)
    if kind is str:
        value = _parsed(value)
    if isinstance(value, dict):
        if shape.whole:
            return {k: _fit(v, shape.parts[k], view) if k in shape.parts else _settle(v) for k, v in value.items()}
        return {k: _fit(value[k], part, view) for k, part in shape.parts.items() if k in value}
    if isinstance(value, list):
        each = shape.parts.get(EACH)
        return [_fit(v, each, view) for v in value] if each else _settle(value)
    return _settle(value)


def _number(text: str, view: View) -> Json:
    trimmed = text if len(text) > _MAX_NUMBER else unicodedata.normalize("NFKC", text).strip()
    if len(trimmed) > _MAX_NUMBER or not _NUMBER.fullmatch(trimmed):
        view.misfit = True
        return text
    try:
        return _settle(int(trimmed))
    except ValueError:
        return float(trimmed)


def _parsed(text: str) -> Json:
    """The list or object that ``text`` spells in JSON, else ``text`` itself."""
    if len(text) > _MAX_JSON or text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _settle(value: Json) -> Json:
    """``value`` with integers beyond 64 bits as floating point, which the engine can hold."""
    kind = type(value)
    if kind is int:
        if -_INT64 <= value < _INT64:
            return value
        try:
            return float(value)
        except OverflowError:
            return float("inf") if value > 0 else float("-inf")
    if kind is dict:
        return {k: _settle(v) for k, v in value.items()}
    if kind is list:
        return [_settle(v) for v in value]
    return value


def fold_all(value: Json) -> tuple[Json, bool]:
    """``value`` with every text folded (keys too), and whether that changed anything."""
    kind = type(value)
    if kind is str:
        if is_plain(value):
            return value, False
        folded = fold(value)
        return folded, folded != value
    if kind is dict:
        changed = False
        out: dict[str, Any] = {}
        for key, item in value.items():
            name, renamed = fold_all(key)
            new, different = fold_all(item)
            out[name] = new
            changed = changed or renamed or different
        return out, changed
    if kind is list:
        pairs = [fold_all(v) for v in value]
        return [v for v, _ in pairs], any(c for _, c in pairs)
    return value, False


def fold(text: str) -> str:
    """``text`` as it looks: escapes undone, compatibility forms and lookalikes replaced, invisibles dropped.

    Case is kept; a rule that does not care about case says so with ``lower()``.
    """
    if "\\u" in text:
        text = _ESCAPE.sub(lambda m: chr(int(m[1], 16)), text)
    for _ in range(2):
        if "%" not in text:
            break
        text = unquote(text, errors="replace")
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_LOOKALIKES)
    if not (text.isascii() and text.isprintable()):
        text = _INVISIBLE.sub("", text)
    return " ".join(text.split())


def is_plain(text: str) -> bool:
    """Printable ASCII without escapes, single spaces only inside: nothing to fold. All at the speed of C."""
    return (
        text.isascii()
        and text.isprintable()
        and "%" not in text
        and "\\u" not in text
        and "  " not in text
        and text[:1] != " "
        and text[-1:] != " "
    )
