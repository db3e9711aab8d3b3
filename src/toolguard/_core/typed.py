"""Typed fields: what a JSON Schema leaves room for where an identifier stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from toolguard._core.call import Json
from toolguard._core.surrogate import Form, spell

__all__ = ["FREE", "NOTHING", "Room", "room_at", "room_like", "rooms_in"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a field can hold.

    Attributes:
        token: any text of a token's kind.
        form: else, a surrogate of this form; ``time``: with a time of day, ``digits``: an integer written as text.
        number: a number stands there.
        null: nothing at all may stand there, too.
    """

    token: bool = False
    form: Form | None = None
    time: bool = False
    digits: bool = False
    number: bool = False
    null: bool = False

    def spelled(self, number: int) -> str | int | None:
        """Surrogate ``number`` as this field wants it; None where it can hold none."""
        made = None if self.form is None else spell(self.form, number, time=self.time)
        return str(made) if self.digits and made is not None else made

    def nearest(self, text: str) -> Json:
        """What says as much as ``text`` (a year, the first of ten years of age) where a token cannot stand; no value
        of anybody's, where it says nothing. Where the field holds nothing of the kind, ``text`` itself.
        """
        number = re.match(r"([1-9][0-9]{3})(?: or before)?\Z|([0-9]{1,3})(?:-[0-9]+|\+)\Z", text)
        if self.form is Form.DATE and number and number[1]:
            return f"{number[1]}-01-01" + "T00:00:00Z" * self.time
        if number and (self.number or self.digits):
            return int(number[1] or number[2]) if self.number else number[1] or number[2]
        made = self.spelled(0)
        return made if made is not None or self.null else text


FREE = Room(token=True)
NOTHING = Room()
_SAMPLE = 1
_DEEPEST = 40


def room_at(schema: Mapping[str, Json] | None, path: tuple[str | int, ...], token: str) -> Room:
    """What the place at ``path`` of a value of ``schema`` can hold; ``token`` is the text that wants to stand there.

    What a schema does not say is not forbidden: a place it does not describe holds any token.
    """
    return FREE if not schema else _room(schema, schema, path, token, 0)


def rooms_in(schema: Json, token: str) -> frozenset[Room]:
    """Every kind of field of ``schema`` that holds a surrogate, and no ``token``."""
    found: set[Room] = set()
    open_nodes = [schema]
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, Mapping):
            room = _own(node, token)
            if room.form is not None and not room.token:
                found.add(replace(room, null=False))
            open_nodes += node.values()
        elif isinstance(node, list):
            open_nodes += node
    return frozenset(found)


def room_like(text: str) -> Room:
    """The field that ``text`` looks as if it stood in: a date for a date; `FREE` for what has no form of its own."""
    return next((room for pattern, room in _LIKE if pattern.fullmatch(text)), FREE)


_LIKE: tuple[tuple[re.Pattern[str], Room], ...] = tuple(
    (re.compile(pattern), room)
    for pattern, room in (
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}", Room(form=Form.DATE)),
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(?:Z|[+-][0-9:]+)?", Room(form=Form.DATE, time=True)),
        (r"[0-9]{4,}", Room(form=Form.INTEGER, digits=True)),
        (r"[^@\s]+@[^@\s]+\.[^@\s]+", Room(form=Form.EMAIL)),
        (r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", Room(form=Form.UUID)),
        (r"https?://\S+", Room(form=Form.URI)),
        (r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}", Room(form=Form.IPV4)),
        (r"[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*", Room(form=Form.IPV6)),
    )
)


def _room(root: Mapping[str, Json], node: Json, path: tuple[str | int, ...], token: str, depth: int) -> Room:
    if not isinstance(node, Mapping) or depth > _DEEPEST:
        return FREE
    if "$ref" in node:
        return _room(root, _referred(root, node["$ref"]), path, token, depth + 1)
    rooms = [_own(node, token)] if not path else []
    if path:
        rooms += [_room(root, inner, path[1:], token, depth + 1) for inner in _steps(node, path[0])]
    rooms += [_room(root, part, path, token, depth + 1) for part in _list(node.get("allOf"))]
    for word in ("anyOf", "oneOf"):
        options = [_room(root, part, path, token, depth + 1) for part in _list(node.get(word))]
        if options:
            rooms.append(_widest(options))
    narrow = [r for r in rooms if not r.token]
    if not narrow:
        return FREE
    return narrow[0] if all(r.form is narrow[0].form for r in narrow) else NOTHING


