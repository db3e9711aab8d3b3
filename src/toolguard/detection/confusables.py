"""Letters of other scripts that pass for Latin ones (``Ѕmіth`` with Cyrillic letters), told apart by their company.

A Russian or Greek word is left as it is. A letter is taken for its Latin double where its word also holds Latin
letters or digits, or where the whole word is made of doubles and most of the text is Latin.
The pairs are those of Unicode's confusables (UTS 39) that look alike in common fonts.
"""

from __future__ import annotations

import re

__all__ = ["latin_doubles"]

_DOUBLES = str.maketrans(
    # Cyrillic
    "АВЕЅІЈКМНОРСТХУГаеіјорсухѕԁԛԝһӏɡьВ"
    # Greek
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧανοιρκυτωϲ"
    # Armenian, Cherokee and others
    "օսոհցᎪᏴᏟᎬᎻᎫᏞᎷᏢᏒᏚᎢᏙᏔᏃⅼ",
    "ABESIJKMHOPCTXYraeijopcyxsdqwhlgbB"
    "ABEZHIKMNOPTYXavoipkutwc"
    "ounhgABCEHJLMPRSTVWZl",
)  # fmt: skip
_FOREIGN = "".join(map(chr, _DOUBLES))
_ANY = re.compile(f"[{_FOREIGN}]")
_WORD = re.compile(r"[^\W_]+")


def latin_doubles(text: str) -> str:
    """``text`` with such letters replaced, one for one."""
    if not _ANY.search(text):
        return text
    latin = sum(1 for char in text if char.isascii() and char.isalpha())
    foreign = sum(1 for char in text if not char.isascii() and char.isalpha())
    mostly = latin > foreign

    def put(match: re.Match[str]) -> str:
        word = match[0]
        if word.isascii():
            return word
        plain = word.translate(_DOUBLES)
        mixed = any(char.isascii() for char in word)
        return plain if mixed or (mostly and len(word) > 2 and plain.isascii()) else word

    return _WORD.sub(put, text)
