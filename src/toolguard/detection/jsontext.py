"""JSON inside a string: parsed to be understood, and located so that findings point into the text as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from toolguard._core.call import Json
from toolguard._core.mask import Finding, Path

__all__ = ["looks_like_json", "parse", "to_text_offsets"]

_TOKEN = re.compile(r'"((?:[^"\\]++|\\.)*+)"|[{}\[\],:]|[^\s{}\[\],:"]+')
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL)


def looks_like_json(text: str) -> bool:
    """Whether it is worth trying: begins and ends like an object or an array."""
    size = len(text)
    start = 0
    while start < size and text[start] in " \t\r\n":
        start += 1
    if size - start < 2 or text[start] not in "{[":
        return False
    end = size - 1
    while text[end] in " \t\r\n":
        end -= 1
    return text[end] == ("}" if text[start] == "{" else "]")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("duplicate key")  # the parser would hide all but the last from us
    return out


def parse(text: str) -> Json | None:
    """The value of a JSON text, or None if it is none (or hides a value behind a repeated key)."""
    try:
        value = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def to_text_offsets(text: str, findings: Iterable[Finding], path: Path, key: bool) -> list[Finding]:
    """Findings inside the parsed value as findings in ``text`` itself, the leaf at ``path``."""
    wanted: dict[tuple[Path, bool], list[Finding]] = {}
    for finding in findings:
        wanted.setdefault((finding.path, finding.key), []).append(finding)
    out: list[Finding] = []
    if not wanted:
        return out
    stack: list[str | int] = []
    kinds: list[bool] = []  # True: object
    expects_key = False
    for match in _TOKEN.finditer(text):
        token = match[0]
        first = token[0]
        if first in "{[":
            kinds.append(first == "{")
            stack.append("" if first == "{" else 0)
            expects_key = first == "{"
        elif first in "}]":
            kinds.pop()
            stack.pop()
            expects_key = False
        elif first == ",":
            if kinds[-1]:
                expects_key = True
            else:
                stack[-1] = int(stack[-1]) + 1
        elif first == ":":
            expects_key = False
        else:
            raw = match[1] if first == '"' else token
            begin = match.start() + (first == '"')
            is_key = expects_key
            if is_key:
                stack[-1] = json.loads(token) if "\\" in raw else raw
            here = wanted.get((tuple(stack), is_key))
            if here:
                out += [_moved(f, raw, begin, first == '"', path, key) for f in here]
    return out


def _moved(finding: Finding, raw: str, begin: int, quoted: bool, path: Path, key: bool) -> Finding:
    if not quoted:
        start, end = 0, len(raw)
    elif "\\" not in raw:
        start, end = finding.start, finding.end
    else:
        start, end = _raw_range(raw, finding.start, finding.end)
    return Finding(
        path=path,
        start=begin + start,
        end=begin + end,
        type=finding.type,
        score=finding.score,
        source=finding.source,
        key=key,
    )


def _raw_range(raw: str, start: int, end: int) -> tuple[int, int]:
    """A range of the decoded string as a range of its escaped form."""
    bounds: list[int] = []
    at = 0
    for match in _ESCAPE.finditer(raw):
        bounds.extend(range(at, match.start() + 1))
        at = match.end()
    bounds.extend(range(at, len(raw) + 1))
    stop = bounds[end - 1]
    escape = _ESCAPE.match(raw, stop)
    return bounds[start], escape.end() if escape else stop + 1
