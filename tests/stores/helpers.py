"""What the store tests share: a process of its own that commits, and the sums over what it did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from toolguard._core.audit import Draft, Kind

_ENVIRONMENT = {
    "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "toolguard-tests-pycache"),
}


def draft(call: str, kind: Kind = Kind.CALL_DECIDED, **body: Any) -> Draft:
    """A record's draft, for processes that should start fast."""
    return Draft(kind=kind, at=1.5, started=1.0, call=call, trace_id="0a" * 16, span_id="0b" * 8, body=body)


def python(code: str, *args: object, **popen: Any) -> subprocess.Popen[str]:
    """Start ``code`` in a new interpreter that can import what this one can."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | _ENVIRONMENT,
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
