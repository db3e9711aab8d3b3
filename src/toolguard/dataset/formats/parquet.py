"""Parquet: rows by columns. Types survive: a masked date is a date, a number a number, or nothing.

What is masked is collected as Arrow streams, one a chunk, which a killed run can go on after; the Parquet file is made
from them at the end. Needs the ``dataset`` extra.
"""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolguard._core.call import Json
from toolguard._core.mask import Finding, Replace
from toolguard.dataset.counts import Counts
from toolguard.dataset.formats.base import Chunk, Done, Position
from toolguard.dataset.masker import Masker
from toolguard.dataset.plan import Plan
from toolguard.errors import DatasetError, DetectionError, MissingExtraError

__all__ = ["Parquet", "parquet_format"]

_ROWS = 256
_GROUP = 32 << 20
"""Bytes of a row group, about."""
_SCALAR = (str, int, float, bool, type(None))


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError(
            "Parquet files need the 'dataset' extra; install toolguard-middleware[dataset]"
        ) from None
    return pyarrow


@dataclass(frozen=True, slots=True, kw_only=True)
class Parquet:
    """A Parquet file; its schema stays, except that dictionaries are written as plain values."""

    columns: tuple[str, ...]
    schema: bytes = field(repr=False)
    """As Arrow writes it."""

    def head(self, masker: Masker) -> bytes:
        pa = _arrow()
        schema = _plain(pa, pa.ipc.read_schema(pa.py_buffer(self.schema)))
        return _stream(pa, schema.empty_table())

    def chunks(self, path: Path, at: Position) -> Iterator[Chunk]:
        pa = _arrow()
        try:
            with pa.parquet.ParquetFile(path) as file:
                row = 0
                for group in range(file.num_row_groups):
                    rows = file.metadata.row_group(group).num_rows
                    if row + rows <= at.offset:
                        row += rows
                        continue
                    for batch in file.iter_batches(_ROWS, row_groups=[group]):
                        after = row + batch.num_rows
                        if row >= at.offset:
                            yield Chunk(_stream(pa, batch), row + 1, Position(after, after + 1))
                        row = after
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(f"{str(path)!r} cannot be read as Parquet ({type(error).__name__})") from None

    def work(self, masker: Masker, chunk: Chunk) -> Done:
        pa = _arrow()
        masker.renew()
        counts = Counts()
        with pa.ipc.open_stream(chunk.data) as stream:
            batch = stream.read_all().combine_chunks()
        schema = _plain(pa, batch.schema)
        columns = {name: _values(pa, batch.column(n)) for n, name in enumerate(batch.schema.names)}
        said = _said(pa, masker.plan, batch.schema)
        out: dict[str, list[Any]] = {}
        emptied: set[str] = set(_unreadable(pa, masker.plan, batch.schema))
        for name in emptied:
            counts.emptied += sum(v is not None for v in columns[name])
            out[name] = [None] * batch.num_rows
        for row in range(batch.num_rows):
            counts.records += 1
            value = {name: values[row] for name, values in columns.items() if name not in emptied}
            try:
                found, put_for = masker.found(_json(value), schema=said)
            except DetectionError:
                counts.withheld += 1
                for name in value:
                    out.setdefault(name, list(columns[name]))[row] = None
                continue
            found = tuple(f for f in found if not f.key)  # keys are names of columns and of fields
            counts.masked += bool(found)
            by_column: dict[str, list[Finding]] = {}
            for finding in found:
                name = str(finding.path[0])
                counts.found(finding.type, self.columns.index(name))
                by_column.setdefault(name, []).append(finding)
            for name, findings in by_column.items():
                masked = _Typed(findings, put_for, masker, counts).value(value[name], (name,))
                out.setdefault(name, list(columns[name]))[row] = masked
        arrays = []
        for n, written in enumerate(schema):
            changed = out.get(written.name)
            column = batch.column(n)
            arrays.append(column.cast(written.type) if changed is None else _array(pa, changed, written.type, counts))
        return Done(data=_stream(pa, pa.table(arrays, schema=schema)), counts=counts)

    def finish(self, part: Path, final: Path) -> None:
        pa = _arrow()
        made = final.with_name(final.name + ".making")
        held: list[Any] = []
        size = 0
        with pa.OSFile(str(part)) as file:
            end = file.size()
            writer = None
            while file.tell() < end:
                with pa.ipc.open_stream(file) as stream:
                    table = stream.read_all()
                if writer is None:
                    writer = pa.parquet.ParquetWriter(made, table.schema)
                held.append(table)
                size += table.nbytes
                if size >= _GROUP:
                    writer.write_table(pa.concat_tables(held).combine_chunks())
                    held, size = [], 0
            if writer is None:
                raise DatasetError(f"{str(final)!r} cannot be made: nothing was written; run again")
            if held:
                writer.write_table(pa.concat_tables(held).combine_chunks())
            writer.close()
        made.replace(final)
        part.unlink()


def parquet_format(path: Path) -> Parquet:
    """What the schema of ``path`` says.

    Raises:
        MissingExtraError: the ``dataset`` extra is not installed.
        DatasetError: it is no Parquet file.
    """
    pa = _arrow()
    try:
        schema = pa.parquet.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{str(path)!r} cannot be read as Parquet ({type(error).__name__})") from None
    names = tuple(schema.names)
    if len(set(names)) != len(names):
        raise DatasetError(f"{str(path)!r} names a column twice; rename one")
    return Parquet(columns=names, schema=schema.serialize().to_pybytes())


