"""Whether a condition can hold at all, and whether it can fail to.

A condition is taken as a formula over comparisons of terms with constants; whatever else stands in it is a question
of its own that may go either way. Each term is tried with one value of every stretch its constants divide its range
into, so an answer is exact for everything but what the questions mean together.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from toolguard.policyfile.expression_tree import Expr, kind_of, literal
from toolguard.policytools.terms import COMPARISONS, Comparison, Constant, Domain, comparison_of, key, term_name

__all__ = ["Truth", "constant_parts", "relation", "truth"]

_MOST = 40_000
"""Combinations that are tried at most; of a condition with more nothing is said."""
_OTHER = "\x00another text"
_FAILS = "\x00fails"
_LAST = "\U0010ffff"
_LOGIC = frozenset({"_&&_", "_||_", "!_", "_?_:_"})


class Truth(StrEnum):
    ALWAYS = "always"
    NEVER = "never"
    RANGE = "range"
    """Never, since no number is in the range it asks for."""
    OPEN = "open"


@dataclass(slots=True)
class _Term:
    domain: Domain
    constants: set[Constant] = field(default_factory=set)
    ordered: bool = False


def truth(root: Expr, known: Mapping[str, Domain]) -> Truth:
    """Whether ``root`` always holds, never, or now and then. ``known`` are ranges of terms, by their text."""
    terms, questions = _asked([root], known)
    seen = set()
    for values in _combinations(terms, questions):
        seen.add(_holds(root, values))
        if {True, False} <= seen:
            return Truth.OPEN
    if seen == {True}:
        return Truth.ALWAYS
    if False not in seen or True in seen:
        return Truth.OPEN
    ranged = any(t.ordered and any(map(_is_number, t.constants)) for t in terms.values())
    return Truth.RANGE if ranged else Truth.NEVER


def relation(one: Expr, other: Expr, known: Mapping[str, Domain]) -> tuple[bool, bool]:
    """Whether ``other`` surely holds (or fails) wherever ``one`` does, and the other way round; what fails counts as held.

    A term or question may also fail, as where an argument is missing.
    """
    terms, questions = _asked([one, other], known)
    follows, leads, tried = True, True, False
    for values in _combinations(terms, questions, more=(_FAILS,)):
        tried = True
        first, second = _holds(one, values), _holds(other, values)
        follows = follows and (first is False or second is True or first is second)
        leads = leads and (second is False or first is True or first is second)
        if not follows and not leads:
            break
    return (follows, leads) if tried else (False, False)


def _asked(roots: Sequence[Expr], known: Mapping[str, Domain]) -> tuple[dict[str, _Term], set[str]]:
    terms: dict[str, _Term] = {}
    questions: set[str] = set()
    for root in roots:
        _collect(root, known, terms, questions)
    return terms, questions


def _combinations(
    terms: Mapping[str, _Term], questions: set[str], *, more: tuple[Constant, ...] = ()
) -> Iterator[Mapping[str, Constant]]:
    """Every combination of values; none at all where there are too many."""
    values: dict[str, Sequence[Constant]] = {name: (*_values(term), *more) for name, term in terms.items()}
    values |= dict.fromkeys(sorted(questions), (True, False, *more))
    if math.prod(len(options) for options in values.values()) <= _MOST:
        for combination in itertools.product(*values.values()):
            yield dict(zip(values, combination, strict=True))


def constant_parts(root: Expr, known: Mapping[str, Domain]) -> Iterator[tuple[Expr, Truth]]:
    """The widest parts below ``root`` that are always the same. Of ``root`` itself `truth` tells."""
    if kind_of(root) != "call" or root.call_expr.function not in _LOGIC:
        return
    for part in root.call_expr.args:
        found = truth(part, known)
        if found is Truth.OPEN:
            yield from constant_parts(part, known)
        else:
            yield part, found


def _collect(expr: Expr, known: Mapping[str, Domain], terms: dict[str, _Term], questions: set[str]) -> None:
    if isinstance(literal(expr), bool) or _of_itself(expr) is not None:
        return
    found = comparison_of(expr)
    if found is not None:
        term = terms.setdefault(found.term, _Term(term_name(found.expr, known)))
        term.constants.update(found.constants)
        term.ordered = term.ordered or found.operator not in ("_==_", "_!=_", "in")
    elif kind_of(expr) == "call" and expr.call_expr.function in _LOGIC:
        for part in expr.call_expr.args:
            _collect(part, known, terms, questions)
    else:
        questions.add(key(expr))


def _of_itself(expr: Expr) -> bool | None:
    """The answer of a comparison of something with itself, or of two constants; None if it is no such thing."""
    if kind_of(expr) != "call" or expr.call_expr.function not in COMPARISONS:
        return None
    left, right = expr.call_expr.args
    if literal(left) is not ... and literal(right) is not ...:
        return _compare(_constant(left), expr.call_expr.function, (_constant(right),))
    if key(left) == key(right):
        return expr.call_expr.function in ("_==_", "_<=_", "_>=_")
    return None


def _constant(expr: Expr) -> Constant:
    value = literal(expr)
    return value if isinstance(value, bool | int | float | str) else None


def _values(term: _Term) -> Sequence[Constant]:
    """One value of every stretch that the constants divide the term's range into."""
    domain, constants = term.domain, term.constants
    numbers = sorted({c for c in constants if isinstance(c, int | float) and not isinstance(c, bool)})
    if domain.values is not None:
        return domain.values
    found: list[Constant] = [c for c in constants if not isinstance(c, int | float) or isinstance(c, bool)]
    if domain.folded:
        found = [c for c in found if not isinstance(c, str) or c == c.casefold()]
    bounds = [b for b in (domain.low, domain.high) if b is not None]
    found += [n for n in _stretches([*numbers, *bounds], domain.whole) if _inside(n, domain)] if numbers else []
    texts = [c for c in constants if isinstance(c, str)]
    if texts and term.ordered:
        found += [_LAST, *(f"{text}\x00" for text in texts)]
    if texts or (not numbers and not domain.whole):
        found.append(_OTHER)
    return list({(type(c), c): c for c in found}.values()) or [_OTHER]


