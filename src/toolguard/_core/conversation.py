"""What was said in a session, and by whom: the index in which the values of a call are looked up.

It holds what the model saw, tokens as tokens. Only the user's and the application's own words say something; a result
is only heard, whatever it claims, and what the model wrote itself is neither. Where it is full it forgets what comes
later, so that more values count as not said, never fewer.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from toolguard._core.call import Json
from toolguard._core.frozen import maker
from toolguard._core.links import Links
from toolguard._core.mask import Path
from toolguard._core.provenance import UNTRACED, Aim, Aimed, CameFrom, Provenance, Traced, worst

__all__ = ["Conversation"]

MAX_SAID = 1_000_000
"""Characters of the user's and of the application's words, each, that are kept."""
MAX_HEARD = 4_000_000
"""Characters of results that are kept; beyond, a value of a result counts as the model's own, which is no better."""
MAX_WAITING = 20_000
"""Texts that wait to be taken in; they wait for the first call that has anything to look up."""
MAX_TEXTS = 200_000
_MAX_VALUE = 20_000

_ATOM = re.compile(r"<[A-Z][A-Z0-9_]*_M?\d+[a-z]*>|\w(?:[\w.@+\-]*\w)?")
"""A word, number, name, address or token. What stands between two of them (blanks, quotes, slashes) is not compared."""
_NUMBER = re.compile(r"(?<![\w.,])(?:\d{1,3}(?:[,'\u00a0\u202f ]\d{3})+|\d+)(?:\.\d+)?(?![\w]|[.,]\d)")
_RUN_ON = re.compile(r"(?<=[a-z0-9])\.(?=[A-Z][a-z]*(?![\w.@\-]))")
"""A sentence that begins without a blank: ``www.example.org.They say``."""
_CARRIED = re.compile(
    r"<(?:EMAIL|URL|IP|PHONE|ACCOUNT|IBAN)_M?\d+[a-z]*>|[\w.+\-]{1,64}@[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,8}"
    r"|(?:[A-Za-z][A-Za-z0-9+.\-]{1,15}://|www\.)[^\s<>\"'`]{3,2000}|\b[A-Z]{2}\d{2}[A-Z0-9]{10,30}\b"
)
_MAX_CARRIED = 20
_QUOTED = re.compile(
    r"(?<!\w)(?:'([^'\n]{1,120})'|\"([^\"\n]{1,120})\"|`([^`\n]{1,120})`)(?!\w)|[“„‘«]([^”“’»\n]{1,120})[”“’»]|[#@](\w[\w.\-]{0,60})"
)
_HOST = re.compile(
    r"\b[a-z][a-z0-9+.\-]*://(?:[^/\s?#@]*@)?([^/\s?#@:]+)|(?<![\w@.\-])((?:[a-z0-9\-]+\.)+[a-z]{2,24})(?![\w@])",
    re.IGNORECASE,
)
_URL = re.compile(
    r"(?:[a-z][a-z0-9+.\-]*://)?([a-z0-9](?:[a-z0-9\-.]*[a-z0-9])?)(?::\d{1,5})?(?:[/?#][!-~]*)?", re.IGNORECASE
)
_MAILBOX = re.compile(r"[^<>]{0,200}<([^<>@\s]+@[^<>@\s]+)>\s*")
_PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_CONTAINERS = frozenset({"channel", "room", "thread", "folder", "file", "inbox", "calendar", "event", "document"})
"""What records stand in, so that who says "the general channel" has named one."""
_STOP_WORDS = (
    "a about above after again all also am an and another any anybody anyone anything are as at back be because been "
    "before being below between both but by can cannot could did do does doing done down during each either else every "
    "everybody everyone everything few for from further get give go had has have having he hello her here hers him his "
    "how i if in into is it its just last least less let like make many may me more most much must my need never new next no "
    "nobody none nor not nothing now of off ok okay on once one only or other others our out over own per please read "
    "same see send she should show so some somebody someone something such sure take tell than thank thanks that the "
    "their them then there these they this those through to today tomorrow too two under until up us use very via want was "
    "we well were what when where which while who whom whose why will with without would yes yesterday yet you your "
    "group list member members people person public recipient staff team user users"
)
_STOP = frozenset(_STOP_WORDS.split())
_BESIDE_ANYTHING = _STOP - frozenset({"group", "list", "member", "members", "team", "user", "users"})
"""Words that name nobody and nothing by themselves, whoever says them."""


