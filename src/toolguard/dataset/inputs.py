"""From a file name to what is known of the file before its records are read."""

from __future__ import annotations

import codecs
import contextlib
from pathlib import Path
from typing import Final

from toolguard.dataset.formats.base import BOM, Format, opened
from toolguard.dataset.formats.csvfile import csv_format
from toolguard.dataset.formats.jsonl import JsonLines
from toolguard.dataset.formats.parquet import parquet_format
from toolguard.dataset.formats.text import Text
from toolguard.errors import DatasetError

__all__ = ["KINDS", "checked_encoding", "format_of"]

KINDS: Final = ("csv", "jsonl", "parquet", "text")
_ENDINGS = {
    ".csv": "csv", ".tsv": "csv", ".tab": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet",
    ".txt": "text", ".text": "text", ".md": "text", ".log": "text", ".hl7": "text",
}  # fmt: skip


def format_of(path: Path, *, kind: str | None = None, encoding: str = "utf-8", delimiter: str | None = None) -> Format:
    """The format of ``path``: as ``kind`` says, else as its name ends (``.gz`` aside).

    Raises:
        DatasetError: the name does not tell, the file cannot be read, or is in an encoding that cannot be cut.
        MissingExtraError: it is Parquet and the ``dataset`` extra is not installed.
    """
    plain = Path(path.name.removesuffix(".gz"))
    kind = kind or _ENDINGS.get(plain.suffix.lower())
    if kind is None:
        raise DatasetError(f"{str(path)!r} does not say by its ending what it holds; say --format {'|'.join(KINDS)}")
    if kind == "parquet":
        return parquet_format(path)
    with contextlib.closing(opened(path)) as file:
        try:
            start = file.read(4)
        except OSError as error:
            raise DatasetError(f"{str(path)!r} cannot be read ({type(error).__name__})") from None
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise DatasetError(f"{str(path)!r} is UTF-16; convert it to UTF-8 first (iconv -f UTF-16 -t UTF-8)")
    bom = start.startswith(BOM)
    encoding = "utf-8" if bom else encoding
    pack = path.name.endswith(".gz")
    if kind == "csv":
        return csv_format(path, encoding=encoding, bom=bom, pack=pack, delimiter=delimiter)
    return (JsonLines if kind == "jsonl" else Text)(encoding=encoding, bom=bom, pack=pack)


def checked_encoding(name: str) -> str:
    """``name`` of UTF-8, or of an encoding with one byte a character that has ASCII in its place.

    Raises:
        DatasetError: it is another one.
    """
    try:
        found = codecs.lookup(name).name
        ascii = bytes(range(128))
        simple = ascii.decode(found).encode("ascii") == ascii and len("é".encode(found)) == 1
    except (LookupError, UnicodeError):
        simple = False
        found = name.lower()
    if not simple and found not in ("utf-8", "utf-8-sig"):
        raise DatasetError(
            f"encoding {name!r} is not supported; use utf-8, latin-1 or cp1252, or convert the file first"
        )
    return "utf-8" if found == "utf-8-sig" else found
