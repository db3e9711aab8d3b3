"""What a look at an installation finds: how bad it is, what is wrong, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

__all__ = ["Finding", "Level", "fault", "fine", "warning", "worst"]


class Level(IntEnum):
    """How bad it is; ordered."""

    OK = 0
    WARNING = 1
    FAULT = 2

    @property
    def label(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        code: its name for programs, ``AREA.WORD``; the same as long as the thing is the same.
        said: what is so, in one sentence without a full stop. Never a secret, a token or a value of a call.
        mend: what to do about it, where possible a command to paste; empty where nothing is wrong.
    """

    code: str
    level: Level
    said: str
    mend: str = ""

    @property
    def area(self) -> str:
        return self.code.partition(".")[0]


def fine(code: str, said: str) -> Finding:
    return Finding(code=code, level=Level.OK, said=said)


def warning(code: str, said: str, mend: str) -> Finding:
    return Finding(code=code, level=Level.WARNING, said=said, mend=mend)


def fault(code: str, said: str, mend: str) -> Finding:
    return Finding(code=code, level=Level.FAULT, said=said, mend=mend)


def worst(found: Iterable[Finding]) -> Level:
    """The worst of them; `Level.OK` where there is none."""
    return max((f.level for f in found), default=Level.OK)
