"""Masking: walk a JSON value, resolve findings, and put tokens in their place.

Offsets are Python string indices into the *original* text of one leaf. A leaf is a string, a number or
a key; ``path`` leads to it from the root. Text is never spliced across leaves, so structure survives.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from toolguard._core.call import Json
from toolguard._core.frozen import made_fast
from toolguard._core.vault import RESERVED
from toolguard.errors import DetectionError

__all__ = [
    "Finding",
    "Leaf",
    "Path",
    "apply_findings",
    "checked",
    "leaf_text",
    "leaves",
    "merge_findings",
    "restore_numbers",
    "subtract",
    "whole_leaf",
]

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the root to a leaf; ``()`` is the root itself."""


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One identifier, found in one leaf.

    Attributes:
        path: the leaf. With ``key`` set, the last element of ``path`` is the key that holds the finding.
        start, end: half-open range in the leaf's text (a number's text is its JSON text).
        type: an identifier type such as ``PERSON``, ``MRN``, ``DATE``; upper case, ``[A-Z][A-Z0-9_]*``.
        score: confidence in [0, 1].
        source: the recognizer that found it.
        key: the finding lies in a dictionary key, not in a value.
    """

    path: Path = ()
    start: int
    end: int
    type: str
    score: float = 1.0
    source: str = ""
    key: bool = False


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A scalar of a JSON value as text; ``kind`` is ``str``, ``number`` or ``key``."""

    path: Path = field(repr=False)
    text: str = field(repr=False)
    kind: str


def leaves(value: Json, path: Path = ()) -> Iterator[Leaf]:
    """Every string, number and key of ``value``, depth first. Booleans and null carry no identifier.

    Raises:
        DetectionError: something in it is not JSON, and so might hide anything.
    """
    if isinstance(value, str):
        yield Leaf(path=path, text=value, kind="str")
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int | float):
        yield Leaf(path=path, text=str(value), kind="number")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise _unseen(key)
            here = (*path, key)
            yield Leaf(path=here, text=key, kind="key")
            yield from leaves(item, here)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        raise _unseen(value)


def _unseen(value: object) -> DetectionError:
    return DetectionError(
        f"a {type(value).__name__!r} cannot be looked into for identifiers, so it is withheld; "
        "pass JSON (text, numbers, lists, objects with text as keys)"
    )


