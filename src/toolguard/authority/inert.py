"""Text from a model, a tool or a user, made unable to hide or reorder anything where people read it."""

from __future__ import annotations

import unicodedata

__all__ = ["hides", "shown", "visible"]

_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u180b\u180c\u180d\u180f")
_HIDDEN_KINDS = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})


def hides(char: str) -> bool:
    """Whether ``char`` is a control, bidi, zero-width or otherwise invisible character, or a look-alike space."""
    if " " <= char <= "~":
        return False
    code = ord(char)
    selector = 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF
    return selector or char in _INVISIBLE or unicodedata.category(char) in _HIDDEN_KINDS


def shown(char: str) -> str:
    """``char`` as ``\\uXXXX``."""
    code = ord(char)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def visible(text: str, *, keep: str = "") -> str:
    """``text`` with every hidden character shown as ``\\uXXXX``, except those in ``keep``."""
    return "".join(shown(c) if hides(c) and c not in keep else c for c in text)
