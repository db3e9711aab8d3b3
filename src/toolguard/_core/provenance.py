"""Provenance: where the values came from that decide what a call does.

What the user said is the user's will. What a tool returned may have been written by anybody, and a model that reads
it may take it for a will. So a recipient that stands in a tool's result and nowhere in what the user said is a fact
about a call that its verb does not tell. `Conversation` finds it out; here stands what it means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from toolguard._core.frozen import made_fast
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
    TEXT = "text"
    """What it says: a title, a city; or an address that a longer text carries. It decides nothing by itself."""


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Aimed:
    """A value of a call that is looked up. ``name``: its argument as the tool's schema spells it; empty if none names it.

    ``carried``: not the value itself, but the addresses in it.
    """

    path: Path
    aim: Aim
    name: str = ""
    carried: bool = False


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """A value with where it came from.

    ``listed``: it is a whole field of a structured result. ``outside``: an address in the world at large (``url``,
    ``mailbox`` or ``account``), which anybody may own; empty for a name that means something only inside one system.
    ``pointed``: the text it stands in is part of a record that the user named, such as a message of somebody's.
    """

    path: Path
    aim: Aim
    came: CameFrom
    name: str = ""
    listed: bool = False
    outside: str = ""
    pointed: bool = False

    @property
    def local(self) -> bool:
        """Whether the system itself lists it, as an id or as a name that means something only there."""
        if self.aim is Aim.THING:
            return self.listed or self.came is CameFrom.LINKED
        return self.aim is Aim.PLACE and self.came is CameFrom.RESULT and self.listed and not self.outside

    @property
    def said(self) -> bool:
        """Whether somebody who may say so has said it, or led to it."""
        return self.came in (CameFrom.USER, CameFrom.SYSTEM, CameFrom.LINKED)


@made_fast
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

        What the system itself lists says nothing of whose will it is: ids of records, names that lead nowhere outside.
        """
        return frozenset([t.came.value for t in self.traced if t.aim is not Aim.TEXT and not t.local])

    def at(self, path: Path) -> CameFrom | None:
        """The least trustworthy origin at or below ``path``, of what decides before what is only said; None: nothing."""
        here = [t for t in self.traced if t.path[: len(path)] == path]
        return worst(t.came for t in here if t.aim is not Aim.TEXT) or worst(t.came for t in here)

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
    Aim.TEXT: "what it says",
}
_HARD_TO_UNDO = (RiskClass.DESTRUCTIVE, RiskClass.FINANCIAL, RiskClass.PRIVILEGE)


def provenance_evidence(provenance: Provenance, risk: Risk) -> tuple[Evidence, ...]:
    """What ``provenance`` adds to the ``risk`` of a call. It only ever raises.

    Where an effect goes, and what secret it sets, must not be the will of whoever wrote what the model read. What it
    is done to matters where that is hard to undo. And a call of which nobody said anything, but that repeats what
    stands in a text, may be the text's idea.
    """
    foreign = [t for t in provenance.traced if provenance.foreign(t)]
    if not foreign:
        return ()
    if risk.risk_class is RiskClass.READ:
        return _of_reading(provenance)
    hard = risk.risk_class in _HARD_TO_UNDO or any(e.risk_class in _HARD_TO_UNDO for e in risk.evidence)
    texts: list[str] = []
    if hard or any(t.aim is Aim.PLACE or t.aim is Aim.SECRET for t in foreign):
        aimed = any(t.aim in (Aim.PLACE, Aim.SECRET, Aim.THING) for t in provenance.traced)
        texts = [_told(t) for t in foreign if _matters(t, hard=hard, aimed=aimed)]
    if not texts and not any(t.said for t in provenance.traced):
        repeated = (t for t in foreign if t.came is CameFrom.RESULT and not t.listed)
        texts = [f"nothing of it was said by the user, and {_told(t)}" for t in repeated if t.aim in _REPEATED]
    if not texts:
        return ()
    level = max(risk.level, RiskLevel.HIGH)
    return tuple(
        Evidence(source="provenance", risk_class=risk.risk_class, level=level, text=text)
        for text in dict.fromkeys(texts)
    )


def _of_reading(provenance: Provenance) -> tuple[Evidence, ...]:
    """Who reads an address that a text names tells something to whoever wrote the text, if only that it was read."""
    found = any(
        t.aim is Aim.PLACE and t.outside == "url" and t.came is CameFrom.RESULT and not (t.listed or t.pointed)
        for t in provenance.traced
    )
    text = "the address it reads stands only in text that the agent read, not in what the user said"
    said = Evidence(source="provenance", risk_class=RiskClass.EXFILTRATION, level=RiskLevel.MEDIUM, text=text)
    return (said,) if found else ()


_REPEATED = (Aim.PLACE, Aim.THING, Aim.TEXT)


def _matters(item: Traced, *, hard: bool, aimed: bool) -> bool:
    """Whether it is grave that ``item`` may be somebody else's will. ``aimed``: the call says what it is aimed at.

    A name that means something only inside one system, and that the system itself lists, leads nowhere outside.
    """
    if item.aim is Aim.SECRET:
        return True
    if item.aim is Aim.PLACE:
        return hard or not item.local
    return hard and item.came is CameFrom.RESULT and (item.aim is Aim.THING or (item.aim is Aim.TEXT and not aimed))


def _told(item: Traced) -> str:
    what = f"{_AIMS[item.aim]} ({item.name!r})" if item.name else _AIMS[item.aim]
    if item.came is CameFrom.RESULT and item.listed:
        return f"{what} occurs only in what a tool returned, not in what the user said"
    if item.came is CameFrom.RESULT:
        return f"{what} occurs only in text that the agent read, not in what the user said"
    return f"{what} was neither said by the user nor returned by a tool, and the agent has read text of others"
