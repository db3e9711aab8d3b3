"""Conditions in CEL (https://cel.dev) through ``cel-expr-python``, behind three methods: check, compile, eval.

What to know of the binding: an error is a *value*, so anything but BOOL is a failure; a parameter declared
DYN never matches at run time, so parameters are declared MAP, LIST or STRING; text of errors prints raw
values, so only codes of ours leave this module.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings

from toolguard._core.condition import ConditionError, Facts
from toolguard._core.window import DAYS
from toolguard.policyfile import expression_tree as tree
from toolguard.policyfile.cel_functions import (
    ABOUT_ARGS,
    ANALYSES,
    Analysis,
    about_args,
    analysis,
    asked,
    cidr_contains,
    current,
    host_in,
    is_network,
    says,
)
from toolguard.policyfile.faults import did_you_mean
from toolguard.policyfile.reads import Reads, reads_of
from toolguard.policyfile.shortcut import CertainlyFalse, certainly_false
from toolguard.policyfile.views import fold_all, plain_view

__all__ = ["MAX_EXPRESSION", "CelCondition", "CelEngine", "Engine", "Fault", "Program"]

MAX_EXPRESSION = 4_000

_T = cel.Type
_MAP = _T.Map(_T.STRING, _T.DYN)
_STRINGS = _T.List(_T.STRING)
VARIABLES: Mapping[str, Any] = {
    "args": _MAP,
    "caller": _MAP,
    "session": _MAP,
    "risk": _MAP,
    "tool": _T.STRING,
    "hour": _T.INT,
    "minute": _T.INT,
    "weekday": _T.STRING,
    "now": _T.TIMESTAMP,
    "env": _T.STRING,
}
FIELDS: Mapping[str, frozenset[str]] = {
    "caller": frozenset({"subject", "issuer", "tenant", "agent", "roles", "assurance", "verified"}),
    "risk": frozenset({"class", "classes", "level", "rank", "evidence"}),
    "session": frozenset({"id", "run", "calls", "taints"}),
}
"""Fields of the variables whose fields are fixed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with an expression; ``offset`` counts characters from its start."""

    offset: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A compiled expression.

    Attributes:
        reads: what it reads of the arguments and the other variables.
        asks: what it asks about the arguments, such as ``reveals(args.note)``.
        never: a cheap test for calls it certainly does not hold for.
    """

    source: str
    expression: Any
    reads: Reads
    asks: tuple[str, ...] = ()
    never: CertainlyFalse | None = None


