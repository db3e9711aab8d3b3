"""Which arguments decide what a call does: where it goes, what it is done to, what secret it sets, how much it is.

The names of arguments say it, with the schema's help; where they say nothing, the shape of an address does. Prose,
dates, searches and closed lists decide nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from toolguard._core.call import Json, Tool
from toolguard._core.frozen import maker
from toolguard._core.mask import Path
from toolguard._core.provenance import Aim, Aimed
from toolguard.analysis.cues import kinds_of_name
from toolguard.analysis.outside import LARGE_AMOUNT, amount_of
from toolguard.analysis.schema import Field, fields_of
from toolguard.analysis.words import bag, split_words

__all__ = ["Aims", "aims_for"]

_PLACES = bag(
    "to cc bcc recipient recipients email emails mail mailbox address addresses receiver receivers addressee attendee attendees "
    "participant participants invitee invitees guest guests member members contact contacts person people user users username "
    "handle account accounts iban payee beneficiary wallet phone phones mobile fax channel channels room chat conversation group "
    "groups audience team url urls uri link href webhook callback endpoint host hostname domain server destination dest remote"
)
_SECRETS = bag("password passwd passphrase pin secret token apikey credential credentials")
_KEYS = bag("api access private public ssh secret signing encryption")
_THINGS = bag(
    "id ids uuid guid ref reference number name names file files path paths filename folder directory branch table database "
    "project resource object item record entry document page issue ticket order event booking reservation subscription image "
    "instance cluster bucket repo repository key slug target"
)
_NEVER = bag(
    "date dates time times day days start end until since deadline datetime when timestamp month year query queries q search filter "
    "keyword keywords term terms pattern limit count size offset page sort format language locale timezone subject title"
)
_ADDRESS = re.compile(
    r"[\w.+'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}|[A-Za-z][A-Za-z0-9+.-]{1,15}://\S{3,2000}|[A-Z]{2}\d{2}[A-Z0-9]{10,30}"
)
_ACCOUNT = re.compile(r"\b[A-Z]{2}\d{2}[A-Z0-9]{10,30}\b")
_SHORT = 120
_MUTE = frozenset({int, float, bool, type(None)})
"""Types of values that say nothing unless their name does."""
_make_aimed = maker(Aimed)
_MAX_AIMS = 200
_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Aims:
    """What the arguments of one tool decide, worked out once. ``open``: fields for a few words, such as a title."""

    known: Mapping[str, Aim | None]
    open: frozenset[str]

    def of(self, data: Json, decisive: tuple[str, ...] = ()) -> tuple[Aimed, ...]:
        """The deciding values of one call. ``decisive``: arguments (dotted) the policy says decide it."""
        if not data or (type(data) is not dict and not isinstance(data, Mapping)):
            return ()
        found: list[Aimed] = []
        self._below(data, (), None, 0, found)
        if not decisive:
            return tuple(found[:_MAX_AIMS])
        met = {a.path for a in found}
        for dotted in decisive:
            path: Path = tuple(dotted.split("."))
            if path not in met and not any(p[: len(path)] == path for p in met) and self._speaks(path):
                found += self._named_by_policy(data, path)
        return tuple(found[:_MAX_AIMS])

    def _speaks(self, path: Path) -> bool:
        """Whether an argument the policy names can be looked up at all; prose, dates and small amounts cannot."""
        name = str(path[-1])
        words = split_words(name)
        return not ("prose" in kinds_of_name(name) or "money" in kinds_of_name(name) or (words and words[-1] in _NEVER))

    def _named_by_policy(self, data: Json, path: Path) -> Iterator[Aimed]:
        for step in path:
            data = data.get(step) if isinstance(data, Mapping) else None
        if isinstance(data, str | int | float) and not isinstance(data, bool) and data != "":
            yield Aimed(path=path, aim=Aim.THING, name=".".join(map(str, path)))

    def _below(self, value: Json, path: Path, aim: Aim | None, depth: int, found: list[Aimed]) -> None:
        kind = type(value)
        if depth > _MAX_DEPTH or (aim is None and kind in _MUTE):
            return
        if kind is str or isinstance(value, str):
            if value.strip():
                found += self._scalar(value, path, aim)
        elif kind is dict or isinstance(value, Mapping):
            for key, item in value.items():
                own = self.known[key] if key in self.known else _aim_of_name(str(key))
                own = own if own is not None or key in self.known else aim
                self._below(item, (*path, key), own, depth + 1, found)
        elif kind is list or isinstance(value, list | tuple):
            for index, item in enumerate(value):
                self._below(item, (*path, index), aim, depth + 1, found)
        elif aim is not None and isinstance(value, int | float) and kind is not bool:
            found += self._scalar(value, path, aim)

    def _scalar(self, value: str | float, path: Path, aim: Aim | None) -> Iterator[Aimed]:
        top = str(path[0])
        name = top if top in self.known else ""
        if aim is Aim.AMOUNT:
            amount = amount_of(value)
            if amount is None or abs(amount) >= LARGE_AMOUNT:
                yield Aimed(path=path, aim=aim, name=name)
        elif aim is not None:
            yield _make_aimed(path=path, aim=aim, name=name)
        elif isinstance(value, str) and len(value) <= 2_000 and _ADDRESS.fullmatch(value.strip()):
            yield Aimed(path=path, aim=Aim.PLACE, name=name)
        elif isinstance(value, str):
            if name in self.open and len(path) == 1 and len(value) <= _SHORT:
                yield Aimed(path=path, aim=Aim.TEXT, name=name)
            if "@" in value or "://" in value or "www." in value or "<" in value or _ACCOUNT.search(value):
                yield Aimed(path=path, aim=Aim.TEXT, name=name, carried=True)


def aims_for(tool: Tool) -> Aims:
    """What the arguments of ``tool`` decide."""
    known: dict[str, Aim | None] = {}
    free: set[str] = set()
    for field in fields_of(tool.schema):
        aim = _aim_of_field(field)
        known[field.name] = known.get(field.name) or aim
        if field.top == field.name and aim is None and _is_open(field):
            free.add(field.name)
    return Aims(known=known, open=frozenset(free))


def _is_open(field: Field) -> bool:
    """Whether a field holds a few words of its own: a title, a city, a hotel; not a long text, a date or a search."""
    last = field.words[-1] if field.words else ""
    titled = last in ("title", "subject", "name")
    return field.free and (titled or (last not in _NEVER and "prose" not in kinds_of_name(field.name)))


def _aim_of_field(field: Field) -> Aim | None:
    if not field.free and not (field.kinds and field.kinds <= {"integer", "number", "null"}):
        return None
    aim = _aim_of_name(field.name)
    if aim is Aim.PLACE and field.words[-1:] == ("to",) and re.search(r"date|time", field.description, re.IGNORECASE):
        return None
    return aim


def _aim_of_name(name: str) -> Aim | None:
    """What an argument's name says it decides, if anything."""
    words = split_words(name)
    if not words:
        return None
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    kinds = kinds_of_name(name)
    if last in _SECRETS or (last == "key" and before in _KEYS):
        return Aim.SECRET
    if last in _PLACES or (last in ("id", "ids", "name", "number", "address") and before in _PLACES):
        return Aim.PLACE
    if kinds & {"sql", "shell", "code"}:
        return Aim.COMMAND
    if "money" in kinds:
        return Aim.AMOUNT
    if last in _NEVER or "prose" in kinds:
        return None
    if kinds & {"recipient", "url"}:
        return Aim.PLACE
    if last in _THINGS or "path" in kinds:
        return Aim.THING
    return None
