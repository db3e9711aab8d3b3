"""E-mail addresses, URLs, IP and MAC addresses, phone and fax numbers."""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from toolguard.detection.lexer import Lexed
from toolguard.detection.rules.scan import at_starts
from toolguard.detection.spans import Span

__all__ = ["emails", "internet", "phones"]

_SOURCE = "contact"
_EMAIL = re.compile(r"(?<![\w.+%'-])[\w.+%'-]{1,64}+@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}")
_EMAIL_SPACED = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}\s?(?:[\[({]\s?at\s?[\])}]|\s@\s)\s?"
    r"[\w-]{1,63}(?:\s?(?:[\[({]\s?dot\s?[\])}]|\sdot\s|\.)\s?[a-z][\w-]{1,62}){1,4}(?![\w-])",
    re.IGNORECASE,
)
_SPOKEN_EMAIL = re.compile(
    r"\b[a-z0-9]{1,24}(?:\s(?:dot|underscore|dash|hyphen)\s[a-z0-9]{1,24}){0,4}\sat\s"
    r"[a-z0-9-]{2,30}(?:\sdot\s[a-z0-9-]{2,30}){0,3}\sdot\s(?:com|org|net|edu|gov|io|us|uk|co)\b",
    re.IGNORECASE,
)
_URL = re.compile(r"(?<![\w@])(?:[a-zA-Z][a-zA-Z0-9+.-]{1,15}://|www\.)[^\s<>\"'`\\^{}|]{2,2000}")
_TLD = (
    "com|org|net|edu|gov|mil|int|info|biz|io|co|us|uk|ca|de|fr|es|it|nl|be|ch|at|au|nz|ie|in|jp|cn|br|mx|se|no|fi|dk"
    "|pl|pt|cz|hu|gr|ru|tr|za|eu|health|care|clinic|hospital|doctor|med|dev|app|ai|me|tv|cc|name|online|site|tech|cloud"
)
_DOMAIN = re.compile(
    rf"(?<![\w@./\\$-])(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]{{0,61}}[a-zA-Z0-9])?\.){{1,6}}(?:{_TLD})(?![\w(@=-]|\.\w)"
    r"(?:(?::\d{2,5})?/[^\s<>\"'`\\^{}|]{0,1000})?"
)
_DOTTED = re.compile(r"[a-zA-Z0-9]\.[a-z]{2}")
_IPV4 = re.compile(
    r"(?<![\w.-])(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}"
    r"(?:/\d{1,2}|:\d{2,5})?(?![\w-]|\.\d)"
)
_IPV6 = re.compile(
    r"(?<![\w:.])(?=[0-9A-Fa-f:.]*:[0-9A-Fa-f.]*:)[0-9A-Fa-f:]{2,39}(?:\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])"
)
_IPV4_QUICK = re.compile(r"\.\d{1,3}\.")
_IPV6_QUICK = re.compile(r":[0-9A-Fa-f.]*:")
_MAC_QUICK = re.compile(r"[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-]")
_MAC = re.compile(r"(?<![\w:-])[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}(?![\w:-])")
_EXT = r"(?:\s{0,2},?\s?(?:x|ext\.?|extn\.?|extension)\s?:?\s?\d{1,6})?"
_PHONE = re.compile(
    r"(?<![\w#/$@-])(?<!\d\.)(?:"
    rf"(?:\+?1[-. ]{{0,2}})?(?:\(\d{{3}}\)[-. ]{{0,2}}|\d{{3}}[-. /]{{1,2}})\d{{3}}[-. ]{{1,2}}\d{{4}}{_EXT}"
    rf"|\+\d{{1,3}}(?:[-. ()]{{0,2}}\d{{1,5}}){{2,6}}{_EXT}"
    r"|\+\d{8,15}"
    rf"|(?:\+?1[-. ]?)?\(\d{{3}}\)[-. ]?\d{{7}}{_EXT}"
    r"|0\d{1,4}[-. ]\d{2,4}[-. ]\d{2,4}(?:[-. ]\d{2,4}){0,3}"
    r"|00\d{1,3}[-. ]\d{1,4}(?:[-. ]\d{2,4}){2,4}"
    rf"|\(0?\d{{1,5}}\)[-. ]?\d{{3,4}}[-. ]\d{{3,5}}{_EXT}"
    r"|\d{3}-\d{4}(?!-)"
    r")(?![\w@]|-\d|\.\d)"
)
_SECTION = re.compile(r"\d\d\.\d\d\.\d\d\Z")
_FAX = re.compile(r"fa(?:x|csimile)(?:\s(?:number|no))?\W{0,5}(?:is\s|at\s|to\s)?\W{0,3}$", re.IGNORECASE)
_NOBODY = ("127.", "0.0.0.0", "255.255.")  # noqa: S104 - this machine, any, a mask: nothing is bound
_QUERY = re.compile(r"(?<![\w:/])/[\w./%~-]{0,300}\?[^\s\"'<>]{0,1000}", re.IGNORECASE)
_ABOUT = re.compile(
    r"[?&;](?:patient|pt|name|first|last|fname|lname|dob|birth\w*|mrn|ssn|email|phone|user|member|subject)\w{0,12}=[^&]",
    re.IGNORECASE,
)
_EXTENSION = re.compile(r"(?<![\w.])(?:x|ext\.?\s?)(\d{4,5})(?![\w.%])")
_TRIM = ".,;:!?)]}>'*_"