def _stream(pa: Any, data: Any) -> bytes:
    """A batch or table as one Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, data.schema) as writer:
        writer.write(data)
    return bytes(sink.getvalue())


def _plain(pa: Any, schema: Any) -> Any:
    """``schema`` as it is written: no dictionaries, everything may be null, no metadata but what pandas reads."""
    fields = []
    for old in schema:
        type = old.type.value_type if pa.types.is_dictionary(old.type) else old.type
        fields.append(pa.field(old.name, type))
    kept = {k: v for k, v in (schema.metadata or {}).items() if k == b"pandas"}
    return pa.schema(fields, metadata=kept or None)


def _values(pa: Any, column: Any) -> list[Any]:
    """A column as Python values; times are read to the microsecond."""
    type = column.type
    if pa.types.is_timestamp(type) and type.unit == "ns":
        column = column.cast(pa.timestamp("us", type.tz), safe=False)
    values: list[Any] = column.to_pylist()
    return values


def _unreadable(pa: Any, plan: Plan, schema: Any) -> Iterator[str]:
    """Columns of bytes: nobody can look into them, so they are emptied unless they are to be kept."""
    for column in schema:
        if column.name not in plan.keep and _holds_bytes(pa, column.type):
            yield column.name


def _holds_bytes(pa: Any, type: Any) -> bool:
    t = pa.types
    if t.is_binary(type) or t.is_large_binary(type) or t.is_fixed_size_binary(type) or t.is_binary_view(type):
        return True
    if t.is_dictionary(type):
        return _holds_bytes(pa, type.value_type)
    return any(_holds_bytes(pa, type.field(n).type) for n in range(type.num_fields))


def _said(pa: Any, plan: Plan, schema: Any) -> dict[str, Json]:
    """What the plan says of the columns; a column of dates that it says nothing of holds dates."""
    said = plan.schema() or {}
    properties = dict(said.get("properties", {}))
    for column in schema:
        if (pa.types.is_date(column.type) or pa.types.is_timestamp(column.type)) and column.name not in properties:
            properties[column.name] = {"x-phi": "DATE"}
    return {**said, "properties": properties}


def _json(value: Any) -> Json:
    """A row as JSON: what is neither text nor number as its text."""
    if isinstance(value, float) and value.is_integer():
        return int(value)  # pandas makes floats of whole numbers where some are missing
    if isinstance(value, _SCALAR):
        return value
    if isinstance(value, Mapping):
        return {str(k): _json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


def _array(pa: Any, values: list[Any], type: Any, counts: Counts) -> Any:
    """``values`` as a column; what its type cannot hold (a number of as many digits, but too large) becomes None."""
    try:
        return pa.array(values, type)
    except (pa.ArrowInvalid, OverflowError):
        fitting = [value if _fits(pa, value, type) else None for value in values]
        counts.emptied += sum(value is not None for value in values) - sum(value is not None for value in fitting)
        return pa.array(fitting, type)


def _fits(pa: Any, value: Any, type: Any) -> bool:
    try:
        pa.scalar(value, type)
    except (pa.ArrowInvalid, OverflowError):
        return False
    return True


_YEAR = re.compile(r"[0-9]{4}")


class _Typed:
    """Puts replacements into a value and keeps its types; what cannot hold its replacement becomes None."""

    def __init__(self, findings: list[Finding], put_for: Replace, masker: Masker, counts: Counts) -> None:
        self._findings: dict[tuple[str | int, ...], list[Finding]] = {}
        for finding in findings:
            self._findings.setdefault(finding.path, []).append(finding)
        self._put_for = put_for
        self._masker = masker
        self._counts = counts

    def value(self, value: Any, path: tuple[str | int, ...]) -> Any:
        if isinstance(value, Mapping):
            return {k: self.value(v, (*path, str(k))) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.value(item, (*path, n)) for n, item in enumerate(value))  # a map is of pairs
        found = self._findings.get(path)
        return value if not found else self._leaf(value, found)

    def _leaf(self, value: Any, found: list[Finding]) -> Any:
        text = str(_json(value))
        new = text
        for finding in sorted(found, key=lambda f: -f.start):
            clear = text[finding.start : finding.end]
            number = isinstance(value, int | float | decimal.Decimal)
            put = self._masker.number(finding.type, clear) if number else self._put_for(finding, clear)
            new = new[: finding.start] + put + new[finding.end :]
        try:
            return _like(value, new)
        except (ValueError, decimal.InvalidOperation):
            self._counts.emptied += 1
            return None


def _like(value: Any, text: str) -> Any:
    """``text`` as a value of the type of ``value``."""
    if isinstance(value, str):
        return text
    if isinstance(value, datetime.date) and _YEAR.fullmatch(text):
        text += "-01-01"  # what is left of a date of which only the year stays
    if isinstance(value, datetime.datetime):
        return datetime.datetime.fromisoformat(text).replace(tzinfo=value.tzinfo)
    if isinstance(value, datetime.date):
        return datetime.date.fromisoformat(text)
    if isinstance(value, datetime.time):
        return datetime.time.fromisoformat(text)
    if isinstance(value, int):
        return int(text)
    if isinstance(value, float):
        return float(text)
    if isinstance(value, decimal.Decimal):
        return decimal.Decimal(text)
    raise ValueError("nothing that can be replaced")
