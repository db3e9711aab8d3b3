"""Expressions as terms and comparisons: what `truth` needs to know of a condition's syntax tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from toolguard.policyfile.expression_tree import Expr, children, kind_of, literal

__all__ = ["COMPARISONS", "Comparison", "Constant", "Domain", "comparison_of", "key", "term_name"]

Constant: TypeAlias = "bool | int | float | str | None"
COMPARISONS = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"})
_TURNED = {"_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_"}
_INTEGERS = frozenset({"size", "int", "uint"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """What a term can be. ``values``: nothing but these; else numbers from ``low`` to ``high``, or anything."""

    values: tuple[Constant, ...] | None = None
    low: float | None = None
    high: float | None = None
    whole: bool = False
    folded: bool = False
    """Text without capitals: what ``lower()`` gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """``term operator constant``, or ``term in (constants)`` with the operator ``in``."""

    term: str
    expr: Expr
    operator: str
    constants: tuple[Constant, ...]


def key(expr: Expr) -> str:
    """The expression as text: equal for expressions that are written alike, wherever they stand."""
    kind = kind_of(expr)
    if kind == "const":
        return repr(literal(expr))
    if kind == "ident":
        return str(expr.ident_expr.name)
    if kind == "select":
        select = expr.select_expr
        return (
            f"has({key(select.operand)}.{select.field})"
            if select.test_only
            else f"{key(select.operand)}.{select.field}"
        )
    if kind == "call":
        target = f"{key(expr.call_expr.target)}." if expr.call_expr.HasField("target") else ""
        return f"{target}{expr.call_expr.function}({', '.join(map(key, expr.call_expr.args))})"
    if kind == "comprehension":
        it = expr.comprehension_expr
        return f"each({it.iter_var} {it.iter_var2} {it.accu_var} {' '.join(map(key, children(expr)))})"
    return f"{kind}({', '.join(map(key, children(expr)))})"


def comparison_of(expr: Expr) -> Comparison | None:
    """``expr`` as a comparison of one term with constants; None if it is something else."""
    if kind_of(expr) != "call":
        return None
    function, args = expr.call_expr.function, list(expr.call_expr.args)
    if function in COMPARISONS:
        left, right = args
        if literal(left) is not ... and literal(right) is ...:
            left, right, function = right, left, _TURNED.get(function, function)
        constant = literal(right)
        if literal(left) is ... and constant is not ... and not isinstance(constant, bytes):
            return Comparison(term=key(left), expr=left, operator=function, constants=(_plain(constant),))
    if function in ("@in", "_in_", "in") and kind_of(args[1]) == "list" and literal(args[0]) is ...:
        values = [literal(e) for e in args[1].list_expr.elements]
        if values and all(isinstance(v, str | int | float) for v in values):
            return Comparison(term=key(args[0]), expr=args[0], operator="in", constants=tuple(map(_plain, values)))
    return None


def _plain(value: object) -> Constant:
    return value if isinstance(value, bool | int | float | str) else None


def term_name(expr: Expr, known: Mapping[str, Domain]) -> Domain:
    """What the term can be, by what it is: a variable of a known range, a size, a cast, anything."""
    name = key(expr)
    if name in known:
        return known[name]
    if kind_of(expr) == "call":
        function = expr.call_expr.function
        if function in _INTEGERS:
            return Domain(whole=True, low=0.0 if function in ("size", "uint") else None)
        if function in ("lower", "lowerAscii"):
            return Domain(folded=True)
    return Domain()
