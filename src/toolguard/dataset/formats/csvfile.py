"""CSV and TSV: a record a row, also where a quoted cell holds line breaks. A row in which nothing is found stays as it was."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from toolguard._core.call import Json
from toolguard.dataset.chunks import LONGEST, SIZE
from toolguard.dataset.counts import Counts
from toolguard.dataset.formats.base import BOM, Chunk, Done, Input, Position, opened, packed, renamed, skipped
from toolguard.dataset.jsonlines import BadLine
from toolguard.dataset.masker import Masker
from toolguard.dataset.tokens import WITHHELD
from toolguard.errors import DatasetError, DetectionError

__all__ = ["Csv", "csv_format"]

_CELL = 16 << 20
"""Characters of the longest cell: a quote that never closes would swallow the rest of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Csv:
    """A table with a header. ``names`` are the columns as detection sees them, each once; ``start`` is the first row."""

    encoding: str
    bom: bool
    pack: bool
    delimiter: str
    ending: str
    header: tuple[str, ...]
    names: tuple[str, ...]
    start: Position

    @property
    def columns(self) -> tuple[str, ...]:
        return self.names

    def head(self, masker: Masker) -> bytes:
        row = self._row(self._header(masker)).encode(self.encoding, "replace") if self.header else b""
        return packed((BOM if self.bom else b"") + row, self.pack)

    def _header(self, masker: Masker) -> list[str]:
        """The header without identifiers: where people are columns, their names are."""
        try:
            found, replace = masker.found(dict.fromkeys(self.names))
        except DetectionError:
            return [f"column_{n}" for n in range(1, len(self.header) + 1)]
        cells = list(self.header)
        for finding in sorted((f for f in found if f.key), key=lambda f: -f.start):
            at = self.names.index(str(finding.path[0]))
            text = self.names[at]
            cells[at] = (
                text[: finding.start] + replace(finding, text[finding.start : finding.end]) + text[finding.end :]
            )
        return cells

    def chunks(self, path: Path, at: Position) -> Iterator[Chunk]:
        at = max(at, self.start)
        with contextlib.closing(opened(path)) as file:
            skipped(file, at.offset)
            held: list[bytes] = []
            size = 0
            after = first = at
            try:
                for row in _raw_rows(file, at.line, self.delimiter):
                    held.append(row)
                    size += len(row)
                    after = Position(after.offset + len(row), after.line + row.count(b"\n"))
                    if size >= SIZE:
                        yield Chunk(b"".join(held), first.line, after)
                        held, size, first = [], 0, after
            except BadLine as fault:
                raise DatasetError(f"{str(path)!r}: {fault}") from None
            if held:
                yield Chunk(b"".join(held), first.line, after)

    def work(self, masker: Masker, chunk: Chunk) -> Done:
        masker.renew()
        counts = Counts()
        out: list[bytes] = []
        number = chunk.first
        for raw in _raw_rows(io.BytesIO(chunk.data), chunk.first, self.delimiter):
            if not raw.strip():
                out.append(raw)
            else:
                counts.records += 1
                try:
                    out.append(self._masked(masker, raw, number, counts))
                except BadLine as fault:
                    if not masker.plan.withhold:
                        return Done(data=b"", bad=str(fault))
                    counts.withheld += 1
                    out.append(self._row([WITHHELD] * len(self.header)).encode())
                except DetectionError:
                    counts.withheld += 1
                    out.append(self._row([WITHHELD] * len(self.header)).encode())
            number += raw.count(b"\n")
        return Done(data=packed(b"".join(out), self.pack), counts=counts)

    def _masked(self, masker: Masker, raw: bytes, number: int, counts: Counts) -> bytes:
        cells = _cells(raw, number, self.encoding, self.delimiter)
        names = self.names
        while len(names) < len(cells):
            names += (_unlike(f"column {len(names) + 1}", names),)
        value: Json = {name: cell for name, cell in zip(names, cells, strict=False) if cell}
        record = masker.record(value)
        found = [f for f in record.findings if not f.key]  # names of columns are the header's
        if not found:
            return raw
        counts.masked += 1
        places = {name: n for n, name in enumerate(names)}
        masked = dict(zip(value, record.value.values(), strict=True))
        for finding in found:
            counts.found(finding.type, places[str(finding.path[0])] if len(finding.path) else None)
        text = self._row([masked.get(name, "") for name in names[: len(cells)]])
        return text.encode(self.encoding, "replace")

    def _row(self, cells: Iterable[str]) -> str:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self.delimiter, lineterminator=self.ending).writerow(cells)
        return text.getvalue()

    def finish(self, part: Path, final: Path) -> None:
        renamed(part, final)


