"""Surrogates in arguments: back to tokens when the model passes them, and in the place of tokens where a tool's schema
wants a date, a number or an address. And those that a model is told of, for an answer of that kind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from toolguard._core.call import Arguments, Json, freeze
from toolguard._core.dates import read_date
from toolguard._core.flow.masking import meanings, slot_need, token_findings
from toolguard._core.flow.setting import Flow
from toolguard._core.mask import Finding, Path, apply_findings, whole_leaf
from toolguard._core.masking import Masking, Typed
from toolguard._core.steps import Allocate
from toolguard._core.surrogate import Form
from toolguard._core.typed import Room, room_at, room_like, rooms_in
from toolguard._core.vault import LITERAL, SLOTS, Need, Token, has_token, tokens_in
from toolguard.errors import BadArgumentsError

__all__ = ["Surrogate", "as_numbers", "surrogates_for", "with_surrogates", "with_tokens"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrogate:
    """What may stand for ``token`` in a field that holds none; ``field`` names the kind of field: ``date``, ``integer``, …"""

    token: str
    field: str
    value: str | int


MOST_SURROGATES = 100
"""How many `surrogates_for` gives at most, of the tokens that stand last."""


def with_tokens(written: Arguments) -> Flow[tuple[Arguments, Mapping[Token, str], frozenset[Path]]]:
    """The arguments with the session's surrogates as the tokens they stand for.

    Returns:
        The arguments, the values of the tokens in them, and where numbers stood.
    """
    if not has_token(written.canonical):
        return written, {}, frozenset()
    known = yield from meanings(tokens_in(written.data))
    values = {t: v for t, v in known.values.items() if t not in known.stands}
    if not known.stands:
        return written, values, frozenset()
    found = {f: known.stands[t] for f, t in token_findings(written.data) if t in known.stands and not f.key}
    numbers = frozenset(f.path for f in found if not isinstance(_at(written.data, f.path), str))
    data = apply_findings(written.data, tuple(found), lambda f, _: str(found[f]))
    return freeze(data), values, numbers


def _at(data: Json, path: Path) -> Json:
    for step in path:
        data = data[step]
    return data


_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")


def as_numbers(data: Json, places: frozenset[Path], here: Path = ()) -> Json:
    """``data`` with the text of an integer at any of ``places`` as that integer: there stood one."""
    if not places:
        return data
    if isinstance(data, Mapping):
        return {key: as_numbers(item, places, (*here, key)) for key, item in data.items()}
    if isinstance(data, list | tuple):
        return [as_numbers(item, places, (*here, i)) for i, item in enumerate(data)]
    return int(data) if here in places and isinstance(data, str) and _INTEGER.fullmatch(data) else data


def with_surrogates(
    data: Json, schema: Mapping[str, Json], names: Mapping[Token, str], masking: Masking
) -> Flow[tuple[Json, Mapping[Token, Token]]]:
    """``data`` with surrogates for tokens where ``schema`` leaves no room for one, and what each stands for.

    A number gets none: it may be an amount or a limit, and no tool is to work with a made-up one.

    Raises:
        BadArgumentsError: a surrogate would be needed, and none fits or the policy refuses them.
    """
    if not names or not schema:
        return data, {}
    rooms: dict[Finding, tuple[Token, Room]] = {}
    for finding, token in token_findings(data):
        if finding.key or token not in names:
            continue
        text = whole_leaf(data, finding)
        if text.strip() == text[finding.start : finding.end]:
            room = room_at(schema, finding.path, text)
            if not room.token:
                rooms[replace(finding, start=0, end=len(text))] = token, room
    if not rooms:
        return data, {}
    needs = {f: slot_need(room.form, token) for f, (token, room) in rooms.items() if room.form and _is_text(room)}
    if masking.typed is Typed.REFUSE or len(needs) < len(rooms):
        raise _refused()
    slots = cast("Mapping[Need, Token]", (yield Allocate(tuple(dict.fromkeys(needs.values())))))
    put: dict[Finding, Json] = {}
    stands: dict[Token, Token] = {}
    for finding, need in needs.items():
        token, room = rooms[finding]
        put[finding] = room.spelled(slots[need].index)
        if put[finding] is None:  # more dates than there are days
            raise _refused()
        stands[slots[need]] = token
    return apply_findings(data, tuple(put), lambda f, _: put[f]), stands


def surrogates_for(value: Json, schema: Json, masking: Masking) -> Flow[tuple[Surrogate, ...]]:
    """For the session's tokens in ``value``: what a model may write for each in the typed fields of ``schema``.

    A token gets one for each kind of field that its value would fit; a date that is written otherwise than the field wants is
    found out when it is turned back, and is no other date until then.
    """
    if masking.typed is Typed.REFUSE or not rooms_in(schema, "<ID_1>"):
        return ()
    tokens = list(dict.fromkeys(token for _, token in token_findings(value) if token.type not in (*SLOTS, LITERAL)))
    known = yield from meanings(frozenset(tokens))
    wanted: list[tuple[Token, Room]] = []
    for token in tokens:
        if token in known.values:
            forms = _forms(token, known.values[token])
            rooms = [room for room in rooms_in(schema, str(token)) if room.form in forms]
            wanted += [(token, room) for room in sorted(rooms, key=_field)]
    wanted = wanted[-MOST_SURROGATES:]
    if not wanted:
        return ()
    needs = [slot_need(room.form, token) for token, room in wanted if room.form is not None]
    slots = cast("Mapping[Need, Token]", (yield Allocate(tuple(dict.fromkeys(needs)))))
    given: list[Surrogate] = []
    for (token, room), need in zip(wanted, needs, strict=True):
        made = room.spelled(slots[need].index)
        if made is not None:
            given.append(Surrogate(token=str(token), field=_field(room), value=made))
    return tuple(given)


def _forms(token: Token, value: str) -> frozenset[Form | None]:
    """The forms that a value has, as it is written or by its kind."""
    form = Form.INTEGER if value.isdecimal() else room_like(value).form
    is_date = "DATE" in token.type or read_date(value) is not None
    return frozenset({form, Form.DATE}) if is_date else frozenset({form})


def _field(room: Room) -> str:
    if room.form is Form.INTEGER:
        return "integer" if room.number else "digits"
    return "date-time" if room.time else str(room.form).removeprefix("AS_").lower()


def _is_text(room: Room) -> bool:
    return room.form is not Form.INTEGER or room.digits


def _refused() -> BadArgumentsError:
    return BadArgumentsError(
        "an argument needs a protected value that this tool may not receive, and its type leaves no room for a "
        "token; the tool did not run. Trust the tool for that type, or let masking.typed give it a surrogate"
    )
