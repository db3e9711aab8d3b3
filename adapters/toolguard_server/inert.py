"""Untrusted text as HTML that can do nothing: escaped, with hidden characters and masked tokens marked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from markupsafe import Markup, escape

from toolguard.authority import hides, shown, visible

__all__ = ["as_text", "brief", "inert", "one_line", "rows", "sentence"]

_TOKEN = re.compile(r"<[A-Z][A-Z0-9_]*_\d+(?:_\d+)?>")
_TYPE = re.compile(r"<[A-Z][A-Z0-9_]{1,40}>")


def inert(text: object, *, types: bool = False) -> Markup:
    """For HTML. Line ends stay; every other hidden character is shown as ``\\uXXXX``. Tokens are marked; with ``types``
    also what stands for an identifier in what people wrote, such as ``<PERSON>``.
    """
    masked = _TYPE if types else _TOKEN
    parts: list[Markup] = []
    plain = ""
    for char in str(text):
        if char != "\n" and hides(char):
            parts.append(_with_tokens(plain, masked))
            parts.append(Markup('<span class="hidden-char" title="hidden character">{}</span>').format(shown(char)))
            plain = ""
        else:
            plain += char
    parts.append(_with_tokens(plain, masked))
    return Markup("").join(parts)


def one_line(text: object) -> Markup:
    """Like `inert`, for names: line ends are spelled out as well, so that a name can push nothing out of sight."""
    return inert(visible(str(text)))


def _with_tokens(text: str, masked: re.Pattern[str]) -> Markup:
    out, at = Markup(""), 0
    for found in masked.finditer(text):
        out += escape(text[at : found.start()])
        out += Markup('<span class="token" title="masked identifier">{}</span>').format(found.group())
        at = found.end()
    return out + escape(text[at:])


def sentence(text: str) -> str:
    """With a capital and a full stop, as a page wants it."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}" if text else ""


def rows(view: Any) -> Iterator[tuple[str, str]]:
    """A masked view as (name, text) rows: one an argument; what is nested is shown as indented JSON."""
    if not isinstance(view, dict):
        yield "", as_text(view)
        return
    for name, value in view.items():
        yield str(name), as_text(value)


def brief(view: Any, *, most: int = 3, longest: int = 80) -> list[tuple[str, str]]:
    """The first ``most`` rows of a masked view, each text in one line of at most ``longest`` characters: to tell requests apart."""
    texts = [(name, " ".join(text.split())) for name, text in islice(rows(view), most)]
    return [(name, text if len(text) <= longest else f"{text[:longest]}…") for name, text in texts]


def as_text(value: Any) -> str:
    """A masked value as it is shown: text as it is, anything else as indented JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
