"""What an expression reads, found in its syntax tree before anything is evaluated.

Two things follow from it. Only what is read is handed to the engine, so cost does not grow with the
arguments. And the *shape* an expression expects of an argument (text, a number, something with parts) is
known, so an argument of another shape is noticed instead of silently comparing as unequal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from toolguard.policyfile.expression_tree import Expr, children, kind_of, literal

__all__ = ["EACH", "Reads", "Shape", "Steps", "reads_of", "static_path"]

EACH = "*"
"""The step into every element of a list."""

Steps: TypeAlias = tuple[str, ...]
_Scope: TypeAlias = Mapping[str, Steps | None]

_COMPARISONS = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"})
_ARITHMETIC = frozenset({"_-_", "_*_", "_/_", "_%_", "-_"})
_TEXT_METHODS = frozenset(
    {"contains", "startsWith", "endsWith", "matches", "lower", "sql", "shell", "url", "fhir"}
    | {"lowerAscii", "upperAscii", "trim", "replace", "split", "substring", "indexOf", "lastIndexOf", "charAt"}
)
_NUMBER_CASTS = frozenset({"int", "uint", "double"})


@dataclass(slots=True)
class Shape:
    """How one argument is used: ``kinds`` of uses (``text``, ``number``, ``value``), and uses of its parts."""

    kinds: set[str] = field(default_factory=set)
    parts: dict[str, Shape] = field(default_factory=dict)

    @property
    def expected(self) -> str | None:
        """``text`` or ``number`` if every use agrees; None if the author deals with several shapes."""
        only = next(iter(self.kinds)) if len(self.kinds) == 1 else None
        return only if only in ("text", "number") and not self.parts else None

    @property
    def whole(self) -> bool:
        """Whether the value is used as it is, not only walked through."""
        return bool(self.kinds)


@dataclass(slots=True)
class Reads:
    """What an expression reads.

    Attributes:
        names: the variables used (``args``, ``caller``, ``hour``, …).
        args: how the arguments are used, as a tree.
        fields: (variable, field, expression id) for every field read of another variable.
    """

    names: set[str] = field(default_factory=set)
    args: Shape = field(default_factory=Shape)
    fields: list[tuple[str, str, int]] = field(default_factory=list)

    def paths(self) -> tuple[str, ...]:
        """Dotted paths of the arguments read, in order; ``args`` alone if they are read as a whole."""
        found = sorted(".".join(("args", *p)) for p in _walk_shape(self.args, ()))
        return tuple(found)

    def use(self, path: Steps, kind: str | None) -> None:
        """Note that the argument at ``path`` is used as ``kind`` (None or empty: only looked for)."""
        shape = self.args
        for step in path:
            shape = shape.parts.setdefault(step, Shape())
        if kind:
            shape.kinds.add(kind)


def _walk_shape(shape: Shape, path: Steps) -> Iterator[Steps]:
    if shape.kinds or (path and not shape.parts):
        yield path
    for step, part in shape.parts.items():
        yield from _walk_shape(part, (*path, step))


def static_path(expr: Expr, scope: _Scope | None = None) -> Steps | None:
    """The steps from ``args`` to what ``expr`` names, if it names an argument; None otherwise."""
    kind = kind_of(expr)
    if kind == "ident":
        name = expr.ident_expr.name
        if scope and name in scope:
            return scope[name]
        return () if name == "args" else None
    if kind == "select" and not expr.select_expr.test_only:
        base = static_path(expr.select_expr.operand, scope)
        return None if base is None else (*base, expr.select_expr.field)
    if kind == "call" and expr.call_expr.function == "_[_]":
        base = static_path(expr.call_expr.args[0], scope)
        index = literal(expr.call_expr.args[1])
        if base is None:
            return None
        if isinstance(index, str):
            return (*base, index)
        if isinstance(index, int) and not isinstance(index, bool):
            return (*base, EACH)
    return None


def reads_of(root: Expr) -> Reads:
    """Everything ``root`` reads."""
    found = Reads()
    _visit(root, None, {}, found)
    return found


_NOTED = ""
"""The kind of a use that expects no shape, such as a comparison with ``null``."""


def _visit(expr: Expr, kind: str | None, scope: _Scope, found: Reads) -> None:
    path = static_path(expr, scope)
    if path is not None:
        found.names.add("args")
        found.use(path, "value" if kind is None else kind)
        return
    which = kind_of(expr)
    if which == "ident":
        name = expr.ident_expr.name
        if name not in scope and not name.startswith("@"):
            found.names.add(name)
    elif which == "select":
        _visit_select(expr, scope, found)
    elif which == "call":
        _visit_call(expr, scope, found)
    elif which == "comprehension":
        _visit_comprehension(expr, scope, found)
    else:
        for child in children(expr):
            _visit(child, None, scope, found)


def _visit_select(expr: Expr, scope: _Scope, found: Reads) -> None:
    operand = expr.select_expr.operand
    base = static_path(operand, scope)
    if base is not None:  # has(args.x): looked for, not read
        found.names.add("args")
        found.use((*base, expr.select_expr.field), None)
        return
    if kind_of(operand) == "ident" and operand.ident_expr.name not in scope:
        found.fields.append((operand.ident_expr.name, expr.select_expr.field, expr.id))
    _visit(operand, None, scope, found)


def _visit_call(expr: Expr, scope: _Scope, found: Reads) -> None:
    call = expr.call_expr
    args = list(call.args)
    if call.HasField("target"):
        _visit(call.target, "text" if call.function in _TEXT_METHODS else None, scope, found)
        for arg in args:
            _visit(arg, None, scope, found)
    elif call.function in _COMPARISONS:
        left, right = args
        _visit(left, _kind_of_literal(right), scope, found)
        _visit(right, _kind_of_literal(left), scope, found)
    elif call.function in ("@in", "_in_", "in"):
        _visit_in(args[0], args[1], scope, found)
    elif call.function in _ARITHMETIC or call.function in _NUMBER_CASTS:
        for arg in args:
            _visit(arg, "number", scope, found)
    elif call.function in _TEXT_METHODS and args:
        for index, arg in enumerate(args):
            _visit(arg, None if index else "text", scope, found)
    else:
        for arg in args:
            _visit(arg, None, scope, found)


def _visit_in(item: Expr, group: Expr, scope: _Scope, found: Reads) -> None:
    kind = None
    if kind_of(group) == "list":
        kinds = {_kind_of_literal(e) for e in group.list_expr.elements}
        kind = kinds.pop() if len(kinds) == 1 else None
    _visit(item, kind, scope, found)
    path = static_path(group, scope)
    element = _kind_of_literal(item)
    if path is not None and element:
        found.use((*path, EACH), element)
    _visit(group, None, scope, found)


def _visit_comprehension(expr: Expr, scope: _Scope, found: Reads) -> None:
    it = expr.comprehension_expr
    path = static_path(it.iter_range, scope)
    _visit(it.iter_range, None, scope, found)
    _visit(it.accu_init, None, scope, found)
    inner = {**scope, it.iter_var: None if path is None else (*path, EACH), it.accu_var: None}
    if it.iter_var2:  # two variables: index or key, then value
        inner[it.iter_var], inner[it.iter_var2] = None, inner[it.iter_var]
    for part in (it.loop_condition, it.loop_step, it.result):
        _visit(part, None, inner, found)


def _kind_of_literal(expr: Expr) -> str | None:
    value = literal(expr)
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    return _NOTED if value is None else None