class _Voice:
    """What one speaker said."""

    __slots__ = ("atoms", "capital", "hosts", "left", "marked", "numbers", "text")

    def __init__(self, room: int) -> None:
        self.text = " "
        self.atoms: set[str] = set()
        self.capital: set[str] = set()
        self.marked: set[str] = set()
        self.numbers: set[Decimal] = set()
        self.hosts: set[str] = set()
        self.left = room

    def say(self, raw: str) -> None:
        if len(raw) > self.left:
            return
        self.left -= len(raw)
        text = unicodedata.normalize("NFKC", raw)
        found = _ATOM.findall(text)
        if _RUN_ON.search(text):
            found += ["\n", *_ATOM.findall(_RUN_ON.sub(". ", text))]
        self.text += " ".join(map(str.lower, found)) + " \n "
        self.atoms.update(map(str.lower, found))
        self.atoms.discard("\n")
        if sum(map(str.isupper, text)) <= sum(map(str.islower, text)):  # of a text in capitals none tells anything
            self.capital.update(a.lower() for a in found if a[0].isupper())
        for groups in _QUOTED.findall(text):
            self.marked.add(_stream(next(filter(None, groups), "")))
        self.numbers.update(n for n in map(_number, _NUMBER.findall(text)) if n is not None)
        self.hosts.update(_plain_host(a or b) for a, b in _HOST.findall(text))

    def names(self, stream: str, beside: frozenset[str]) -> bool:
        """Whether this value was said, and so that it means something.

        A word that could be any word counts only where it is quoted, capitalised, or stands beside the name of its
        argument: who says "in general" has not named the channel "general".
        """
        words = stream.split(" ")
        if len(words) == 1:
            if stream not in self.atoms:
                return False
            return _particular(stream) or (
                stream not in _STOP
                and (
                    stream in self.marked
                    or (len(stream) > 2 and stream in self.capital)
                    or self._beside(stream, beside)
                )
            )
        if f" {stream} " not in self.text:
            return False
        return len(stream) >= 6 and any(len(w) > 2 and w not in _STOP for w in words)

    def spells(self, value: str) -> bool:
        """Whether a number of an account was said in groups (``GB29 NWBK 6016 …``)."""
        if not 8 <= len(value) <= 64 or not value.isalnum() or sum(map(str.isdigit, value)) < 4:
            return False
        return value in self.atoms or re.search(" " + "[ .\\-]?".join(value) + " ", self.text) is not None

    def _beside(self, stream: str, beside: frozenset[str]) -> bool:
        word = re.escape(stream)
        for name in beside:
            if re.search(rf" {re.escape(name)}s? (?:\S+ )?{word} | {word} {re.escape(name)}s? ", self.text):
                return True
        return False


_make_traced, _make_provenance = maker(Traced), maker(Provenance)