class Engine(Protocol):
    """An expression engine, in three methods."""

    def check(self, source: str) -> tuple[Fault, ...]:
        """Every fault of ``source``; none if it compiles to a yes-or-no expression."""
        ...

    def compile(self, source: str) -> Program:
        """The program of a ``source`` that has no fault. Raises ValueError if it has one."""
        ...

    def eval(self, program: Program, variables: Mapping[str, object], facts: Facts) -> bool:
        """The answer. Raises ConditionError on anything but a clean yes or no."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CelCondition:
    """A compiled condition of one rule.

    ``restricts`` says which way doubt goes: the condition of a restricting rule holds if any view of the
    arguments makes it hold, that of an allowing rule only if every view does. ``file``, ``line`` and ``column`` are
    where it begins.
    """

    engine: CelEngine
    program: Program
    restricts: bool = True
    file: str = ""
    line: int = 0
    column: int = 0

    @property
    def source(self) -> str:
        return self.program.source

    @property
    def reads(self) -> tuple[str, ...]:
        """What it looks at: dotted paths of arguments, and questions such as ``reveals(args.note)``."""
        return (*self.program.reads.paths(), *self.program.asks)

    def position(self, line: int, column: int) -> tuple[int, int]:
        """Where in its file a place of ``source`` (from 1) stands."""
        return self.line + line - 1, self.column + column - 1 if line == 1 else column

    def holds(self, facts: Facts) -> bool:
        """Whether it holds for ``facts``. Raises ConditionError on anything but a clean yes or no."""
        program = self.program
        if program.never is not None and program.never(facts):
            return False
        names = program.reads.names
        variables = {name: _VALUES[name](facts) for name in names if name in _VALUES}
        if "args" not in names:
            return self.engine.eval(program, variables, facts)
        view = plain_view(facts.data, program.reads.args)
        variables["args"] = view.data
        folded, differs = fold_all(view.data)
        failure: ConditionError | None = ConditionError("wrong_type") if view.misfit else None
        answers: list[bool] = []
        for data in (view.data, folded) if differs else (view.data,):
            variables["args"] = data
            try:
                answers.append(self.engine.eval(program, variables, facts))
            except ConditionError as error:
                failure = failure or error
        if self.restricts and any(answers):
            return True
        if failure is not None:
            raise failure
        return all(answers)


_VALUES: Mapping[str, Callable[[Facts], object]] = {
    "tool": lambda f: f.tool.name,
    "hour": lambda f: f.hour,
    "minute": lambda f: f.minute,
    "weekday": lambda f: DAYS[f.weekday],
    "now": lambda f: datetime.fromtimestamp(f.now, UTC),
    "env": lambda f: f.environment,
    "session": lambda f: dict(f.session),
    "risk": lambda f: {
        "class": f.risk.risk_class.value,
        "classes": sorted(f.risk.classes),
        "level": f.risk.level.label,
        "rank": int(f.risk.level),
        "evidence": [
            {"source": e.source, "class": e.risk_class.value, "level": e.level.label, "rank": int(e.level)}
            for e in f.risk.evidence
        ],
    },
    "caller": lambda f: {
        "subject": f.caller.person.subject,
        "issuer": f.caller.person.issuer,
        "tenant": f.caller.tenant,
        "agent": f.caller.agent,
        "roles": sorted(f.caller.roles),
        "assurance": f.caller.assurance.value,
        "verified": f.caller.assurance.value == "verified",
    },
}


class CelEngine:
    """CEL with the variables and functions of the policy language. Thread-safe.

    Args:
        functions: analyses by name (``sql``, ``shell``, ``url``, ``fhir``): text in, facts out.
    """

    def __init__(self, functions: Mapping[str, Analysis] | None = None) -> None:
        self.functions = dict(functions or {})
        self._recent: tuple[str, tuple[Fault, ...], bytes] | None = None
        self._env = cel.NewEnv(
            variables=dict(VARIABLES),
            extensions=[ext_strings.ExtStrings(), cel.CelExtension("toolguard", self.declarations())],
        )

    def declarations(self, *, anything: bool = False) -> list[Any]:
        """Every function of the language. With ``anything`` those about ``args`` take what they are given, which is
        good for checking and not for evaluating.
        """
        declared = [
            _function("host_in", _T.BOOL, ([_T.STRING, _STRINGS], host_in), ([_STRINGS, _STRINGS], host_in)),
            _function(
                "cidr_contains",
                _T.BOOL,
                ([_T.STRING, _T.STRING], cidr_contains),
                ([_STRINGS, _T.STRING], cidr_contains),
                ([_T.STRING, _STRINGS], cidr_contains),
                ([_STRINGS, _STRINGS], cidr_contains),
            ),
            _function("lower", _T.STRING, ([_T.STRING], str.casefold)),
            _function("says", _T.BOOL, ([_T.STRING], says)),
        ]
        for name, (_, count) in ABOUT_ARGS.items():
            result = _T.STRING if name == "origin" else _T.BOOL if count == 2 else _STRINGS
            rest = [_T.STRING] * (count - 1)
            if anything:
                declared.append(_function(name, result, ([_T.DYN, *rest], _never)))
                continue
            declared.append(
                _function(
                    name,
                    result,
                    ([_MAP, *rest], _never),
                    ([_T.LIST, *rest], _never),
                    ([_T.STRING, *rest], asked(name)),
                )
            )
        for name, analyse in sorted(self.functions.items()):
            declared.append(_function(name, _MAP, ([_T.STRING], analysis(name, analyse))))
        return declared

    def check(self, source: str) -> tuple[Fault, ...]:
        return self._checked(source)[0]

    def _checked(self, source: str) -> tuple[tuple[Fault, ...], bytes]:
        """The faults of ``source``, and what it compiles to if it has none. The last one is kept for `compile`."""
        recent = self._recent
        if recent is None or recent[0] != source:
            recent = self._recent = (source, *self._compiled(source))
        return recent[1], recent[2]

    def _compiled(self, source: str) -> tuple[tuple[Fault, ...], bytes]:
        if len(source) > MAX_EXPRESSION:
            return (Fault(offset=0, message=f"longer than {MAX_EXPRESSION} characters; split the rule in two"),), b""
        try:
            expression = self._env.compile(source)
        except RuntimeError as failure:
            return tuple(self._compile_faults(source, str(failure))), b""
        kind = expression.return_type()
        if kind != _T.BOOL:
            hint = "compare it with something, such as '== true'" if kind == _T.DYN else "compare it with something"
            told = f"gives {_type_word(kind)}, but a condition must give yes or no; {hint}"
            return (Fault(offset=0, message=told),), b""
        serialized = expression.serialize()
        root, _, offsets = tree.load(serialized)
        return tuple(self._tree_faults(root, offsets)), serialized

    def compile(self, source: str) -> Program:
        faults, serialized = self._checked(source)
        if faults:
            raise ValueError(faults[0].message)
        root, checked, _ = tree.load(serialized)
        asks = sorted(set(_put_paths(root)))
        expression = self._env.deserialize(tree.dump(checked))
        return Program(
            source=source, expression=expression, reads=reads_of(root), asks=tuple(asks), never=certainly_false(root)
        )

    def eval(self, program: Program, variables: Mapping[str, object], facts: Facts) -> bool:
        current.facts = facts
        try:
            answer = program.expression.eval(data=variables)
            if answer.type() == _T.BOOL:
                return bool(answer.value())
            code = _code(str(answer.value())) if answer.type() == _T.ERROR else "not_a_boolean"
        except Exception:  # noqa: BLE001 - whatever the engine raises prints values: only a code may leave
            code = "evaluation"
        finally:
            current.facts = None
        raise ConditionError(code)

    def _compile_faults(self, source: str, text: str) -> list[Fault]:
        found = [
            Fault(offset=_offset(source, int(m[1]), int(m[2])), message=self._explain(m[3].strip()))
            for m in re.finditer(r"ERROR: <input>:(\d+):(\d+): (.*)", text)
        ]
        clear = [f for f in found if "*error*" not in f.message]
        return clear or [Fault(offset=0, message="cannot be parsed; look for unbalanced brackets and quotes")]

    def _explain(self, text: str) -> str:
        text = re.sub(r" \(in container ''\)| \[INVALID_ARGUMENT\]$", "", text)
        missing = re.fullmatch(r"undeclared reference to '([^']*)'", text)
        if missing:
            name = missing[1].split(".")[0]
            if name in ANALYSES:
                return (
                    f"{name}() is not available: the loader was given no analysis of that name; "
                    f"pass functions={{{name!r}: ...}}, for instance toolguard.analysis.{name}_facts"
                )
            known = [*VARIABLES, *ABOUT_ARGS, *self.functions, *_KNOWN]
            return f"nothing is called {name!r} here; {did_you_mean(name, known)}"
        overload = re.fullmatch(r"found no matching overload for '([^']*)' applied to '\((.*)\)'", text)
        if overload:
            return f"{_operator(overload[1])} does not take ({overload[2]}); {_overload_hint(overload[1], overload[2])}"
        if text.startswith("Syntax error"):
            return "syntax error: " + re.sub(r" expecting .*", "", text.removeprefix("Syntax error: "))
        return text

    def _tree_faults(self, root: tree.Expr, offsets: Mapping[int, int]) -> list[Fault]:
        found: list[Fault] = []
        growth = 1
        for variable, field, number in reads_of(root).fields:
            known = FIELDS.get(variable)
            if known is not None and field not in known:
                message = f"{variable} has no field {field!r}; {did_you_mean(field, known)}"
                found.append(Fault(offset=offsets.get(number, 0) + 1, message=message))
        stack = [root]
        while stack:
            expr = stack.pop()
            stack.extend(tree.children(expr))
            if tree.kind_of(expr) != "call":
                continue
            name, at = expr.call_expr.function, offsets.get(expr.id, 0)
            if name in ABOUT_ARGS and _numbered_path(expr.call_expr.args[0]) is None:
                found.append(
                    Fault(offset=at, message=f"{name}() takes args or one argument, such as {name}(args.note)")
                )
            if name in _GROWING and len(expr.call_expr.args) > _GROWING[name]:
                text = tree.literal(expr.call_expr.args[_GROWING[name]])
                growth *= max(1, len(text)) if isinstance(text, str) else _MAX_GROWTH + 1
                if growth > _MAX_GROWTH:
                    message = f"{name}() could make a text without end here; give it a short text, written out, once"
                    found.append(Fault(offset=at, message=message))
            if name == "cidr_contains":
                found += [
                    Fault(offset=at, message=f"cidr_contains(): {text!r} is not a network; write it as 10.0.0.0/8")
                    for text in _texts(expr.call_expr.args[0])
                    if not is_network(text)
                ]
            if name in ("matches", "finds", "says"):
                pattern = tree.literal(expr.call_expr.args[-1])
                if isinstance(pattern, str) and not self._regex_compiles(pattern):
                    message = "is not a pattern RE2 accepts (no look-around, no back-references); simplify it"
                    found.append(Fault(offset=at, message=f"{name}(): {pattern!r} {message}"))
        return found

    def _regex_compiles(self, pattern: str) -> bool:
        answer = self._env.compile("''.matches(tool)").eval(data={"tool": pattern})
        return bool(answer.type() == _T.BOOL)


def _function(name: str, result: Any, *overloads: tuple[list[Any], Callable[..., object]]) -> Any:
    return cel.FunctionDecl(
        name,
        [
            cel.Overload(f"toolguard_{name}_{i}", return_type=result, parameters=parameters, impl=impl)
            for i, (parameters, impl) in enumerate(overloads)
        ],
    )


_GROWING: Mapping[str, int] = {"replace": 1, "join": 0}
"""Functions that put a text in many places, and which of their arguments that is."""
_MAX_GROWTH = 64


def _texts(expr: tree.Expr) -> list[str]:
    """The text ``expr`` is written as, or those of the list it is written as."""
    items = expr.list_expr.elements if tree.kind_of(expr) == "list" else (expr,)
    return [text for item in items if isinstance(text := tree.literal(item), str)]


def _never(*_: object) -> object:
    """Stands for an overload that is replaced at compile time by the one that takes a path."""
    raise ConditionError("evaluation")


_KNOWN = (
    "cidr_contains", "host_in", "lower", "says", "has", "size", "int", "double", "string", "matches", "contains", "startsWith", "endsWith",
    "exists", "all", "filter", "map", "true", "false", "null", "duration", "timestamp", "type",
)  # fmt: skip


def _numbered_path(expr: tree.Expr) -> tuple[str | int, ...] | None:
    """The path ``expr`` names below args, list indices as numbers; None if it names no argument."""
    kind = tree.kind_of(expr)
    if kind == "ident":
        return () if expr.ident_expr.name == "args" else None
    step: object
    if kind == "select" and not expr.select_expr.test_only:
        base, step = expr.select_expr.operand, expr.select_expr.field
    elif kind == "call" and expr.call_expr.function == "_[_]":
        base, step = expr.call_expr.args[0], tree.literal(expr.call_expr.args[1])
    else:
        return None
    before = _numbered_path(base)
    return None if before is None or not isinstance(step, str | int) else (*before, step)


def _put_paths(root: tree.Expr) -> list[str]:
    """In calls such as ``phi(args.note)``, put the path in the place of the value. Returns the calls as text."""
    asked: list[str] = []
    stack = [root]
    while stack:
        expr = stack.pop()
        if tree.kind_of(expr) == "call" and expr.call_expr.function in ABOUT_ARGS:
            first = expr.call_expr.args[0]
            path = _numbered_path(first)
            if path is None:
                raise ValueError(f"{expr.call_expr.function}() takes args or one argument")
            number = first.id
            first.Clear()
            first.id = number
            first.const_expr.string_value = about_args(path)
            asked.append(f"{expr.call_expr.function}({'.'.join(map(str, ('args', *path)))})")
        elif tree.kind_of(expr) == "call" and expr.call_expr.function == "says":
            asked.append("says(args)")
        stack.extend(tree.children(expr))
    return asked


def _offset(source: str, line: int, column: int) -> int:
    lines = source.split("\n")
    return min(sum(len(text) + 1 for text in lines[: line - 1]) + column - 1, len(source))


_CODES = (
    ("NOT_FOUND: Key not found", "missing_argument"),
    ("UNKNOWN: No matching overloads", "wrong_type"),
    ("OUT_OF_RANGE: Iteration budget", "too_much_work"),
    ("INTERNAL: Iteration budget", "too_much_work"),
    ("INVALID_ARGUMENT: cannot convert", "wrong_type"),
)


def _code(text: str) -> str:
    """Our word for an engine error. The text itself may hold values and goes no further."""
    return next((code for start, code in _CODES if text.startswith(start)), "evaluation")


def _type_word(kind: Any) -> str:
    return "a value of unknown type" if kind == _T.DYN else f"{kind.name().lower()}"


def _operator(name: str) -> str:
    return f"operator {name.strip('_@').replace('_', ' ')}" if name.startswith(("_", "@")) else f"{name}()"


def _overload_hint(name: str, types: str) -> str:
    kinds = {t.strip() for t in types.split(",")}
    if kinds == {"int", "double"}:
        return "whole numbers and fractions are different types here; write 3.0, int(...) or double(...)"
    if name in ABOUT_ARGS:
        return f"it takes args or one argument, such as {name}(args.note)"
    return "convert one side, for instance with int(...), double(...) or string(...)"
