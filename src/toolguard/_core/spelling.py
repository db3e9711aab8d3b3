"""One form for all spellings of a text that look alike, for comparing where taking two for one only refuses."""

from __future__ import annotations

import unicodedata

__all__ = ["plain"]


def plain(text: str) -> str:
    """``text`` in small letters and plain width, dashes and blanks, without what cannot be seen."""
    if text.isascii() and text.isprintable():  # the same, at a fraction of the cost: most names are
        return " ".join(text.lower().split())
    seen = "".join(_shown(c) for c in text if not _unseen(c))
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold())
    return " ".join("".join(map(_shown, folded)).split())


def _shown(char: str) -> str:
    kind = unicodedata.category(char)
    return "-" if kind == "Pd" else " " if kind == "Cc" else char


def _unseen(char: str) -> bool:
    code = ord(char)
    return unicodedata.category(char) == "Cf" or 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF or code == 0x34F