def merge_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings that do not overlap: per leaf, overlapping ones unite into one span.

    The union keeps the type and source of its best member (highest score, then longest), so no
    character that any recognizer marked is left in clear.
    """
    ordered = sorted(findings, key=lambda f: (tuple(map(str, f.path)), f.key, f.start, -f.end))
    merged: list[Finding] = []
    for finding in ordered:
        if finding.end <= finding.start:
            continue
        last = merged[-1] if merged else None
        if last and last.path == finding.path and last.key == finding.key and finding.start < last.end:
            best = max(last, finding, key=lambda f: (f.score, f.end - f.start))
            merged[-1] = Finding(
                path=last.path,
                start=last.start,
                end=max(last.end, finding.end),
                type=best.type,
                score=best.score,
                source=best.source,
                key=last.key,
            )
        else:
            merged.append(finding)
    return tuple(merged)


def checked(value: Json, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """``findings`` as a detector may give them: each inside its leaf, of a type that a token can carry, none overlapping.

    Raises:
        DetectionError: one of them is anything else; what a confused detector says is not half believed.
    """
    found: tuple[object, ...] = tuple(findings)
    good: list[Finding] = []
    reached: dict[tuple[Path, bool], int] = {}
    apart = True
    for finding in found:
        # what stands for token-shaped text goes to every tool, and what numbers surrogates is no value: no identifier may
        if not isinstance(finding, Finding) or not _TYPE.fullmatch(finding.type) or finding.type in RESERVED:
            raise _wrong("something that is no finding, or of a type no token can carry")
        text = _leaf(value, finding)
        whole = type(finding.start) is int and type(finding.end) is int
        if text is None or not whole or not 0 <= finding.start < finding.end <= len(text):
            raise _wrong("a finding outside the text it was given")
        place = (finding.path, finding.key)
        apart = apart and finding.start >= reached.get(place, 0)
        reached[place] = finding.end
        good.append(finding)
    return tuple(good) if apart else merge_findings(good)


_TYPE = re.compile(r"(?=.{1,64}\Z)[A-Z][A-Z0-9]*(?:_[A-Z][A-Z0-9]*){0,4}")


def _wrong(what: str) -> DetectionError:
    return DetectionError(f"the detector gave {what}, so nothing passes; mend or replace the detector")


def _leaf(value: Json, finding: Finding) -> str | None:
    """The text a finding lies in, or None where it points at no leaf."""
    path = finding.path
    for step in path[:-1] if finding.key else path:
        there = (isinstance(value, Mapping) and isinstance(step, str) and step in value) or (
            isinstance(value, list | tuple) and type(step) is int and 0 <= step < len(value)
        )
        if not there:
            return None
        value = value[step]
    if finding.key:
        return path[-1] if path and isinstance(value, Mapping) and path[-1] in value else None  # type: ignore[return-value] # keys are text
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def subtract(findings: Iterable[Finding], taken: Iterable[Finding]) -> tuple[Finding, ...]:
    """The parts of ``findings`` that no span of ``taken`` covers (tokens stay tokens)."""
    blocks: dict[tuple[Path, bool], list[Finding]] = {}
    for block in taken:
        blocks.setdefault((block.path, block.key), []).append(block)
    if not blocks:
        return tuple(findings)
    left: list[Finding] = []
    for finding in findings:
        at = finding.start
        for block in sorted(blocks.get((finding.path, finding.key), ()), key=lambda b: b.start):
            if block.end <= at or block.start >= finding.end:
                continue
            if block.start > at:
                left.append(_cut(finding, at, block.start))
            at = max(at, block.end)
        if at < finding.end:
            left.append(_cut(finding, at, finding.end))
    return tuple(left)


def _cut(finding: Finding, start: int, end: int) -> Finding:
    return finding if (start, end) == (finding.start, finding.end) else replace(finding, start=start, end=end)


def leaf_text(value: Json, finding: Finding) -> str:
    """The clear text a finding covers in ``value``."""
    return whole_leaf(value, finding)[finding.start : finding.end]


def whole_leaf(value: Json, finding: Finding) -> str:
    """The text of the leaf a finding lies in."""
    if finding.key:
        return str(finding.path[-1])
    for step in finding.path:
        value = value[step]
    return value if isinstance(value, str) else str(value)


def restore_numbers(data: Json, original: Json) -> Json:
    """Where ``data`` holds the text of a number that ``original`` holds at the same place, the number itself."""
    if isinstance(data, dict) and isinstance(original, Mapping):
        return {k: restore_numbers(v, original[k]) if k in original else v for k, v in data.items()}
    if isinstance(data, list) and isinstance(original, list | tuple) and len(data) == len(original):
        return [restore_numbers(a, b) for a, b in zip(data, original, strict=True)]
    if isinstance(data, str) and isinstance(original, int | float) and data == str(original):
        return original
    return data


Replace: TypeAlias = Callable[[Finding, str], Json]
"""Given a finding and the clear text it covers, the text to put there; or any scalar in place of a whole value."""


def apply_findings(value: Json, findings: Iterable[Finding], put: Replace) -> Json:
    """A copy of ``value`` with every finding replaced. ``findings`` must not overlap (`merge_findings`).

    A number with a finding becomes the replacement as a string. Two keys that would become equal stay
    apart: the later one gets ``~2``, ``~3``, … appended, so that nothing is lost.
    """
    by_leaf: dict[tuple[Path, bool], list[Finding]] = {}
    for finding in findings:
        by_leaf.setdefault((finding.path, finding.key), []).append(finding)
    if not by_leaf:
        return value
    return _rewrite(value, (), by_leaf, put)


def _rewrite(value: Json, path: Path, by_leaf: Mapping[tuple[Path, bool], list[Finding]], put: Replace) -> Json:
    if isinstance(value, Mapping):
        out: dict[str, Json] = {}
        for key, item in value.items():
            here = (*path, key)
            spans = by_leaf.get((here, True))
            name = _splice(key, spans, put) if spans else key
            base, count = name, 1
            while name in out:
                count += 1
                name = f"{base}~{count}"
            out[name] = _rewrite(item, here, by_leaf, put)
        return out
    if isinstance(value, list | tuple):
        return [_rewrite(item, (*path, i), by_leaf, put) for i, item in enumerate(value)]
    spans = by_leaf.get((path, False))
    if not spans:
        return value
    text = value if isinstance(value, str) else str(value)
    if len(spans) == 1 and (spans[0].start, spans[0].end) == (0, len(text)):
        return put(spans[0], text)
    return _splice(text, spans, put)


def _splice(text: str, spans: Iterable[Finding], put: Replace) -> str:
    parts: list[str] = []
    at = 0
    bare = _outside_strings(text)
    for finding in sorted(spans, key=lambda f: f.start):
        old = text[finding.start : finding.end]
        new = str(put(finding, old))
        if bare is not None and _NUMBER.fullmatch(old) and not _NUMBER.fullmatch(new) and bare(finding.start):
            new = json.dumps(new, ensure_ascii=False)  # a number of JSON in a text: what takes its place is JSON too
        parts += [text[at : finding.start], new]
        at = finding.end
    return "".join([*parts, text[at:]])


_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)


def _outside_strings(text: str) -> Callable[[int], bool] | None:
    """Whether a place in a JSON text lies outside its strings; None for a text that cannot be JSON."""
    head, tail = text[:64].lstrip()[:1], text[-64:].rstrip()[-1:]
    if (head, tail) not in (("{", "}"), ("[", "]")):
        return None
    ends = [match.span() for match in _STRING.finditer(text)]
    starts = [start for start, _ in ends]

    def outside(place: int) -> bool:
        index = bisect_right(starts, place) - 1
        return index < 0 or place >= ends[index][1]

    return outside