class Conversation:
    """One session's words. ``tell`` is cheap, and the work waits for ``trace``. One thread at a time."""

    def __init__(self) -> None:
        self._known: set[tuple[str, int]] = set()
        self._waiting: deque[tuple[CameFrom, str]] = deque()
        self._records: deque[Json] = deque()
        self._voices = {CameFrom.USER: _Voice(MAX_SAID), CameFrom.SYSTEM: _Voice(MAX_SAID)}
        self._heard_atoms: set[str] = set()
        self._heard_texts: list[str] = []
        self._room = MAX_HEARD
        self._links = Links()
        self._heard = False

    @property
    def cold(self) -> bool:
        """Whether nobody has told anything yet."""
        return not self._known

    def tell(self, value: Json, came: CameFrom, *, records: bool = False, strange: bool = True) -> None:
        """Take in what ``came`` from the user, the application or a result, as the model sees it; each text once.

        Args:
            records: its structure is the tool's own, so that the fields of one object belong together.
            strange: of a result, whether it may hold text of strangers that speaks to the model.
        """
        if came is CameFrom.RESULT and strange:
            self._heard = True
        if records and len(self._records) < MAX_WAITING:
            self._records.append(value)
        for text in _texts(value, keys=came is CameFrom.RESULT):
            key = (came.value, hash(text))
            if key not in self._known and len(self._waiting) < MAX_WAITING and len(self._known) < MAX_TEXTS:
                self._known.add(key)
                self._waiting.append((came, text))

    def trace(self, wanted: Sequence[tuple[Aimed, Json]]) -> Provenance:
        """Where each of these values came from. The value is the one the model wrote."""
        if self._waiting or self._records:
            self._take_in()
        found = [self._traced(aimed, value) for aimed, value in wanted]
        traced = tuple([t for t in found if t is not None])
        return _make_provenance(traced=traced, heard=self._heard, cold=self.cold)

    def trace_call(self, aimed: Iterable[Aimed], data: Json, written: Json, schema: Mapping[str, Json]) -> Provenance:
        """Where the deciding values of a call came from.

        Args:
            data: what the tool would get.
            written: what the model wrote, which is what it may have read before; ``data`` may hold clear values.
            schema: the tool's own; what it puts in where the model wrote nothing is the application's word.
        """
        wanted: list[tuple[Aimed, Json]] = []
        defaults: list[Traced] = []
        for item in aimed:
            value = _at(written, item.path)
            if value is None and _is_default(item.path, _at(data, item.path), schema):
                defaults.append(Traced(path=item.path, aim=item.aim, name=item.name, came=CameFrom.SYSTEM))
            else:
                wanted.append((item, _at(data, item.path) if value is None else value))
        if not wanted and not defaults:
            return UNTRACED
        provenance = self.trace(wanted)
        return replace(provenance, traced=(*provenance.traced, *defaults)) if defaults else provenance

    def _take_in(self) -> None:
        while self._waiting:
            came, text = self._waiting.popleft()
            voice = self._voices.get(came)
            if voice is not None:
                voice.say(text)
            elif len(text) <= self._room:
                self._room -= len(text)
                found = _ATOM.findall(unicodedata.normalize("NFKC", text).lower())
                self._heard_atoms.update(found)
                self._heard_texts.append(f" {' '.join(found)} ")
        while self._records:
            self._links.add(self._records.popleft(), _stream)

    def _traced(self, aimed: Aimed, value: Json) -> Traced | None:
        texts = _carried(value) if aimed.carried else _parts(aimed.aim, value)
        if aimed.carried and not texts:
            return None
        parts = [self._part(aimed, text) for text in texts]
        came = (parts[0][0] if len(parts) == 1 else worst([c for c, _ in parts])) or CameFrom.MODEL
        listed = came is CameFrom.RESULT and all(held for c, held in parts if c is CameFrom.RESULT)
        outside = next(filter(None, map(_outside, texts)), "")
        pointed = outside == "url" and came is CameFrom.RESULT and all(self._pointed(_stream(text)) for text in texts)
        return _make_traced(
            path=aimed.path, aim=aimed.aim, name=aimed.name, came=came, listed=listed, outside=outside, pointed=pointed
        )

    def _part(self, aimed: Aimed, text: str) -> tuple[CameFrom, bool]:
        """Where one value came from, and whether it is a field of a record."""
        stream = _stream(text)
        for speaker, voice in self._voices.items():
            if voice.atoms and self._said(voice, aimed.aim, text, stream, _field_words(aimed.path)):
                return speaker, False
        listed = self._links.holds(stream)
        if listed and (
            self._links.tied(stream, self._named) or (not _outside(text) and self._links.meant(stream, self._named))
        ):
            return CameFrom.LINKED, True
        host = _host(text) if aimed.aim is Aim.PLACE else ""
        if host and any(host in voice.hosts for voice in self._voices.values()):
            return CameFrom.LINKED, listed
        if listed or self._is_heard(stream):
            return CameFrom.RESULT, listed
        if host and not self._heard_atoms.isdisjoint((host, f"www.{host}")):
            return CameFrom.RESULT, False  # another page, or a fragment, at an address that only a result named
        return CameFrom.MODEL, False

    def _named(self, stream: str) -> bool:
        return self._voices[CameFrom.USER].names(stream, frozenset())

    def _pointed(self, stream: str) -> bool:
        """Whether it stands in a text of a record that the user named."""
        user = self._voices[CameFrom.USER]
        return self._links.pointed(stream, lambda other: user.names(other, _CONTAINERS))

    def _said(self, voice: _Voice, aim: Aim, text: str, stream: str, beside: frozenset[str]) -> bool:
        if not stream:
            return False
        if aim is Aim.AMOUNT:
            number = _number(text)
            return number is not None and number in voice.numbers
        if voice.names(stream, beside):
            host = _host(text)
            return not host or "://" not in text or host in voice.hosts
        return aim in (Aim.PLACE, Aim.THING) and voice.spells(stream.replace(" ", "").replace("-", ""))

    def _is_heard(self, stream: str) -> bool:
        if " " not in stream:
            return stream in self._heard_atoms
        needle = f" {stream} "
        return any(needle in text for text in self._heard_texts)


