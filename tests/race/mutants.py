"""Stores with one guarantee taken out. The checker has to notice each; that is what proves the checker.

Only for the race's own proof, by the explicit option ``--mutant``; nothing outside this folder imports it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

from race.witness import Chance
from toolguard._core.approval import State
from toolguard._core.audit import AuditRecord
from toolguard._core.steps import Change
from toolguard.ports import Store

__all__ = ["MUTANTS", "apply", "around"]


def _let(*_: object, **__: object) -> None:
    """Whatever was to be checked is not."""


def _engine(url: str) -> tuple[ModuleType, ModuleType]:
    """The store's module and the one with its SQL."""
    if url.startswith("sqlite"):
        return import_module("toolguard.stores.sqlite"), import_module("toolguard.stores._sql")
    return import_module("toolguard.stores.postgres"), import_module("toolguard.stores._pg_sql")


def _no_compare_and_set(url: str) -> None:
    """An approval is written over whatever stands there."""
    store, sql = _engine(url)
    store.check_update = _let  # type: ignore[attr-defined] # taken out on purpose
    always = re.sub(r"AND (version|state) = (\?|\$\d+)", r"AND \2 IS NOT NULL", sql.UPDATE)
    assert always != sql.UPDATE, "the compare-and-set was not found; mend the mutant"
    sql.UPDATE = always  # type: ignore[attr-defined] # taken out on purpose


def _no_claim_check(url: str) -> None:
    """Every claim wins: the ledger is not asked."""
    store, _ = _engine(url)
    store.check_claim = _let  # type: ignore[attr-defined] # taken out on purpose


def _no_checks(url: str) -> None:
    """Neither row, ledger nor journal stands in the way of a claim."""
    _no_compare_and_set(url)
    _no_claim_check(url)
    _engine(url)[0].check_not_ended = _let  # type: ignore[attr-defined] # taken out on purpose


def _veto_dropped(url: str) -> None:
    """A no moves the state, but the row that says who gave it is not kept."""
    _, sql = _engine(url)
    head, marks = sql.ADD_VERDICT.rsplit("VALUES", 1)
    names = [f"{mark.strip()} AS c{n}" for n, mark in enumerate(marks.strip(" ()").split(","))]
    sql.ADD_VERDICT = f"{head} SELECT * FROM (SELECT {', '.join(names)}) AS row WHERE c3 <> 'deny'"  # type: ignore[attr-defined] # taken out on purpose


class _Around:
    def __init__(self, store: Store, chance: Chance) -> None:
        self._store = store
        self._chance = chance

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class EffectFirst(_Around):
    """A claim is answered before it is durable; it is written with the end of the call."""

    def commit(self, change: Change) -> tuple[AuditRecord, ...]:
        held: dict[str, Change] = self.__dict__.setdefault("_held", {})
        if change.claim is not None:
            held[change.claim.ref.ref] = change
            return ()
        if change.settle is not None and (claim := held.pop(change.settle.ref.ref, None)) is not None:
            self._store.commit(claim)
        return self._store.commit(change)


class LostWrite(_Around):
    """One withdrawal in two is acknowledged and never written."""

    def commit(self, change: Change) -> tuple[AuditRecord, ...]:
        withdrawn = change.update is not None and change.update.approval.state is State.WITHDRAWN
        if withdrawn and self._chance.passes(0.5):
            return ()
        return self._store.commit(change)


MUTANTS: dict[str, Callable[[str], None] | type[_Around]] = {
    "no-compare-and-set": _no_compare_and_set,
    "no-claim-check": _no_claim_check,
    "no-checks": _no_checks,
    "effect-first": EffectFirst,
    "lost-write": LostWrite,
    "veto-dropped": _veto_dropped,
}


def apply(name: str, url: str) -> None:
    """Take the guarantee out of this process and of those it starts."""
    if name and not isinstance(change := MUTANTS[name], type):
        change(url)


def around(name: str, store: Store, chance: Chance) -> Any:
    """``store``, or what this mutant puts around it."""
    change = MUTANTS.get(name)
    return change(store, chance) if isinstance(change, type) else store
