"""How far a run came: offsets and counts, nothing of the data. It is replaced as a whole, so it is never half written."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolguard.dataset.counts import Counts
from toolguard.dataset.formats.base import Position
from toolguard.errors import DatasetError

__all__ = ["Checkpoint", "Progress"]

_VERSION = 1


@dataclass(slots=True, kw_only=True)
class Progress:
    """One file: where reading goes on, how long the output was then, and whether the file is done."""

    at: Position = field(default_factory=Position)
    written: int = 0
    done: bool = False
    counts: Counts = field(default_factory=Counts)


@dataclass(slots=True, kw_only=True)
class Checkpoint:
    """All files of a run, in order. ``run`` is the keyed digest of its settings and inputs."""

    run: str
    files: list[Progress]

    @staticmethod
    def read(path: Path, run: str, files: int) -> Checkpoint | None:
        """What ``path`` says; None if it is not there.

        Raises:
            DatasetError: it is of another run, or damaged.
        """
        try:
            data = json.loads(path.read_bytes())
            if data["version"] != _VERSION or data["run"] != run or len(data["files"]) != files:
                raise DatasetError(
                    f"checkpoint {str(path)!r} is of a run with other settings, another key or changed inputs; "
                    "repeat that one's command, or begin anew with --restart"
                )
            return Checkpoint(run=run, files=[_progress(item) for item in data["files"]])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise DatasetError(f"checkpoint {str(path)!r} cannot be read; begin anew with --restart") from None

    def write(self, path: Path) -> None:
        """Make ``path`` say this, durably."""
        files = [
            {
                "input": list(item.at),
                "output": item.written,
                "done": item.done,
                "counts": item.counts.data(),
            }
            for item in self.files
        ]
        text = json.dumps({"version": _VERSION, "run": self.run, "files": files})
        new = path.with_name(path.name + ".new")
        with new.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)

    @staticmethod
    def remove(path: Path) -> None:
        for name in (path.with_name(path.name + ".new"), path):
            with contextlib.suppress(FileNotFoundError):
                name.unlink()


def _progress(data: dict[str, Any]) -> Progress:
    offset, line = data["input"]
    return Progress(
        at=Position(int(offset), int(line)),
        written=int(data["output"]),
        done=bool(data["done"]),
        counts=Counts.of(data["counts"]),
    )
