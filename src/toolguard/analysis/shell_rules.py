"""What program rules are made of: a rule yields the evidence of one command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from toolguard._core.risk import Evidence, RiskClass, RiskLevel
from toolguard.analysis.notes import LOW, READ, note
from toolguard.analysis.shell_args import Args
from toolguard.analysis.shell_parse import Command
from toolguard.analysis.words import bag

__all__ = ["Rule", "fixed", "only_looks", "say"]

Rule: TypeAlias = Callable[[Args, Command], Iterator[Evidence]]
_HARMLESS = bag("-n -v -t -q -h -x -w --line-numbers --verbose --no-pager --numeric")


def say(risk_class: RiskClass, level: RiskLevel, text: str) -> Evidence:
    """Evidence about a shell command."""
    return note("args.shell", risk_class, level, text)


def only_looks() -> Evidence:
    """Evidence that a command changes nothing."""
    return say(READ, LOW, "it only looks or prints")


def fixed(risk_class: RiskClass, level: RiskLevel, text: str, *, looks: str = "", bare: bool = False) -> Rule:
    """A rule for programs with one effect. ``looks``: flags or first words with which they only look; ``bare``: so they do without any.

    Such a flag counts only if no other flag is given that could act: ``fdisk -l`` looks, ``mkfs -n`` does not.
    """
    quiet = bag(looks) | {"--help", "--version"}

    def rule(args: Args, _: Command) -> Iterator[Evidence]:
        dashed = {w.text.partition("=")[0] for w in args.words if w.text.startswith("-")}
        first = args.positional[0].text if args.positional else ""
        if (
            (bare and not args.words)
            or (dashed & quiet and dashed <= quiet | _HARMLESS)
            or (first in quiet and dashed <= quiet | _HARMLESS)
        ):
            yield only_looks()
        else:
            yield say(risk_class, level, text)

    return rule
