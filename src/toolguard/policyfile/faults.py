"""Faults in a policy file: what is wrong, where, why, and how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from toolguard.errors import PolicyError

__all__ = ["Problem", "did_you_mean", "near", "refuse"]

_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One fault in a policy file.

    Attributes:
        file: the file's name as it was given.
        line, column: where it stands, both counted from 1; column in characters.
        path: the place in the document, such as ``rules[2].when``; empty for the document itself.
        message: what is wrong, why, and how to mend it.
    """

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}:{self.column}: {where}{self.message}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion (``did you mean 'x'``) if ``word`` is close to a known one, else the list of known ones."""
    options = sorted(known)
    close = difflib.get_close_matches(word, options, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}"
    return f"known here: {', '.join(options)}" if options else "nothing is known here"


def near(word: str, known: Iterable[str]) -> bool:
    """Whether ``word`` looks like a misspelt known one."""
    return bool(difflib.get_close_matches(word, list(known), n=1, cutoff=0.75))


def refuse(file: str, problems: Iterable[Problem]) -> PolicyError:
    """The one error that carries every fault of a file, in the order of the file."""
    found = tuple(sorted(set(problems)))
    shown = [str(p) for p in found[:_SHOWN]]
    if len(found) > _SHOWN:
        shown.append(f"and {len(found) - _SHOWN} more")
    count = "1 fault" if len(found) == 1 else f"{len(found)} faults"
    head = f"policy {file!r} has {count} and was not loaded; mend what follows and load it again"
    return PolicyError("\n  ".join([head, *shown]), problems=found)
