"""From verb and object to evidence: the object decides between a plain write and a matter of privilege or money."""

from __future__ import annotations

from collections.abc import Sequence

from toolguard._core.risk import Evidence
from toolguard.analysis.access import access_object
from toolguard.analysis.lexicon import CONTAINERS, DELETE_FAMILY, EFFECTS, MASS, MONEY_NOUNS
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
from toolguard.analysis.words import bag

__all__ = ["effect_of"]

# To do one of these to what access hangs on changes who may do what.
_CHANGES = bag(
    "create add set put update modify edit patch change attach detach associate disassociate dissociate assign unassign "
    "delete remove reset rotate enable disable insert upsert replace write invite register deregister link unlink accept "
    "reject share restore import promote overwrite retire"
)
# "authorize ingress", "revoke certificate": grave, but about machines, not about what people may do.
_OPENS = bag("authorize unauthorize revoke allow deny unlock unblock")
_NETWORK = bag(
    "ingress egress ip rules traffic network certificate certificates invitation invitations integration snapshot domain session token tokens routing vpc endpoint list"
)
_MILD = bag("update edit patch accept link register import modify set")
# To do this to one of MONEY_NOUNS moves or promises value.
_MOVES_MONEY = bag("create place send finalize issue cancel submit update approve capture void process make execute")
# To do one of these to a message or an announcement reaches other people.
_TELLS = bag("post place create add leave write make publish put submit")
_TOLD = bag("message messages comment comments reply replies announcement announcements tweet sms notification")
_CALLED = bag("call calls")
# To make something public opens it to everyone.
_OPENS_TO_ALL = bag("make set mark turn change update publish")
# Code that others will run.
_CODE_NOUNS = bag(
    "function script command code job workflow lambda migration query sql shell plugin extension hook webhook macro"
)


def effect_of(verb: str, objects: Sequence[str], source: str, text: str, *, capped: bool = False) -> list[Evidence]:
    """The evidence of ``verb`` (a base form) acting on ``objects`` (words in order). ``capped``: at most medium."""
    risk_class, level = EFFECTS[verb]
    if risk_class is PRIVILEGE and verb in _OPENS and _NETWORK.intersection(objects):
        risk_class, text = WRITE, f"{text}: it opens or closes a way in"
    nouns = frozenset(objects) - {verb}
    found = []
    strength, noun = access_object(objects, verb)
    decides = strength == "strong" and verb in _CHANGES
    if decides:
        found.append(
            note(source, PRIVILEGE, MEDIUM if capped else HIGH, f"{text} of {noun!r}: it changes who may do what")
        )
    elif strength == "weak" and verb in _CHANGES:
        grave = MEDIUM if capped or verb in _MILD else HIGH
        found.append(note(source, WRITE, grave, f"{text} of {noun!r}: it may change who gets in"))
    money = nouns & MONEY_NOUNS
    if money and verb in _MOVES_MONEY:
        found.append(
            note(source, FINANCIAL, MEDIUM if capped else HIGH, f"{text} of {min(money)!r}: it moves or promises value")
        )
    if "public" in nouns and verb in _OPENS_TO_ALL and {"public"} & set(objects[-1:]):
        found.append(
            note(source, PRIVILEGE, MEDIUM if capped else HIGH, f"{text} of 'public': it opens it to everyone")
        )
    if risk_class is WRITE and verb in _TELLS and (nouns & _TOLD or (verb in ("place", "make") and nouns & _CALLED)):
        risk_class, text = COMMUNICATION, f"{text} of what others will read or hear"
    if risk_class is CODE and nouns & _CODE_NOUNS:
        level = HIGH
    if risk_class is DESTRUCTIVE and level is HIGH:
        if nouns & MASS or (verb in DELETE_FAMILY and nouns & CONTAINERS and len(nouns) <= 2 and not strength):
            level = CRITICAL
            text = f"{text} of many things at once"
        elif decides:
            level = MEDIUM  # what is lost is a permission: privilege says it better
    if capped and level > MEDIUM:
        level = MEDIUM
    if risk_class is not WRITE or not found:
        found.append(note(source, risk_class, level, text))
    return found
