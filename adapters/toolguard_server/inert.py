"""Text from a model, a tool or a user, shown so that it can do nothing.

Markup is escaped. What could hide or reorder text (control, bidi, zero-width and other invisible characters,
look-alike spaces) is shown as ``\\uXXXX``.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from markupsafe import Markup, escape

__all__ = ["inert", "inert_text", "rows"]

_KEPT = {"\n", " "}
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u180b\u180c\u180d\u180f")
_HIDDEN_KINDS = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp", "Zs"})
_TOKEN = re.compile(r"<[A-Z][A-Z0-9_]*_\d+(?:_\d+)?>")


def _hides(char: str) -> bool:
    if char in _KEPT or "!" <= char <= "~":
        return False
    code = ord(char)
    selector = 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF
    return selector or char in _INVISIBLE or unicodedata.category(char) in _HIDDEN_KINDS


def _shown(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def inert_text(text: str) -> str:
    """For terminals and logs of terminals: newlines too are made visible."""
    return "".join(_shown(c) if c == "\n" or _hides(c) else c for c in text)


def inert(text: object) -> Markup:
    """For HTML: escaped, with hidden characters and masked tokens marked."""
    parts: list[Markup] = []
    plain = ""
    for char in str(text):
        if _hides(char):
            parts.append(_with_tokens(plain))
            parts.append(Markup('<span class="hidden-char" title="hidden character">{}</span>').format(_shown(char)))
            plain = ""
        else:
            plain += char
    parts.append(_with_tokens(plain))
    return Markup("").join(parts)


def _with_tokens(text: str) -> Markup:
    out, at = Markup(""), 0
    for found in _TOKEN.finditer(text):
        out += escape(text[at : found.start()])
        out += Markup('<span class="token" title="masked identifier">{}</span>').format(found.group())
        at = found.end()
    return out + escape(text[at:])


def rows(view: Any) -> Iterator[tuple[str, str]]:
    """A masked view as (name, text) rows: one an argument; what is nested is shown as indented JSON."""
    if not isinstance(view, dict):
        yield "", _text(view)
        return
    for name, value in view.items():
        yield str(name), _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
