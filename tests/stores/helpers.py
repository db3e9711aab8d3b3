"""What the store tests share: a process of its own that commits, and the sums over what it did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SOURCES = os.pathsep.join(p for p in sys.path if p)


def python(code: str, *args: object, **popen: Any) -> subprocess.Popen[str]:
    """Start ``code`` in a new interpreter that can import what this one can."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": SOURCES, "PYTHONDONTWRITEBYTECODE": "1"},
        **popen,
    )


def output(process: subprocess.Popen[str], timeout: float = 60.0) -> list[Any]:
    """The JSON lines a process printed, complete ones only; fails if it complained."""
    out, err = process.communicate(timeout=timeout)
    assert not err, err
    return [json.loads(line) for line in out.splitlines(keepends=True) if line.endswith("\n")]


def files(store: Path) -> bytes:
    """Everything SQLite keeps on disk for a store."""
    return b"".join(p.read_bytes() for p in sorted(store.parent.glob(store.name + "*")))
