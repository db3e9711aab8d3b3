"""Names, arguments and types of a policy against the real tools."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from difflib import get_close_matches

from toolguard._core.call import Tool
from toolguard._core.policy import glob_matches
from toolguard.policyfile import Problem, check_against
from toolguard.policyfile.document import At
from toolguard.policyfile.expression_tree import Expr, children, kind_of
from toolguard.policyfile.faults import did_you_mean
from toolguard.policyfile.models import ToolModel
from toolguard.policyfile.reads import EACH, Shape, Steps, static_path
from toolguard.policytools.lint_conditions import syntax
from toolguard.policytools.linted import Linted, Written
from toolguard.policytools.remark import Remark
from toolguard.policytools.schema_paths import argument, argument_names

__all__ = ["check"]

_SHAPES = {"text": frozenset({"string"}), "number": frozenset({"integer", "number"})}
_PATHS = ("prose", "decisive")


def check(linted: Linted) -> Iterator[Remark]:
    if not linted.tools:
        return
    for pattern, model in linted.parts.tools.items():
        yield from _named(linted, ("tools", pattern), [pattern], key=True)
        yield from _arguments(linted, pattern, model)
    for each in linted.rules():
        yield from _named(linted, (*each.at, "match", "tool"), each.rule.match.tool)
        if each.model.match.after is not None:
            yield from _named(linted, (*each.at, "match", "after", "tool"), each.model.match.after.tool or ())
        named = [t for t in linted.tools if any(glob_matches(word, t.name) for word in each.rule.match.tool)]
        if named and not linted.concerned(each.rule):
            message = "no tool it names says of itself what match.annotations asks"
            yield linted.remark("TG206", (*each.at, "match", "annotations"), message)
        yield from _withheld(linted, each)
    yield from _conditions(linted)
    for tool in linted.tools:
        if not any(glob_matches(t.pattern, tool.name) for t in linted.policy.tools):
            word = linted.policy.defaults.unknown_tool.label
            yield linted.remark("TG107", ("tools",), f"tool {tool.name!r} is named nowhere, so it gets {word!r}")


def _conditions(linted: Linted) -> Iterator[Remark]:
    """What conditions read, by name and type; and what CEL's own checker says, shown each tool's schema."""
    typed: dict[str, list[tuple[Tool, Problem]]] = {}
    for tool in linted.tools:
        for problem in check_against(linted.policy, tool):
            typed.setdefault(problem.path, []).append((tool, problem))
    for each in linted.rules():
        if each.condition is None:
            continue
        found = list(_reads(linted, each))
        told = {f.code for f in found}
        yield from found
        for _, problem in typed.get(f"rule {each.rule.id}", ())[:1]:
            code = "TG104" if "has no argument" in problem.message else "TG106"
            if not told & ({"TG104", "TG105"} if code == "TG104" else {"TG104", "TG106"}):
                own = linted.remark(code, (*each.at, "when"), problem.message)
                yield replace(own, line=problem.line, column=problem.column) if problem.file == own.file else own


def _named(linted: Linted, at: At, words: Iterable[str], *, key: bool = False) -> Iterator[Remark]:
    names = [t.name for t in linted.tools]
    for word in words:
        if any(glob_matches(word, name) for name in names):
            continue
        if "*" in word or "?" in word:
            yield linted.remark("TG102", at, f"no tool fits {word!r}", key=key)
        else:
            yield linted.remark("TG101", at, f"no tool is called {word!r}; {did_you_mean(word, names)}", key=key)


def _arguments(linted: Linted, pattern: str, model: ToolModel) -> Iterator[Remark]:
    tools = [t for t in linted.tools if glob_matches(pattern, t.name)]
    at: At = ("tools", pattern)
    for name in model.args:
        yield from _argument(linted, (*at, "args", name), name, tools, key=True)
    for name in model.references:
        yield from _argument(linted, (*at, "references", name), name, tools, key=True)
    for word in _PATHS:
        for name in getattr(model, word) or ():
            yield from _argument(linted, (*at, word), name, tools)
    if model.subject is not None:
        yield from _argument(linted, (*at, "subject"), model.subject, tools)


def _withheld(linted: Linted, each: Written) -> Iterator[Remark]:
    tools = list(linted.concerned(each.rule))
    for name in each.model.args:
        if name != "*":
            yield from _argument(linted, (*each.at, "args", name), name, tools, key=True)


def _argument(linted: Linted, at: At, name: str, tools: list[Tool], *, key: bool = False) -> Iterator[Remark]:
    steps = tuple(EACH if part.isdigit() else part for part in name.split("."))
    if tools and all(argument(tool, steps) is None for tool in tools):
        known = sorted({n for t in tools for n in argument_names(t)})
        who = repr(tools[0].name) if len(tools) == 1 else f"any of {len(tools)} tools"
        yield linted.remark("TG103", at, f"{name!r} is no argument of {who}; {did_you_mean(name, known)}", key=key)


def _reads(linted: Linted, each: Written) -> Iterator[Remark]:
    tools = linted.concerned(each.rule)
    condition = each.condition
    if not tools or condition is None:
        return
    root, _ = syntax(condition)
    at = (*each.at, "when")
    asked = set(_looked_for(root))
    leaves = list(_leaves(condition.program.reads.args, ()))
    others = any(steps and argument(t, steps) is not None for steps, _ in leaves for t in tools)
    for steps, part in leaves:
        if not steps:
            continue
        name = ".".join(steps)
        without = [t for t in tools if argument(t, steps) is None]
        if len(without) == len(tools):
            known = sorted({n for t in tools for n in argument_names(t)})
            if steps in asked and others and not get_close_matches(steps[0], known, n=1, cutoff=0.75):
                continue  # asked for by has(), for other tools than these
            who = repr(tools[0].name) if len(tools) == 1 else f"any of {len(tools)} tools it concerns"
            message = f"reads args.{name}, which is no argument of {who}; {did_you_mean(steps[0], known)}"
            yield linted.remark("TG104", at, message)
            continue
        if part.whole and not any(steps[:n] in asked for n in range(1, len(steps) + 1)):
            lacking = [t.name for t in tools if not getattr(argument(t, steps), "sure", False)]
            if lacking:
                who = repr(lacking[0]) if len(lacking) == 1 else f"{lacking[0]!r} and {len(lacking) - 1} more"
                yield linted.remark("TG105", at, f"reads args.{name} without has(), and a call of {who} may lack it")
        yield from _types(linted, at, name, steps, part, tools)


def _types(linted: Linted, at: At, name: str, steps: Steps, part: Shape, tools: tuple[Tool, ...]) -> Iterator[Remark]:
    wanted = _SHAPES.get(part.expected or "")
    if wanted is None:
        return
    for tool in tools:
        said = argument(tool, steps)
        if said is not None and said.types and not said.types & wanted:
            types = " or ".join(sorted(said.types))
            message = f"takes args.{name} for a {part.expected}, and {tool.name!r} says it is {types}"
            yield linted.remark("TG106", at, message)
            return


def _leaves(shape: Shape, path: Steps) -> Iterator[tuple[Steps, Shape]]:
    if shape.kinds or not shape.parts:
        yield path, shape
    for step, part in shape.parts.items():
        yield from _leaves(part, (*path, step))


def _looked_for(root: Expr) -> Iterator[Steps]:
    """Arguments that has() asks for, anywhere in the condition."""
    stack = [root]
    while stack:
        expr = stack.pop()
        stack.extend(children(expr))
        if kind_of(expr) == "select" and expr.select_expr.test_only:
            base = static_path(expr.select_expr.operand)
            if base is not None:
                yield (*base, expr.select_expr.field)