_CALL_LABEL = re.compile(
    r"\b(?:tel|telephone|phone|cell|mobile|fax|call|whatsapp|telefono|movil|tlf|ph|contact|pager|text)\b\W{0,4}(?:number|no|is|at|me at)?\W{0,3}((?:\+|\(|0|\d)(?:[ ().-]{0,2}\d){6,14})(?![\w/-])",
    re.IGNORECASE,
)
_CALL_WORDS = frozenset(
    "tel telephone phone cell mobile fax call whatsapp telefono movil tlf contact pager text".split()
)


def emails(lexed: Lexed) -> list[Span]:
    """E-mail addresses, also ``name (at) host dot org`` and as spoken."""
    text, vocabulary = lexed.text, lexed.vocabulary
    out = [Span(*m.span(), "EMAIL", 0.95, _SOURCE) for m in _EMAIL.finditer(text)] if "@" in text else []
    if "dot" in vocabulary and "at" in vocabulary:
        out += [Span(*m.span(), "EMAIL", 0.85, _SOURCE) for m in _SPOKEN_EMAIL.finditer(text)]
    if " @ " in text or ("at" in vocabulary and ("[" in text or "(" in text or "{" in text)):
        out += [Span(*m.span(), "EMAIL", 0.7, _SOURCE) for m in _EMAIL_SPACED.finditer(text)]
    return out


def _url_end(text: str, start: int, end: int) -> int:
    """Where a URL ends in prose: closing punctuation is not part of it, unless its opening is."""
    while end > start and text[end - 1] in _TRIM:
        if text[end - 1] == ")" and text.count("(", start, end) >= text.count(")", start, end):
            break
        end -= 1
    return end


def internet(text: str) -> list[Span]:
    """URLs, host names, IP and MAC addresses."""
    out: list[Span] = []
    if "://" in text or "www." in text:
        for match in _URL.finditer(text):
            start, end = match.span()
            out.append(Span(start, _url_end(text, start, end), "URL", 0.9, _SOURCE))
    if "?" in text and "=" in text:
        out += [Span(*m.span(), "URL", 0.85, _SOURCE) for m in _QUERY.finditer(text) if _ABOUT.search(m[0])]
    if _DOTTED.search(text):
        for match in _DOMAIN.finditer(text):
            start, end = match.span()
            out.append(Span(start, _url_end(text, start, end), "URL", 0.6, _SOURCE))
    if _IPV4_QUICK.search(text):
        for match in _IPV4.finditer(text):
            before = text[max(0, match.start() - 10) : match.start()].lower().rstrip(" :=")
            if not before.endswith(("version", "ver", "v", "release", "section", "build")) and not match[0].startswith(
                _NOBODY
            ):
                out.append(Span(*match.span(), "IP_ADDRESS", 0.9, _SOURCE))
    if _IPV6_QUICK.search(text):
        for match in _IPV6.finditer(text):
            try:
                ipaddress.IPv6Address(match[0])
            except ValueError:
                continue
            if match[0].strip(":"):
                out.append(Span(*match.span(), "IP_ADDRESS", 0.85, _SOURCE))
    if _MAC_QUICK.search(text):
        out += [Span(*m.span(), "DEVICE", 0.85, _SOURCE) for m in _MAC.finditer(text)]
    return out


def _phone_starts(lexed: Lexed) -> Iterator[int]:
    """Where a phone number may begin: a number that goes on, or one in brackets or after a plus sign."""
    text = lexed.text
    joined = frozenset(lexed.joined)
    for at in lexed.digits:
        before = text[at - 1 : at]
        if before == "+" or (before == "(" and at in joined):
            yield at - 1
        if at in joined:
            yield at


def phones(lexed: Lexed) -> list[Span]:
    """Phone and fax numbers by shape; numbers that only a label betrays are found in `identifiers`."""
    text = lexed.text
    out: list[Span] = []
    if not lexed.vocabulary.isdisjoint(_CALL_WORDS):
        out += [
            Span(*m.span(1), "FAX" if m[0][:3].lower() == "fax" else "PHONE", 0.8, _SOURCE)
            for m in _CALL_LABEL.finditer(text)
        ]
    if "x" in text and lexed.numbers & {4, 5}:
        out += [Span(*m.span(1), "PHONE", 0.55, _SOURCE) for m in _EXTENSION.finditer(text)]
    for match in at_starts(_PHONE, text, _phone_starts(lexed)):
        start, end = match.span()
        if _SECTION.match(match[0]) and text[start - 1 : start] == "." and text[start - 2 : start - 1].isalpha():
            continue  # "NPSG.01.01.01"
        digits = sum(c.isdigit() for c in match[0])
        if digits > 21 or text[max(0, start - 6) : start].lower().rstrip(" :#").endswith("ndc"):
            continue
        kind = "FAX" if _FAX.search(text, max(0, start - 24), start) else "PHONE"
        out.append(Span(start, end, kind, 0.55 if digits < 8 else 0.8, _SOURCE))
    return out