def _at(data: Json, path: Path) -> Json:
    for step in path:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _is_default(path: Path, value: Json, schema: Mapping[str, Json]) -> bool:
    """Whether the tool's schema itself puts ``value`` there."""
    fields = schema.get("properties")
    field = fields.get(path[0]) if isinstance(fields, Mapping) else None
    if not isinstance(field, Mapping) or "default" not in field:
        return False
    return bool(_at(field["default"], path[1:]) == value)


def _texts(value: Json, *, keys: bool) -> Iterator[str]:
    """Every text and number of ``value``; of what a person said the keys are the program's."""
    if isinstance(value, str):
        if value:
            yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if keys and isinstance(key, str):
                yield key
            yield from _texts(item, keys=keys)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item, keys=keys)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield repr(value)


def _parts(aim: Aim, value: Json) -> tuple[str, ...]:
    """What has to be looked up: each address of a list of addresses, else the whole value."""
    text = value[:_MAX_VALUE] if isinstance(value, str) else "" if value is None else repr(value)
    if aim is not Aim.PLACE or "@" not in text or "://" in text:
        return (text,)
    pieces = [p for p in re.split(r"[,;\n]", text) if p.strip()]
    boxes = [_MAILBOX.fullmatch(piece) for piece in pieces]
    return tuple(box[1] if box else piece.strip() for box, piece in zip(boxes, pieces, strict=True))


def _carried(value: Json) -> tuple[str, ...]:
    """The addresses in a text."""
    if not isinstance(value, str):
        return ()
    found = (m[0].rstrip(".,;:!?)]}") for m in _CARRIED.finditer(value[:_MAX_VALUE]))
    return tuple(dict.fromkeys(found))[:_MAX_CARRIED]


def _outside(text: str) -> str:
    """What kind of address in the world at large it is, if it is one."""
    plain = text.strip()
    if "://" in plain or plain.lower().startswith(("www.", "<url")):
        return "url"
    if "@" in plain[1:] or plain.startswith("<EMAIL"):
        return "mailbox"
    if _host(plain):
        return "url"
    return "account" if sum(map(str.isdigit, plain)) >= 8 or _CARRIED.fullmatch(plain) else ""


def _stream(text: str) -> str:
    """The words of ``text``, in small letters, one blank between."""
    start = text[:_MAX_VALUE]
    plain = start if start.isascii() else unicodedata.normalize("NFKC", start)
    return " ".join(map(str.lower, _ATOM.findall(plain)))


def _particular(atom: str) -> bool:
    """Whether a word can hardly be said by chance: an address, a host, an id, a long number, a token."""
    if atom[0] == "<" or "@" in atom:
        return True
    digits = sum(map(str.isdigit, atom))
    if digits == len(atom):
        return digits >= 5
    return (digits > 0 and len(atom) >= 5) or (len(atom) >= 5 and any(c in "._-+" for c in atom))


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(re.sub(r"[,' \u00a0\u202f]", "", text))
    except InvalidOperation:
        return None
    return number.normalize() if number.is_finite() else None


def _host(text: str) -> str:
    """The host of a plain URL or host name, else nothing: what two readers could read differently names no host."""
    found = _URL.fullmatch(text.strip()) if text.isascii() and "." in text else None
    return _plain_host(found[1]) if found else ""


def _plain_host(host: str) -> str:
    return host.lower().rstrip(".").removeprefix("www.")


def _field_words(path: Path) -> frozenset[str]:
    """The words of an argument's name, single; "to" and the like stand beside anything."""
    return _words_of(next((p for p in reversed(path) if isinstance(p, str)), ""))


@lru_cache(maxsize=1024)
def _words_of(name: str) -> frozenset[str]:
    words = {w.lower() for w in _PIECE.findall(name)} - _BESIDE_ANYTHING
    return frozenset(words | {w[:-1] for w in words if w.endswith("s") and len(w) > 3})
