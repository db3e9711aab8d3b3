"""Split text into tokens with offsets.

A token is an e-mail address or URL, a run of digits with its inner separators (``03/14/1964``,
``2024-05-12T13:22:01Z``, ``555-0142``), a word (letters, digits, inner apostrophe), a run of line breaks,
or one punctuation character. Spaces are no tokens. Possessive ``'s`` stands alone so that a name can end before it.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final

__all__ = ["NEWLINE", "tokenize"]

NEWLINE: Final = "\n"
"""Text of every line-break token, however many breaks it stands for."""

_TOKEN: Final = re.compile(
    r"""(
      [^\W_][\w.+-]{0,63}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}     # e-mail address
    | (?:https?|ftp|sftp|wss?|s3)://[^\s"'<>|\\]{1,2000}        # URL
    | \d{1,3}(?:,\d{3}(?![\d/:-]))+(?:\.\d+)?
    | \d+(?:[./:-]\d+)*(?:T\d\d(?::?\d\d){0,2}(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?|[^\W\d_]{1,12}\d*|\.\d+)?
    | [^\W_]+(?:['’](?![sS]\b)[^\W\d_]+)?
    | ['’][sS]\b
    | [ \t]*[\r\n][\s]*
    | \S
    )""",
    re.VERBOSE,
)


def tokenize(text: str) -> tuple[list[str], list[int], list[int]]:
    """Tokens of ``text``, their starts and their ends (Python string indices); line breaks become `NEWLINE`."""
    parts = _TOKEN.split(text)  # blanks, token, blanks, …, token, blanks
    words = parts[1::2]
    if "\n" in text or "\r" in text:
        words = [NEWLINE if "\n" in word or "\r" in word else word for word in words]
    bounds = list(accumulate(map(len, parts)))
    return words, bounds[0:-1:2], bounds[1::2]
