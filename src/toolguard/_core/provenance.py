"""Provenance: where the values came from that decide what a call does.

What the user said is the user's will. What a tool returned may have been written by anybody, and a model that reads
it may take it for a will. So a recipient that stands in a tool's result and nowhere in what the user said is a fact
about a call that its verb does not tell. `Conversation` finds it out; here stands what it means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from toolguard._core.mask import Path
from toolguard._core.risk import Evidence, Risk, RiskClass, RiskLevel

__all__ = ["UNTRACED", "Aim", "Aimed", "CameFrom", "Provenance", "Traced", "provenance_evidence"]


class CameFrom(StrEnum):
    """Where a value came from, the more trustworthy first. Of several the last one counts."""

    USER = "user"
    """The person said it."""
    SYSTEM = "system"
    """The application said it."""
    LINKED = "linked"
    """A structured result ties it to what the person named: the address in the record of that name."""
    MODEL = "model"
    """Nobody said it and no result holds it: the model worked it out, or was told to in other words."""
    RESULT = "result"
    """Only tool results or documents hold it."""


class Aim(StrEnum):
    """What a deciding value decides."""

    PLACE = "place"
    """Where the effect goes: a recipient, an account, a channel, a URL."""
    SECRET = "secret"  # noqa: S105 - the kind of a value, not one
    """What opens something: a password, a key."""
    THING = "thing"
    """What it is done to: an id, a file, a name."""
    AMOUNT = "amount"
    """How much: a sum of money that is not small."""
    COMMAND = "command"
    """A whole program: SQL, a command line, code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aimed:
    """A deciding value of a call. ``name``: its argument as the tool's schema spells it; empty if no schema names it."""

    path: Path
    aim: Aim
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """A deciding value with where it came from. ``listed``: it is a whole field of a structured result."""

    path: Path
    aim: Aim
    came: CameFrom
    name: str = ""
    listed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where the deciding values of one call came from. Holds no value.

    Attributes:
        traced: one entry per deciding value.
        heard: the model has read something that neither the user nor the application wrote.
        cold: nothing of the conversation is known here, as in a process that just began.
    """

    traced: tuple[Traced, ...] = ()
    heard: bool = False
    cold: bool = False

    @property
    def origins(self) -> frozenset[str]:
        """Every origin a deciding value has (what a rule's ``origin`` matches).

        An id that is a field of a record says nothing of whose will it is: whoever writes texts chooses no ids.
        """
        return frozenset(
            t.came.value for t in self.traced if not (t.aim is Aim.THING and (t.listed or t.came is CameFrom.LINKED))
        )

    def at(self, path: Path) -> CameFrom | None:
        """The least trustworthy origin at or below ``path``; None if no deciding value stands there."""
        depth = len(path)
        return worst(t.came for t in self.traced if t.path[:depth] == path)

    def unsaid(self) -> Provenance:
        """The same for a call of which a person was asked when more was known: nothing counts as said."""
        traced = tuple(replace(t, came=CameFrom.RESULT, listed=False) for t in self.traced)
        return Provenance(traced=traced, heard=True, cold=self.cold)

    def foreign(self, traced: Traced) -> bool:
        """Whether this value may be the will of whoever wrote what the model read."""
        return traced.came is CameFrom.RESULT or (traced.came is CameFrom.MODEL and self.heard)


UNTRACED = Provenance()
"""No deciding values, or nobody looked."""

_RANK = {came: rank for rank, came in enumerate(CameFrom)}


def worst(origins: Iterable[CameFrom]) -> CameFrom | None:
    """The least trustworthy of ``origins``."""
    return max(origins, key=_RANK.__getitem__, default=None)


_AIMS: Mapping[Aim, str] = {
    Aim.PLACE: "where it goes",
    Aim.SECRET: "the secret it sets or uses",
    Aim.THING: "what it is done to",
    Aim.AMOUNT: "the amount",
    Aim.COMMAND: "the command",
}
_HARD_TO_UNDO = frozenset({RiskClass.DESTRUCTIVE, RiskClass.FINANCIAL, RiskClass.PRIVILEGE})


def provenance_evidence(provenance: Provenance, risk: Risk) -> tuple[Evidence, ...]:
    """What ``provenance`` adds to the ``risk`` of a call that does more than read. It only ever raises.

    Where an effect goes, and what secret it sets, must not be the will of whoever wrote what the model read. What it
    is done to matters where that is hard to undo. Of a payment or a right a field of a structured result is good
    enough there, since whoever writes texts does not choose the ids of records; what is destroyed must be named.
    """
    if not provenance.traced or risk.risk_class is RiskClass.READ:
        return ()
    found: dict[Evidence, None] = {}
    classes = {risk.risk_class, *(e.risk_class for e in risk.evidence)}
    hard, destroys = not _HARD_TO_UNDO.isdisjoint(classes), RiskClass.DESTRUCTIVE in classes
    for item in provenance.traced:
        if not provenance.foreign(item):
            continue
        if item.aim in (Aim.PLACE, Aim.SECRET) or (
            item.aim is Aim.THING and hard and item.came is CameFrom.RESULT and (destroys or not item.listed)
        ):
            level = max(risk.level, RiskLevel.HIGH)
            found[Evidence(source="provenance", risk_class=risk.risk_class, level=level, text=_told(item))] = None
    return tuple(found)


def _told(item: Traced) -> str:
    what = f"{_AIMS[item.aim]} ({item.name!r})" if item.name else _AIMS[item.aim]
    if item.came is CameFrom.RESULT and item.listed:
        return f"{what} occurs only in what a tool returned, not in what the user said"
    if item.came is CameFrom.RESULT:
        return f"{what} occurs only in text that the agent read, not in what the user said"
    return f"{what} was neither said by the user nor returned by a tool, and the agent has read text of others"
