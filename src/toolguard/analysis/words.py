"""Names and sentences taken apart into lower-case base words, the same for every spelling convention.

``deleteUserAccount``, ``delete_user_account``, ``delete-user-account`` and ``DELETE.UserAccount`` give the
same words; ``Authorises`` and ``authorizes`` give the same verb.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

__all__ = ["bag", "british_to_american", "inflections", "split_words", "unmask"]


def bag(text: str) -> frozenset[str]:
    """The words of ``text`` as a set: how word lists are written here."""
    return frozenset(text.split())


_PIECE = re.compile(r"[A-Z]{2,}s(?![a-z])|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")

# Letters of other scripts that look like Latin ones. NFKC leaves them alone, so they are folded here: a
# Cyrillic "о" in "drор" must not make a verb unknown. Only whole look-alikes, lower case after folding.
_LOOKALIKES = str.maketrans(
    {
        **dict(zip("аеорсухіјѕԁһԛԝӏвкмнтгпԍ", "aeopcyxijsdhqwlbkmhtrng", strict=True)),
        **dict(zip("АВЕКМНОРСТХІЈЅУԌԚԜ", "ABEKMHOPCTXIJSYGQW", strict=True)),
        **dict(zip("αοεινρτυχκ", "aoeivptuxk", strict=True)),
        **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),
        **dict(zip("ıɑɡɩⅼ", "iagil", strict=True)),
    }
)
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)


def unmask(text: str) -> str:
    """``text`` as a careless reader sees it: compatibility forms, look-alike letters and invisible marks folded."""
    if text.isascii():
        return text
    return _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).translate(_LOOKALIKES)


# Spellings of one verb. "-ise" and "-ize" are handled by rule; these are the irregular ones.
_SPELLINGS = {
    "enrol": "enroll",
    "unenrol": "unenroll",
    "fulfil": "fulfill",
    "instal": "install",
    "analyse": "analyze",
    "catalogue": "catalog",
    "licence": "license",
    "cheque": "check",
    "programme": "program",
    "centre": "center",
    "cancelled": "cancel",
    "canceled": "cancel",
    "cancelling": "cancel",
    "canceling": "cancel",
    "sent": "send",
    "built": "build",
    "ran": "run",
    "wrote": "write",
    "written": "write",
    "gave": "give",
    "paid": "pay",
}
_ISE = re.compile(r"is(e|es|ed|ing|er|ation|ations)$")
_NOT_ISE = bag("advertise advise raise revise supervise surprise exercise promise likewise otherwise wise rise")


def british_to_american(word: str) -> str:
    """``authorises`` → ``authorizes``, ``enrol`` → ``enroll``; other words unchanged."""
    known = _SPELLINGS.get(word)
    if known:
        return known
    if len(word) > 6 and word not in _NOT_ISE:
        return _ISE.sub(r"iz\1", word)
    return word


@lru_cache(maxsize=4096)
def split_words(name: str) -> tuple[str, ...]:
    """The words of an identifier, lower case, American spelling."""
    plain = unmask(name)
    pieces = _PIECE.findall(plain)
    letters = [p for p in pieces if p.isalpha()]
    if len(letters) > 2 and sum(len(p) < 3 for p in letters) * 2 > len(letters):
        pieces = _PIECE.findall(plain.lower())  # dElEtE_aLl: capitals that part no words
    return tuple(british_to_american(piece.lower()) for piece in pieces)


def inflections(verbs: Iterable[str]) -> dict[str, str]:
    """Every inflected form of ``verbs`` → its base: deletes, deleted, deleting → delete."""
    forms: dict[str, str] = {}
    for verb in verbs:
        for form in _forms(verb):
            forms.setdefault(form, verb)
    forms.update({verb: verb for verb in verbs})
    return forms


def _forms(verb: str) -> list[str]:
    if verb.endswith("e"):
        return [verb, verb + "s", verb + "d", verb[:-1] + "ing"]
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return [verb, verb[:-1] + "ies", verb[:-1] + "ied", verb + "ing"]
    if verb.endswith(("s", "x", "z", "ch", "sh")):
        return [verb, verb + "es", verb + "ed", verb + "ing"]
    forms = [verb, verb + "s", verb + "ed", verb + "ing"]
    if re.search(r"[^aeiou][aeiou][bdgklmnprt]$", verb):
        forms += [verb + verb[-1] + "ed", verb + verb[-1] + "ing"]
    return forms