def _widest(options: list[Room]) -> Room:
    """What fits one of several schemas."""
    null = any(r.null for r in options)
    real = [r for r in options if r is not _NULL]
    best = next((r for r in real if r.token), None) or next((r for r in real if r.form), NOTHING)
    return replace(best, null=null)


_NULL = Room(null=True)


def _own(node: Mapping[str, Json], token: str) -> Room:
    """What a node's own words leave room for."""
    kinds = node.get("type")
    if isinstance(kinds, list):
        return _widest([_own({**node, "type": kind}, token) for kind in kinds]) if kinds else FREE
    if kinds == "null":
        return _NULL
    if "const" in node or isinstance(node.get("enum"), list):
        allowed = node["enum"] if "enum" in node else [node["const"]]
        return FREE if token in allowed else Room(null=None in allowed)
    if kinds == "string" or (kinds is None and ("format" in node or "pattern" in node)):
        return _text(node, token)
    if kinds in ("integer", "number"):
        sample = spell(Form.INTEGER, _SAMPLE)
        return Room(form=Form.INTEGER if _within(node, sample) else None, number=True)
    return NOTHING if kinds in ("boolean", "array", "object") else FREE


_FORMS: Mapping[str, tuple[Form, bool]] = {
    "date": (Form.DATE, False),
    "date-time": (Form.DATE, True),
    "email": (Form.EMAIL, False),
    "idn-email": (Form.EMAIL, False),
    "uuid": (Form.UUID, False),
    "uuid4": (Form.UUID, False),
    "uri": (Form.URI, False),
    "uri-reference": (Form.URI, False),
    "url": (Form.URI, False),
    "iri": (Form.URI, False),
    "hostname": (Form.HOSTNAME, False),
    "ipv4": (Form.IPV4, False),
    "ipv6": (Form.IPV6, False),
}
_CLOSED = frozenset({"time", "duration", "json-pointer", "regex", "byte", "binary", "base64", "ipvanyaddress"})


def _text(node: Mapping[str, Json], token: str) -> Room:
    word = str(node.get("format"))
    if word in _FORMS:
        form, time = _FORMS[word]
        made = str(spell(form, _SAMPLE, time=time))
        return Room(form=form, time=time) if _fits(node, made) else NOTHING
    if word in _CLOSED:
        return NOTHING
    if _fits(node, token):
        return FREE
    return Room(form=Form.INTEGER, digits=True) if _fits(node, str(spell(Form.INTEGER, _SAMPLE))) else NOTHING


def _fits(node: Mapping[str, Json], text: str) -> bool:
    least, most, pattern = node.get("minLength"), node.get("maxLength"), node.get("pattern")
    if (isinstance(least, int) and len(text) < least) or (isinstance(most, int) and len(text) > most):
        return False
    if not isinstance(pattern, str):
        return True
    try:
        return re.search(pattern, text) is not None
    except re.error:  # written for another engine: nobody can say what it takes
        return False


def _within(node: Mapping[str, Json], number: Json) -> bool:
    bounds = ("minimum", number.__ge__), ("maximum", number.__le__)
    strict = ("exclusiveMinimum", number.__gt__), ("exclusiveMaximum", number.__lt__)
    for word, holds in (*bounds, *strict):
        bound = node.get(word)
        if isinstance(bound, int) and not isinstance(bound, bool) and not holds(bound):
            return False
        if isinstance(bound, float) and not holds(int(bound)):
            return False
    return node.get("multipleOf", 1) in (1, 0.1, 0.01, 0.001)


def _steps(node: Mapping[str, Json], step: str | int) -> Iterator[Json]:
    """The schemas of ``node`` that speak of what stands at ``step``."""
    if isinstance(step, int):
        first = _list(node.get("prefixItems"))
        if step < len(first):
            yield first[step]
        elif isinstance(node.get("items"), Mapping):
            yield node["items"]
        return
    named = node.get("properties")
    if isinstance(named, Mapping) and step in named:
        yield named[step]
    elif isinstance(node.get("additionalProperties"), Mapping):
        yield node["additionalProperties"]


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _referred(root: Mapping[str, Json], reference: Json) -> Json:
    """What a reference inside the same document points at."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    node: Json = root
    for part in reference.lstrip("#").split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, Mapping) or key not in node:
            return None
        node = node[key]
    return node
