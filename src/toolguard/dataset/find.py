"""One JSON line in, one out: masked, with what was found and where.

    {"id": …, "text": "…"}   →  {"id": …, "text": "masked", "findings": [{"start", "end", "type", "score"}]}
    {"id": …, "data": …}     →  {"id": …, "data": masked, "findings": [{"path", "start", "end", "type", "score"}]}

Offsets are Python string indices into the original text of the leaf; ``path`` is its JSON pointer (RFC 6901), and a
finding in a key has ``"key": true`` and the pointer of the member. A number's text is the shortest that
means it (``1.50`` is ``1.5``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from toolguard._core.call import Json
from toolguard._core.mask import Finding, apply_findings
from toolguard.dataset.chunks import Chunk
from toolguard.dataset.jsonlines import BadLine, dump, load
from toolguard.dataset.tokens import WITHHELD, Tokens
from toolguard.errors import DetectionError
from toolguard.ports import Detector, Origin

__all__ = ["Found", "find_lines"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The answers to one chunk, and how many records were withheld; ``bad`` is the first line that is no record, if any,
    and then ``data`` ends before it.
    """

    data: bytes
    withheld: int = 0
    bad: str | None = None


def find_lines(detector: Detector, *, withhold: bool) -> Callable[[Chunk], Found]:
    """What answers chunks of JSON lines. Every record is looked into by itself: no order matters.

    Args:
        withhold: a line that is no record gets an answer of nulls instead of ending the run.
    """

    def work(chunk: Chunk) -> Found:
        out: list[str] = []
        withheld = 0
        for number, line in enumerate(chunk.data.split(b"\n"), chunk.first):
            if not line.strip():
                continue
            try:
                answer, hidden = _answer(detector, load(line, number))
            except BadLine as fault:
                if not withhold:
                    return Found(data="".join(out).encode(), withheld=withheld, bad=str(fault))
                answer, hidden = {"id": None, "text": WITHHELD, "findings": []}, True
            withheld += hidden
            out.append(dump(answer) + "\n")
        return Found(data="".join(out).encode(), withheld=withheld)

    return work


def _answer(detector: Detector, line: tuple[int, Json]) -> tuple[dict[str, Json], bool]:
    number, record = line
    if not isinstance(record, dict) or not ("text" in record or "data" in record):
        raise BadLine(f"line {number} is no object with 'text' or 'data'")
    answer: dict[str, Json] = {"id": record.get("id")}
    findings: list[Json] = []
    withheld = False
    for name in ("text", "data"):
        if name not in record:
            continue
        value = record[name]
        if name == "text" and not isinstance(value, str):
            raise BadLine(f"line {number} has a 'text' that is no string; put other values under 'data'")
        try:
            found = detector.session().inspect(value, origin=Origin.RESULT)
            answer[name] = apply_findings(value, found, Tokens(value))
            findings += [_shown(f, name) for f in found]
        except DetectionError:
            withheld = True
            answer[name] = WITHHELD if name == "text" else None
            findings += [_shown(f, name) for f in _everything(value)]
    answer["findings"] = findings
    return answer, withheld


def _shown(finding: Finding, name: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"path": pointer(finding.path)} if name == "data" else {}
    if finding.key:
        shown["key"] = True
    return shown | {
        "start": finding.start,
        "end": finding.end,
        "type": finding.type,
        "score": round(finding.score, 3),
    }


def pointer(path: tuple[str | int, ...]) -> str:
    """A path as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _everything(value: Json) -> Iterator[Finding]:
    """Every leaf as one finding, without recursion: also of what was too deep to look into."""
    stack: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, dict):
            for key, member in item.items():
                stack.append(((*path, key), member))
                yield Finding(path=(*path, key), start=0, end=len(key), type="WITHHELD", source="withheld", key=True)
        elif isinstance(item, list):
            stack += [((*path, index), member) for index, member in enumerate(item)]
        elif isinstance(item, str | int | float) and not isinstance(item, bool):
            yield Finding(path=path, start=0, end=len(str(item)), type="WITHHELD", source="withheld")
