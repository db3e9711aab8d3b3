"""A policy against a real tool: every condition type-checked once more, with the arguments the tool's schema gives it.

When a policy is loaded nobody knows the tools yet, so an argument may be anything. Where the two meet (a guard takes up a
tool, or ``toolguard policy lint`` is shown one) the schema becomes a protobuf message, and CEL's own checker finds the
misspelt field three levels down and the number that is compared with text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings

from toolguard._core.call import Tool
from toolguard._core.policy import Policy, Rule, ToolRule, glob_matches
from toolguard.policyfile import expression_tree as tree
from toolguard.policyfile.cel import VARIABLES, CelCondition
from toolguard.policyfile.faults import Problem, did_you_mean, near
from toolguard.policyfile.messages import PACKAGE, Messages

__all__ = ["check_against"]

_T = cel.Type
_NUMBERS = frozenset({"int", "uint", "double"})
_FAULT = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNDEFINED = re.compile(r"undefined field '([^']*)' not found in struct '([^']*)'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']*)' applied to '\((.*)\)'")


def check_against(policy: Policy, tool: Tool) -> tuple[Problem, ...]:
    """What of ``policy`` cannot be meant for ``tool``: arguments it does not have, and types its schema rules out.

    Conditions that such a fault stands in still fail closed when a call is judged; the faults say so beforehand.
    A tool without a schema has no faults.
    """
    if not tool.schema.get("properties"):
        return ()
    found = [p for rule in policy.tools if glob_matches(rule.pattern, tool.name) for p in _settings(rule, tool, policy)]
    rules = [r for r in policy.rules if r.concerns(tool)]
    for rule in rules:
        found += _names(rule.args, tool, _place(rule), exact=_exact(rule, tool))
    conditions = [(r, r.when) for r in rules if isinstance(r.when, CelCondition) and "args" in r.when.source]
    if conditions:
        checker = _Checker(tool, conditions[0][1].engine)
        for rule, condition in conditions:
            found += checker.faults(rule, condition, tool)
    return tuple(sorted(set(found)))


def _exact(rule: Rule, tool: Tool) -> bool:
    """Whether a rule is about this tool and no other."""
    return len(rule.match.tool) == 1 and rule.match.tool[0].casefold() == tool.name.casefold()


def _place(rule: Rule) -> Problem:
    return Problem(file="", line=rule.line, column=1, path=f"rule {rule.id}", message="")


def _settings(rule: ToolRule, tool: Tool, policy: Policy) -> Iterator[Problem]:
    exact = rule.pattern.casefold() == tool.name.casefold()
    place = Problem(file="", line=rule.line, column=1, path=f"tools.{rule.pattern}", message="")
    named = {*rule.args, *rule.prose, *rule.decisive, *rule.references, *([rule.subject] if rule.subject else ())}
    yield from _names(dict.fromkeys(sorted(named)), tool, place, exact=exact)


def _names(named: Mapping[str, object], tool: Tool, place: Problem, *, exact: bool) -> Iterator[Problem]:
    """Arguments that are named and not there; where a pattern names many tools, only what looks misspelt."""
    properties = tool.schema.get("properties")
    if not isinstance(properties, Mapping) or tool.schema.get("additionalProperties"):
        return
    for name in named:
        first = name.partition(".")[0]
        if name == "*" or first in properties or not (exact or near(first, properties)):
            continue
        message = f"{first!r} is no argument of {tool.name!r}; {did_you_mean(first, properties)}"
        yield Problem(file=place.file, line=place.line, column=place.column, path=place.path, message=message)


class _Checker:
    """CEL's checker with ``args`` typed as one tool's arguments. What it compiles is never evaluated."""

    def __init__(self, tool: Tool, engine: Any) -> None:
        self._messages = Messages(tool.schema)
        self._env = cel.NewEnv(
            descriptor_pool=self._messages.pool,
            variables={**VARIABLES, "args": _T(self._messages.root)},
            extensions=[ext_strings.ExtStrings(), cel.CelExtension("toolguard", engine.declarations(anything=True))],
        )

    def faults(self, rule: Rule, condition: CelCondition, tool: Tool) -> Iterator[Problem]:
        try:
            self._env.compile(condition.source)
        except RuntimeError as failure:
            text = str(failure)
        else:
            return
        root = tree.load(condition.program.expression.serialize())[0]
        asked = frozenset(_asked(root))
        elsewhere = not _exact(rule, tool)
        guarded = elsewhere and "tool" in condition.program.reads.names
        for line, column, said in _FAULT.findall(text):
            message = self._message(said, tool, asked if elsewhere else frozenset(), guarded)
            if message is not None:
                at = condition.position(int(line), int(column))
                yield Problem(file=condition.file, line=at[0], column=at[1], path=f"rule {rule.id}", message=message)

    def _message(self, said: str, tool: Tool, asked: frozenset[str], guarded: bool) -> str | None:
        undefined = _UNDEFINED.search(said)
        if undefined:
            name, known = undefined[1], self._messages.fields(undefined[2])
            if (guarded or name in asked) and not near(name, known):
                return None  # for other tools than this
            return f"{tool.name!r} has no argument {name!r} there; {did_you_mean(name, known)}"
        overload = _OVERLOAD.search(said)
        if overload is None or PACKAGE in overload[2] or _can_be_meant(overload[2]):
            return None
        return f"{tool.name!r} gives it {overload[2]} here, which {_word(overload[1])} does not take"


def _can_be_meant(types: str) -> bool:
    """Whether the view of the arguments makes it right: numbers of different kinds, and what may be null."""
    kinds = {t.strip() for t in re.sub(r"\([^()]*\)", "", types).split(",")}
    return kinds <= _NUMBERS or "null_type" in kinds or "dyn" in kinds


def _word(function: str) -> str:
    return f"operator {function.strip('_@').replace('_', ' ')}" if function[0] in "_@" else f"{function}()"


def _asked(root: tree.Expr) -> Iterator[str]:
    """Fields that has() asks for, anywhere in the condition."""
    stack = [root]
    while stack:
        expr = stack.pop()
        stack.extend(tree.children(expr))
        if tree.kind_of(expr) == "select" and expr.select_expr.test_only:
            yield expr.select_expr.field
