"""Identifiers behind an encoding: base64, hex, ``%4A``, ``&#74;``, ``\\u004a``.

Escapes are read in place (`unescape` keeps the way back to the text as it stands). Base64 and hex are decoded
where they hold text; if an identifier is in it, the whole encoded piece is one. Random bytes, digests and keys do
not decode to text and stay.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress

from toolguard.detection.normalise import Normalised
from toolguard.detection.spans import Span

__all__ = ["pieces", "unescape"]

_ESCAPE = re.compile(
    r"%[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2}){0,3}"
    r"|&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8}[0-9]{0,2});"
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\u\{[0-9a-fA-F]{1,6}\}|\\x[0-9a-fA-F]{2}"
    r"|=[0-9A-F]{2}(?:=[0-9A-F]{2}){0,3}(?=[\w=])"
)
_QUICK = re.compile(r"%[0-9A-Fa-f]{2}|&[#A-Za-z]\w{0,8};|\\[ux]|=[0-9A-F]{2}")
_ENCODED = re.compile(
    r"(?<![A-Za-z0-9+/_=-])(?:(?:[0-9a-fA-F]{2}[: ]?){8,}|[A-Za-z0-9+/_-]{12,}={0,2})(?![A-Za-z0-9+/_=-])"
)
_LONG = re.compile(r"[A-Za-z0-9+/_-]{12}")
_PAIRS = re.compile(r"[: ](?:[0-9a-fA-F]{2}[: ]){6}")
_HEX = re.compile(r"[0-9a-fA-F: ]+")
_PICTURES = ("iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "Qk0", "SUkqA", "TU0AK", "JVBERi0")
_DATA_URL = re.compile(r"data:(?:image|audio|video|application/pdf)[\w/+.;=-]{0,80};base64,[A-Za-z0-9+/=\r\n_-]{16,}")
_MOST = 1 << 20
_ENOUGH = 0.5
_PLAIN = re.compile(r"[A-Za-z]+|[a-z]+(?:[-_/][a-z]+)+|[A-Za-z]+(?:[A-Z][a-z]+)+|\d+")


def unescape(text: str) -> Normalised | None:
    """``text`` with escapes of printable characters read, and the way back; None if it holds none."""
    if not _QUICK.search(text):
        return None
    out: list[str] = []
    starts: array[int] = array("q")
    ends: array[int] = array("q")
    at = 0
    told = False
    for match in _ESCAPE.finditer(text):
        plain = _read(match[0])
        if not plain or not all(char.isprintable() or char.isspace() for char in plain):
            continue
        begin, stop = match.span()
        out += [text[at:begin], plain]
        starts.extend(range(at, begin))
        ends.extend(range(at + 1, begin + 1))
        starts.extend([begin] * len(plain))
        ends.extend([stop] * len(plain))
        at = stop
        told = True
    if not told:
        return None
    out.append(text[at:])
    starts.extend(range(at, len(text)))
    ends.extend(range(at + 1, len(text) + 1))
    return Normalised("".join(out), starts, ends)


def _read(escape: str) -> str:
    first = escape[0]
    try:
        if first in "%=":
            return bytes.fromhex(escape.replace(first, "")).decode("utf-8")
        if first == "&":
            plain = html.unescape(escape)
            return plain if plain != escape else ""
        if escape[1] == "x" or escape[2] == "{":
            return chr(int(escape[2:].strip("{}"), 16))
        units = bytes.fromhex(escape.replace("\\u", ""))
        return units.decode("utf-16-be")
    except (ValueError, OverflowError):
        return ""


def pieces(text: str, look: Callable[[str], list[Span]]) -> Iterator[Span]:
    """Encoded pieces of ``text`` in whose decoded form ``look`` finds an identifier, each as one span of its type."""
    if "base64," in text:
        for match in _DATA_URL.finditer(text):
            yield Span(*match.span(), "PHOTO", 0.95, "encoded")
    if not _PAIRS.search(text) and not any(map(_room, text.split())):
        return
    for match in _ENCODED.finditer(text):
        piece = match[0]
        if piece.startswith(_PICTURES) and len(piece) > 100:
            yield Span(*match.span(), "PHOTO", 0.9, "encoded")
            continue
        if len(piece) < 12 or _PLAIN.fullmatch(piece):
            continue
        for plain in _decoded(piece):
            found = [span for span in look(plain) if span.score >= _ENOUGH]
            if found:
                best = max(found, key=lambda span: (span.score, span.end - span.start))
                yield Span(*match.span(), best.type, best.score, "encoded")
                break


def _room(run: str) -> bool:
    """Whether something encoded may stand in ``run`` (without white space), which is more than a word."""
    if len(run) < 12:
        return False
    return (len(run) > 100 or not run.strip(".,;:()[]\"'").isalpha()) and bool(_LONG.search(run))


def _decoded(piece: str) -> Iterator[str]:
    if len(piece) > _MOST:
        piece = piece[:_MOST]
    raw: list[bytes] = []
    if _HEX.fullmatch(piece):
        digits = piece.replace(":", "").replace(" ", "")
        if len(digits) % 2 == 0:
            raw.append(bytes.fromhex(digits))
    compact = piece.rstrip("=").replace("-", "+").replace("_", "/")
    if len(compact) % 4 != 1 and " " not in compact and ":" not in compact:
        with suppress(binascii.Error, ValueError):
            raw.append(base64.b64decode(compact + "=" * (-len(compact) % 4)))
    for data in raw:
        try:
            plain = data.decode("utf-8")
        except UnicodeDecodeError:
            continue
        if len(plain) >= 5 and all(char.isprintable() or char in "\r\n\t" for char in plain):
            yield plain
