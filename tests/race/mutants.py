"""Stores with one guarantee taken out. The checker has to notice each; that is what proves the checker.

Only for the race's own proof, by the explicit option ``--mutant``; nothing outside this folder imports it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from postgres_server import by_hand
from race.witness import Chance
from toolguard._core.approval import State
from toolguard._core.audit import AuditRecord
from toolguard._core.steps import Change
from toolguard.ports import Store
from toolguard.stores import _rules

__all__ = ["MUTANTS", "apply", "around"]


def _let(*_: object, **__: object) -> None:
    """Whatever was to be checked is not."""


def _everywhere(before: object, after: object) -> None:
    """In every module of the stores, also within tuples of statements."""
    found = 0
    for module in [m for name, m in sys.modules.items() if name.startswith("toolguard.stores.")]:
        for name, value in list(vars(module).items()):
            if value is before:
                setattr(module, name, after)
                found += 1
            elif isinstance(value, tuple) and any(part is before for part in value):
                setattr(module, name, tuple(after if part is before else part for part in value))
    assert found, "what was to be taken out was not found; mend the mutant"


def _without(*names: str) -> None:
    for name in names:
        _everywhere(getattr(_rules, name), _let)


def _said_otherwise(url: str, name: str, pattern: str, instead: str) -> None:
    """A statement of the store without a part of it."""
    sql = import_module(f"toolguard.stores.{'_sql' if url.startswith('sqlite') else '_pg_sql'}")
    before = getattr(sql, name)
    after = re.sub(pattern, instead, before)
    assert after != before, "the part to take out was not found; mend the mutant"
    _everywhere(before, after)


def _no_trigger(url: str, table: str) -> None:
    """PostgreSQL checks a second time, by itself."""
    if not url.startswith("sqlite"):
        by_hand(url, f"ALTER TABLE toolguard.{table} DISABLE TRIGGER USER")


def _no_compare_and_set(url: str) -> None:
    """An approval is written over whatever stands there."""
    _without("check_update")
    if url.startswith("sqlite"):
        _said_otherwise(url, "UPDATE", r"AND (version|state) = \?", "AND ? IS NOT NULL")
    _no_trigger(url, "approvals")


def _no_claim_check(url: str) -> None:
    """Every claim wins: the ledger is not asked."""
    _without("check_claim")
    _no_trigger(url, "ledger")


def _no_checks(url: str) -> None:
    """Neither row, ledger nor journal stands in the way of a claim."""
    _no_compare_and_set(url)
    _no_claim_check(url)
    _without("check_not_ended")


def _no_locks(url: str) -> None:
    """PostgreSQL reads without holding what it read: another transaction comes in between."""
    for name in ("LOCK_APPROVALS", "LOCK_LEDGER"):
        _said_otherwise(url, name, " FOR UPDATE", "")
    for table in ("approvals", "ledger"):
        _no_trigger(url, table)


def _veto_dropped(url: str) -> None:
    """A no moves the state, but the row that says who gave it is not kept."""
    if url.startswith("sqlite"):
        names = ", ".join(f"? AS c{n}" for n in range(7))
        _said_otherwise(url, "ADD_VERDICT", r"VALUES.*", f"SELECT * FROM (SELECT {names}) WHERE c3 <> 'deny'")
    else:
        by_hand(
            url,
            "CREATE FUNCTION toolguard.drop_veto() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN IF NEW.answer = 'deny' THEN RETURN NULL; END IF; RETURN NEW; END $$; "
            "CREATE TRIGGER drop_veto BEFORE INSERT ON toolguard.verdicts "
            "FOR EACH ROW EXECUTE FUNCTION toolguard.drop_veto();",
        )


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
    "no-locks": _no_locks,
}


def apply(name: str, url: str) -> None:
    """Take the guarantee out of this process and those it starts, and out of the database, whose tables are there."""
    if name and not isinstance(change := MUTANTS[name], type):
        change(url)


def around(name: str, store: Store, chance: Chance) -> Any:
    """``store``, or what this mutant puts around it."""
    change = MUTANTS.get(name)
    return change(store, chance) if isinstance(change, type) else store
