"""JSON lines: a record a line. A line in which nothing is found is written as it was read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from toolguard.dataset.chunks import chunks
from toolguard.dataset.counts import Counts
from toolguard.dataset.formats.base import BOM, Chunk, Done, Position, opened, packed, renamed, skipped
from toolguard.dataset.jsonlines import BadLine, dump, load
from toolguard.dataset.masker import Masker
from toolguard.errors import DetectionError

__all__ = ["JsonLines"]

_WITHHELD = b'{"withheld":true}'


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonLines:
    """A file of JSON lines (also FHIR's bulk export)."""

    encoding: str
    bom: bool
    pack: bool
    columns: tuple[str, ...] = ()

    def head(self, masker: Masker) -> bytes:
        return packed(BOM, self.pack) if self.bom else b""

    def chunks(self, path: Path, at: Position) -> Iterator[Chunk]:
        at = at if at.offset or not self.bom else Position(len(BOM), 1)
        with contextlib.closing(opened(path)) as file:
            skipped(file, at.offset)
            for data, first, end in chunks(file, first=at.line, end=at.offset):
                yield Chunk(data, first, Position(end, first + data.count(b"\n")))

    def work(self, masker: Masker, chunk: Chunk) -> Done:
        masker.renew()
        counts = Counts()
        lines: list[bytes] = chunk.data.split(b"\n")
        for index, line in enumerate(lines):
            if not line.strip():
                continue
            counts.records += 1
            try:
                _, value = load(line, chunk.first + index, self.encoding)
                record = masker.record(value)
            except BadLine as fault:
                if not masker.plan.withhold:
                    return Done(data=b"", bad=str(fault))
                record = None
            except DetectionError:
                record = None
            if record is None:
                counts.withheld += 1
                lines[index] = _WITHHELD
            elif record.findings:
                counts.masked += 1
                for finding in record.findings:
                    counts.found(finding.type)
                tail = b"\r" if line.endswith(b"\r") else b""
                compact = b'": ' not in line
                lines[index] = dump(record.value, compact=compact).encode(self.encoding, "backslashreplace") + tail
        return Done(data=packed(b"\n".join(lines), self.pack), counts=counts)

    def finish(self, part: Path, final: Path) -> None:
        renamed(part, final)
