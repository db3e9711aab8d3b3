"""Shortcuts: telling cheaply, before the engine is asked, that a condition is certainly false.

Most rules that concern a tool do not concern a given call, and many say so in their first words
(``has(args.limit) && …``, ``reveals(args).size() > 0 && …``). Only forms whose falsehood needs no
evaluation are known here; everything else is left to the engine. A shortcut never says yes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from toolguard._core.condition import Facts
from toolguard.policyfile.cel_functions import ABOUT_ARGS, CannotTellError, says
from toolguard.policyfile.expression_tree import Expr, kind_of, literal
from toolguard.policyfile.views import is_plain

__all__ = ["CertainlyFalse", "certainly_false"]

CertainlyFalse: TypeAlias = Callable[[Facts], bool]


def certainly_false(expr: Expr) -> CertainlyFalse | None:
    """A test that is true only where ``expr`` is false in every view of the arguments; None if there is none.

    In CEL ``a && b`` is false if either side is false, even where the other fails.
    """
    kind = kind_of(expr)
    if kind == "select" and expr.select_expr.test_only:
        return _absent(expr)
    if kind != "call":
        return None
    call = expr.call_expr
    if call.function in ("_&&_", "_||_"):
        tests = [certainly_false(side) for side in call.args]
        known = [t for t in tests if t is not None]
        if call.function == "_&&_":
            return _any(known) if known else None
        return _all(known) if len(known) == len(tests) else None
    if call.function == "_>_" and literal(call.args[1]) == 0:
        return _nothing_found(call.args[0])
    if call.function in ("mentions", "finds"):
        return _no_mention(expr)
    if call.function == "says":
        return _unsaid(expr)
    return None


def _any(tests: list[CertainlyFalse]) -> CertainlyFalse:
    return tests[0] if len(tests) == 1 else lambda facts: any(t(facts) for t in tests)


def _all(tests: list[CertainlyFalse]) -> CertainlyFalse:
    return lambda facts: all(t(facts) for t in tests)


def _absent(expr: Expr) -> CertainlyFalse | None:
    """``has(args.x)`` and ``has(session.x)``."""
    operand, field = expr.select_expr.operand, expr.select_expr.field
    name = operand.ident_expr.name if kind_of(operand) == "ident" else ""
    if name == "session":
        return lambda facts: field not in facts.session
    if name == "args":
        return lambda facts: type(facts.data) is dict and field not in facts.data and all(map(is_plain, facts.data))
    return None


def _nothing_found(expr: Expr) -> CertainlyFalse | None:
    """``reveals(args).size() > 0`` and its like."""
    if kind_of(expr) != "call" or expr.call_expr.function != "size":
        return None
    size = expr.call_expr
    inner = size.target if size.HasField("target") else size.args[0]
    if kind_of(inner) != "call" or inner.call_expr.function not in ("phi", "reveals", "secrets"):
        return None
    look = ABOUT_ARGS[inner.call_expr.function][0]
    path = str(literal(inner.call_expr.args[0]))
    return lambda facts: not look(facts, path)


def _no_mention(expr: Expr) -> CertainlyFalse | None:
    path, wanted = map(literal, expr.call_expr.args)
    look = ABOUT_ARGS[expr.call_expr.function][0]

    def test(facts: Facts) -> bool:
        try:
            return not look(facts, path, wanted)
        except CannotTellError:
            return False

    return test if isinstance(wanted, str) else None


def _unsaid(expr: Expr) -> CertainlyFalse | None:
    wanted = literal(expr.call_expr.args[0])

    def test(facts: Facts) -> bool:
        try:
            return not says(str(wanted), facts)
        except CannotTellError:
            return False

    return test if isinstance(wanted, str) else None
