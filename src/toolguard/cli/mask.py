"""``toolguard mask``: mask files.

Exit codes: 0 done · 1 done, but something was withheld · 2 wrong usage · 3 unusable input.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from toolguard.config import default_detector
from toolguard.dataset.chunks import Chunk, chunks
from toolguard.dataset.find import Found, find_lines
from toolguard.dataset.pool import Pool, cores
from toolguard.errors import DatasetError, ToolguardError

__all__ = ["app"]

_SMALL = 64 << 10
"""Bytes below which further processes cost more than they bring."""


def app(
    files: Annotated[list[str], typer.Argument(help="Files to mask; - is standard input (with --findings).")],
    findings: Annotated[
        bool,
        typer.Option(
            "--findings",
            help="Read JSON lines, write one answer for each to standard output: masked, and what was found.",
        ),
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.", show_default="all cores")] = cores(),
    on_error: Annotated[
        str, typer.Option("--on-error", help="A line that is no record: 'stop', or 'withhold' it and go on.")
    ] = "stop",
) -> None:
    """Mask text, JSONL, CSV and Parquet files."""
    try:
        if findings:
            withheld = _findings(files, jobs, withhold=on_error == "withhold")
        else:
            raise DatasetError("say --findings")
    except BrokenPipeError:
        # whoever read our output is gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except ToolguardError as error:
        typer.echo(f"toolguard: {error}", err=True)
        raise typer.Exit(3) from None
    raise typer.Exit(1 if withheld else 0)


def _worker(withhold: bool) -> Callable[[Chunk], Found]:
    return find_lines(default_detector(), withhold=withhold)


def _findings(files: list[str], jobs: int, *, withhold: bool) -> int:
    withheld = 0
    for name in files:
        with _opened(name) as file:
            small = name != "-" and os.fstat(file.fileno()).st_size < _SMALL
            with Pool(functools.partial(_worker, withhold), 1 if small else jobs) as pool:
                for found in pool.map(chunks(file)):
                    sys.stdout.buffer.write(found.data)
                    sys.stdout.buffer.flush()
                    withheld += found.withheld
                    if found.bad:
                        raise DatasetError(
                            f"{name!r}: {found.bad}; nothing after it was read (--on-error withhold goes on)"
                        )
    return withheld


def _opened(name: str) -> BinaryIO:
    try:
        return sys.stdin.buffer if name == "-" else Path(name).open("rb")
    except OSError as error:
        raise DatasetError(f"{name!r} cannot be read ({type(error).__name__})") from None
