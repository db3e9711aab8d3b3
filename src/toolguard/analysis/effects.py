"""From verb and object to evidence: the object decides between a plain write and a matter of privilege or money."""

from __future__ import annotations

from collections.abc import Iterable

from toolguard._core.risk import Evidence
from toolguard.analysis.lexicon import ACCESS_NOUNS, CONTAINERS, DELETE_FAMILY, EFFECTS, MASS, MONEY_NOUNS
from toolguard.analysis.notes import (
    CODE,
    COMMUNICATION,
    CRITICAL,
    DESTRUCTIVE,
    FINANCIAL,
    HIGH,
    MEDIUM,
    PRIVILEGE,
    WRITE,
    note,
)

__all__ = ["effect_of"]

# To make, change or undo one of ACCESS_NOUNS changes who may do what.
_CHANGES = frozenset(
    "create add set put update modify edit patch change attach detach associate disassociate dissociate assign unassign "
    "delete remove reset rotate enable disable insert upsert replace write invite register deregister link unlink accept "
    "reject share restore import promote".split()
)
# To do this to one of MONEY_NOUNS moves or promises value.
_MOVES_MONEY = frozenset("create place send finalize issue cancel submit update approve capture void process make execute".split())
# Code that others will run.
_CODE_NOUNS = frozenset("function script command code job workflow lambda migration query sql shell plugin extension hook webhook macro".split())
_WEAK_ACCESS = frozenset("user users member members key keys group groups token tokens secret secrets membership memberships".split())


def effect_of(verb: str, objects: Iterable[str], source: str, text: str, *, capped: bool = False) -> list[Evidence]:
    """The evidence of ``verb`` (a base form) acting on ``objects`` (words). ``capped``: at most medium."""
    risk_class, level = EFFECTS[verb]
    nouns = frozenset(objects) - {verb}
    found = []
    access = nouns & ACCESS_NOUNS
    if access and verb in _CHANGES:
        noun = min(access)
        strong = bool(access - _WEAK_ACCESS) or verb not in ("update", "accept", "link", "register", "import")
        found.append(note(source, PRIVILEGE, HIGH if strong else MEDIUM, f"{text} of {noun!r}: it changes who may do what"))
    money = nouns & MONEY_NOUNS
    if money and verb in _MOVES_MONEY:
        found.append(note(source, FINANCIAL, HIGH, f"{text} of {min(money)!r}: it moves or promises value"))
    if risk_class is CODE and nouns & _CODE_NOUNS:
        level = HIGH
    if risk_class is DESTRUCTIVE and level is HIGH:
        if nouns & MASS or (verb in DELETE_FAMILY and nouns & CONTAINERS and len(nouns) <= 2 and not access):
            level = CRITICAL
            text = f"{text} of many things at once"
    if capped and level > MEDIUM:
        level = MEDIUM
    if risk_class is COMMUNICATION or risk_class is not WRITE or not found:
        found.append(note(source, risk_class, level, text))
    return found