def _stretches(numbers: Sequence[float], whole: bool) -> Iterator[float]:
    ordered = sorted(set(numbers))
    if whole:
        near = {int(n // 1) + step for n in ordered for step in (-1, 0, 1, 2)}
        yield from sorted(near)
        return
    yield ordered[0] - 1
    for one, other in itertools.pairwise(ordered):
        yield one
        yield (one + other) / 2
    yield ordered[-1]
    yield ordered[-1] + 1


def _inside(number: float, domain: Domain) -> bool:
    return (domain.low is None or number >= domain.low) and (domain.high is None or number <= domain.high)


def _holds(expr: Expr, values: Mapping[str, Constant]) -> bool | None:
    """The answer for these values; None where evaluating fails (which a guard counts as matched)."""
    said = literal(expr)
    if isinstance(said, bool):
        return said
    own = _of_itself(expr)
    if own is not None:
        return own
    found = comparison_of(expr)
    if found is not None:
        return _compared(found, values[found.term])
    if kind_of(expr) == "call" and expr.call_expr.function in _LOGIC:
        return _logic(expr.call_expr.function, [_holds(part, values) for part in expr.call_expr.args])
    value = values[key(expr)]
    return None if value == _FAILS else bool(value)


def _logic(function: str, parts: Sequence[bool | None]) -> bool | None:
    if function == "!_":
        return None if parts[0] is None else not parts[0]
    if function == "_?_:_":
        return None if parts[0] is None else parts[1] if parts[0] else parts[2]
    strong = function == "_||_"
    if strong in parts:
        return strong
    return None if None in parts else not strong


def _compared(found: Comparison, value: Constant) -> bool | None:
    return None if value == _FAILS else _compare(value, found.operator, found.constants)


def _compare(value: Constant, operator: str, constants: Sequence[Constant]) -> bool | None:
    if operator in ("_==_", "in"):
        return any(_same(value, c) for c in constants)
    if operator == "_!=_":
        return not _same(value, constants[0])
    other = constants[0]
    if isinstance(value, str) and isinstance(other, str):
        return _ordered(operator, (value > other) - (value < other))
    if _is_number(value) and _is_number(other):
        return _ordered(operator, (value > other) - (value < other))  # type: ignore[operator]  # both are numbers
    return None


def _same(one: Constant, other: Constant) -> bool:
    return one == other and ((_is_number(one) and _is_number(other)) or type(one) is type(other))


def _is_number(value: Constant) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ordered(operator: str, sign: int) -> bool:
    return {"_<_": sign < 0, "_<=_": sign <= 0, "_>_": sign > 0, "_>=_": sign >= 0}[operator]