def csv_format(path: Path, *, encoding: str, bom: bool, pack: bool, delimiter: str | None) -> Csv:
    """What the header of ``path`` says.

    Raises:
        DatasetError: there is no header.
    """
    with contextlib.closing(opened(path)) as file:
        skipped(file, len(BOM) if bom else 0)
        try:
            raw = next(_raw_rows(file, 1, delimiter or ","), b"")
            if delimiter is None:
                line = raw.decode(encoding, "replace")
                tab = path.name.removesuffix(".gz").endswith((".tsv", ".tab"))
                delimiter = "\t" if tab else max(",;\t|", key=line.count)
            header = _cells(raw, 1, encoding, delimiter)
        except BadLine as fault:
            raise DatasetError(f"{str(path)!r}: {fault}") from None
    if not raw.strip() and path.stat().st_size:
        raise DatasetError(f"{str(path)!r} begins with an empty line where a header is expected; remove it")
    names: dict[str, None] = {}
    for number, name in enumerate(header, 1):
        names[name if name and name not in names else _unlike(f"{name or 'column'} {number}", names)] = None
    offset = len(raw) + (len(BOM) if bom else 0)
    return Csv(
        encoding=encoding,
        bom=bom,
        pack=pack,
        delimiter=delimiter,
        ending="\r\n" if raw.endswith(b"\r\n") else "\n",
        header=tuple(header),
        names=tuple(names),
        start=Position(offset, 1 + raw.count(b"\n")),
    )


def _unlike(name: str, taken: Container[str]) -> str:
    """``name``, or one like it that no column has: two cells under one name, and one would not be looked into."""
    while name in taken:
        name += "'"
    return name


def _raw_rows(file: Input | io.BytesIO, number: int, delimiter: str) -> Iterator[bytes]:
    """The rows of ``file`` as they stand. The csv module says where one ends: quoted cells hold line breaks."""
    while line := file.readline(LONGEST):
        if b'"' not in line:
            if len(line) == LONGEST:
                raise BadLine(f"line {number} is longer than {LONGEST} bytes")
            yield line
            number += 1
            continue
        taken = [line]

        def lines(taken: list[bytes] = taken) -> Iterator[str]:
            # Latin-1 has a character for every byte, and quotes and line breaks where every encoding here has them
            yield taken[0].decode("latin-1")
            size = len(taken[0])
            while size < _CELL and (more := file.readline(LONGEST)):
                taken.append(more)
                size += len(more)
                yield more.decode("latin-1")
            if size >= _CELL:
                raise csv.Error

        csv.field_size_limit(_CELL)
        try:
            next(csv.reader(lines(), delimiter=delimiter))
        except csv.Error:
            raise BadLine(f"line {number} begins a row that cannot be read: its quotes do not close") from None
        yield b"".join(taken)
        number += len(taken)


def _cells(raw: bytes, number: int, encoding: str, delimiter: str) -> list[str]:
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = number + raw.count(b"\n", 0, error.start)
        raise BadLine(f"line {line} is not {encoding}; name its encoding with --encoding") from None
    try:
        return next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error:
        raise BadLine(f"line {number} is no row of a table") from None
