"""Plain text. A record is a passage: a short file whole, a long one cut at empty lines."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from toolguard.dataset.chunks import LONGEST
from toolguard.dataset.counts import Counts
from toolguard.dataset.formats.base import BOM, Chunk, Done, Position, opened, packed, renamed, skipped
from toolguard.dataset.masker import Masker
from toolguard.dataset.tokens import WITHHELD
from toolguard.errors import DatasetError, DetectionError

__all__ = ["PASSAGE", "Text"]

PASSAGE = 64 << 10
"""Bytes of the longest passage, unless one line is longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text file; it keeps its encoding and its line breaks."""

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
            waiting = b""
            while True:
                waiting += file.read(PASSAGE - len(waiting))
                if not waiting:
                    return
                if len(waiting) < PASSAGE:
                    cut = len(waiting)
                else:
                    cut = max(waiting.rfind(b"\n\n") + 2, waiting.rfind(b"\n\r\n") + 3)
                    if cut < PASSAGE // 4:
                        cut = waiting.rfind(b"\n") + 1
                if not cut:
                    waiting += file.readline(LONGEST)
                    cut = len(waiting)
                    if cut >= LONGEST:
                        raise DatasetError(f"{str(path)!r}: line {at.line} is longer than {LONGEST} bytes; break it up")
                passage, waiting = waiting[:cut], waiting[cut:]
                after = Position(at.offset + cut, at.line + passage.count(b"\n"))
                yield Chunk(passage, at.line, after)
                at = after

    def work(self, masker: Masker, chunk: Chunk) -> Done:
        masker.renew()
        counts = Counts(records=1)
        try:
            text = chunk.data.decode(self.encoding)
        except UnicodeDecodeError as error:
            if not masker.plan.withhold:
                line = chunk.first + chunk.data.count(b"\n", 0, error.start)
                return Done(data=b"", bad=f"line {line} is not {self.encoding}; name its encoding with --encoding")
            text = None
        try:
            if text is None:
                raise DetectionError("not text")
            record = masker.record(text)
        except DetectionError:
            counts.withheld = 1
            return Done(data=packed(f"{WITHHELD}\n".encode(), self.pack), counts=counts)
        counts.masked = bool(record.findings)
        for finding in record.findings:
            counts.found(finding.type)
        return Done(data=packed(record.value.encode(self.encoding, "replace"), self.pack), counts=counts)

    def finish(self, part: Path, final: Path) -> None:
        renamed(part, final)
