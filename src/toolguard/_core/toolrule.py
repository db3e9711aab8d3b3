"""What a policy says of a tool, and how several patterns that name one tool unite."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import reduce
from itertools import groupby
from typing import Any

from toolguard._core.call import Annotations, Tool
from toolguard._core.risk import RiskLevel

__all__ = [
    "WORSE",
    "Handling",
    "ToolRule",
    "as_one",
    "glob_matches",
    "identity_fits",
    "may_be",
    "merge",
    "stricter",
    "surely_is",
    "untrusted",
]


class Handling(StrEnum):
    """What happens to identifiers in one argument.

    ``pass``: left as the model wrote them; ``mask``: tokens, never released; ``unmask``: tokens are
    released to the tool; ``default``: released only for the types the tool is trusted for.
    """

    PASS = "pass"  # noqa: S105 - a word of the policy language
    MASK = "mask"
    UNMASK = "unmask"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRule:
    """What the policy says of the tools that ``pattern`` names.

    Trust binds to the tool's identity: where ``source`` or ``digest`` is given, a tool of that name from
    elsewhere, or one that changed what it says it is, is refused. ``said`` names fields that count as said
    although they hold their default (``trusted_for: []`` takes back the trust of a wider pattern).
    """

    pattern: str
    source: str | None = None
    digest: str | None = None
    risk: RiskLevel | None = None
    category: frozenset[str] = frozenset()
    trusted_for: frozenset[str] = frozenset()
    args: Mapping[str, Handling] = field(default_factory=dict)
    prose: frozenset[str] = frozenset()
    decisive: tuple[str, ...] = ()
    results: Handling = Handling.MASK
    trusted_results: bool = False
    subject: str | None = None
    """The argument (dotted path) that names the patient a call concerns; broken glass holds for one patient."""
    patient: tuple[str, ...] = ()
    """Fields of its arguments and structured results (dotted path; lists are walked) that identify patients."""
    content: str | None = None
    """``untrusted`` where its results hold text of strangers, ``trusted`` where they never do; None: see `content.taints`."""
    credentials: frozenset[str] = frozenset()
    """Names of credentials its calls may ask for while they execute."""
    references: Mapping[str, str] = field(default_factory=dict)
    """Arguments (dotted path) that refer to content elsewhere → the reader that knows it."""
    said: frozenset[str] = frozenset()
    line: int = field(default=0, compare=False)

    def says(self, name: str) -> bool:
        """Whether this rule speaks about field ``name``."""
        return name in self.said or (bool(getattr(self, name)) and getattr(self, name) != _UNSAID.get(name))


_UNSAID: Mapping[str, object] = {"results": Handling.MASK}
_SETTINGS = (
    "risk",
    "category",
    "trusted_for",
    "prose",
    "decisive",
    "results",
    "trusted_results",
    "subject",
    "patient",
    "content",
    "credentials",
)


def identity_fits(rule: ToolRule, tool: Tool) -> bool:
    """Whether a tool is the one a rule names. Where it comes from is compared to the letter: no two servers are one
    because their names differ in case alone.
    """
    return (rule.source is None or glob_matches(rule.source, tool.identity.source, exact_case=True)) and (
        rule.digest is None or rule.digest == tool.identity.digest
    )


WORSE: Mapping[str, bool] = {"read_only": False, "destructive": True, "idempotent": False, "open_world": True}
"""Of what a tool may say of itself, the answer that it is believed to give against itself."""


def _believed(annotations: Annotations, name: str) -> bool | None:
    """What a tool says of itself, as far as it is believed; None where nobody knows."""
    said: bool | None = getattr(annotations, name)
    return said if annotations.trusted or said is WORSE[name] else None


def surely_is(annotations: Annotations, name: str, value: bool) -> bool:
    """Whether a tool is so: it says so, and is trusted or says it against itself."""
    return _believed(annotations, name) is value


def may_be(annotations: Annotations, name: str, value: bool) -> bool:
    """Whether nothing that is believed says that a tool is not so."""
    return _believed(annotations, name) in (value, None)


def merge(rules: list[ToolRule], results: Handling) -> ToolRule:
    """Settings of every pattern that names a tool: the more specific pattern wins field by field.

    Of two equally specific patterns the stricter setting wins, so that order never matters.
    """
    merged = ToolRule(pattern="", results=results)
    ordered = sorted(rules, key=_specificity)
    for _, group in groupby(ordered, key=_specificity):
        level = as_one(group)
        changes = {name: getattr(level, name) for name in _SETTINGS if level.says(name)}
        merged = replace(
            merged,
            pattern=level.pattern,
            source=level.source or merged.source,
            digest=level.digest or merged.digest,
            args={**merged.args, **level.args},
            references={**merged.references, **level.references},
            **changes,
        )
    return merged


def as_one(rules: Iterable[ToolRule]) -> ToolRule:
    """What several entries for equally specific patterns say together; of two words on one thing the stricter."""
    return reduce(_stricter_rule, rules)


def untrusted(rule: ToolRule) -> ToolRule:
    """The same without any trust: no real value, no credential, no argument or result in clear, no word believed."""
    return replace(
        rule,
        trusted_for=frozenset(),
        trusted_results=False,
        credentials=frozenset(),
        results=Handling.MASK,
        prose=frozenset(),
        content="untrusted",
        args={name: stricter(handling, Handling.DEFAULT) for name, handling in rule.args.items()},
    )


def _specificity(rule: ToolRule) -> tuple[bool, int]:
    return (not _is_glob(rule.pattern), len(rule.pattern))


def _stricter_rule(one: ToolRule, other: ToolRule) -> ToolRule:
    """Both rules at once, the stricter wherever both speak."""

    def both(name: str, combine: Callable[[Any, Any], Any]) -> Any:
        if one.says(name) and other.says(name):
            return combine(getattr(one, name), getattr(other, name))
        return getattr(one if one.says(name) else other, name)

    args = dict(one.args)
    for name, handling in other.args.items():
        args[name] = stricter(args.get(name, handling), handling)
    return ToolRule(
        pattern=min(one.pattern, other.pattern),
        source=one.source or other.source,
        digest=one.digest or other.digest,
        risk=both("risk", max),
        category=both("category", frozenset.union),
        trusted_for=both("trusted_for", frozenset.intersection),
        args=args,
        prose=both("prose", frozenset.intersection),
        decisive=both("decisive", lambda a, b: tuple(sorted({*a, *b}))),
        results=both("results", stricter),
        trusted_results=both("trusted_results", lambda a, b: a and b),
        subject=both("subject", lambda a, b: a if a == b else None),
        patient=both("patient", lambda a, b: tuple(sorted({*a, *b}))),
        content=both("content", max),
        credentials=both("credentials", frozenset.intersection),
        references=dict(sorted([*one.references.items(), *other.references.items()])),
        said=frozenset(name for name in _SETTINGS if one.says(name) or other.says(name)),
    )


def _is_glob(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def glob_matches(pattern: str, name: str, *, exact_case: bool = False) -> bool:
    """``*`` any run, ``?`` one character, case-insensitive unless ``exact_case``; everything else is literal."""
    compiled = _GLOBS.get((pattern, exact_case))
    if compiled is None:
        text = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
        flags = re.DOTALL if exact_case else re.IGNORECASE | re.DOTALL
        compiled = _GLOBS.setdefault((pattern, exact_case), re.compile(text, flags))
    return compiled.fullmatch(name) is not None


_GLOBS: dict[tuple[str, bool], re.Pattern[str]] = {}


_STRICTER = {Handling.MASK: 3, Handling.DEFAULT: 2, Handling.UNMASK: 1, Handling.PASS: 0}


def stricter(one: Handling, other: Handling) -> Handling:
    return max(one, other, key=_STRICTER.__getitem__)
