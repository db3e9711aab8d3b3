"""Masking as a flow: find, allocate tokens, put them in place; token-shaped text that is not ours is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import cast

from toolguard._core.call import Json
from toolguard._core.flow.setting import Flow
from toolguard._core.mask import Finding, Path, apply_findings, leaf_text, leaves, merge_findings, subtract, whole_leaf
from toolguard._core.masking import UNSAID, Masking, Typed
from toolguard._core.operators import ONE_WAY, Operator, one_way
from toolguard._core.steps import Allocate, Inspect, Now, Origin, Reveal
from toolguard._core.stream import Scalar, StreamMask, Window
from toolguard._core.surrogate import Form
from toolguard._core.typed import FREE, Room, room_at, room_like
from toolguard._core.vault import LITERAL, SLOTS, Namespace, Need, Token, canonical_form, may_hold_token, token_spans
from toolguard.errors import DetectionError

__all__ = [
    "Meanings",
    "apart",
    "mask",
    "mask_scalar",
    "mask_value",
    "mask_window",
    "meanings",
    "slot_need",
    "token_findings",
    "tokenise",
]


def mask_value(
    value: Json, origin: Origin, schema: Mapping[str, Json] | None = None, masking: Masking = UNSAID
) -> Flow[Json]:
    """``value`` with every identifier replaced by its token. Masking twice changes nothing."""
    masked, _ = yield from mask(value, origin, schema, keep_tokens=True, masking=masking)
    return masked


def mask(
    value: Json,
    origin: Origin,
    schema: Mapping[str, Json] | None,
    *,
    keep_tokens: bool,
    own: frozenset[str] = frozenset(),
    masking: Masking = UNSAID,
) -> Flow[tuple[Json, tuple[Finding, ...]]]:
    """Masked value and findings. Token-shaped text that is not ours, or may not be here, is escaped.

    What a detector takes for an identifier is one, also where it is shaped like a token. ``own`` is for `tokenise`.
    """
    findings = cast("tuple[Finding, ...]", (yield Inspect(value, origin, schema)))
    if not findings and not _may_hold_token(value):
        return value, findings
    findings, put = yield from apart(value, origin, findings, keep_tokens)
    namespace = Namespace.MODEL if origin is Origin.MODEL else Namespace.PROTECTED
    masked = yield from tokenise(value, put, namespace, own, schema=schema, masking=masking)
    return masked, findings


def mask_window(machine: StreamMask, window: Window, origin: Origin, masking: Masking, *, final: bool) -> Flow[str]:
    """What leaves a stream of text now, masked. What was given out before helps to find what comes, and stays."""
    text = window.text
    findings = cast("tuple[Finding, ...]", (yield Inspect(text, origin)))
    _, put = yield from apart(text, origin, findings, True)
    fixed = [(f.start, f.end) for f in (*put, *(f for f, _ in token_findings(text)))]
    start, end = machine.give(window, fixed, final=final)
    mine = tuple(
        replace(f, start=max(f.start, start) - start, end=min(f.end, end) - start)
        for f in put
        if f.end > start and f.start < end
    )
    namespace = Namespace.MODEL if origin is Origin.MODEL else Namespace.PROTECTED
    return str((yield from tokenise(text[start:end], mine, namespace, masking=masking)))


def mask_scalar(scalar: Scalar, origin: Origin, masking: Masking) -> Flow[Json]:
    """A key, string or number of a JSON stream, masked as if it stood in its object."""
    if scalar.key:
        masked = yield from mask_value({scalar.value: None}, origin, masking=masking)
        return next(iter(masked))
    if scalar.name is None:
        return (yield from mask_value(scalar.value, origin, masking=masking))
    masked = yield from mask_value({scalar.name: scalar.value}, origin, masking=masking)
    return next(iter(masked.values()))


def apart(
    value: Json, origin: Origin, findings: tuple[Finding, ...], keep_tokens: bool
) -> Flow[tuple[tuple[Finding, ...], tuple[Finding, ...]]]:
    """(identifiers, what to replace): tokens that are ours stay, token-shaped text that is not is replaced, too."""
    shaped = token_findings(value)
    if not shaped:
        return findings, findings
    ours: Mapping[Token, str] = {}
    if keep_tokens:
        ours = yield Reveal(frozenset(t for _, t in shaped))
    stay = [f for f, t in shaped if t in ours or _is_blank(t)]
    findings = subtract(findings, stay)
    if origin is Origin.MODEL:
        return findings, findings
    return findings, merge_findings((*findings, *(f for f, t in shaped if t not in ours and not _is_blank(t))))


def _is_blank(token: Token) -> bool:
    """Surrogate number 0 stands for nothing: something was redacted there."""
    return token.type in SLOTS and token.index == 0


_NUMBERS = "900000000"
"""What every number begins with that is a surrogate."""


def _may_hold_token(value: Json) -> bool:
    """A fast and safe no: False only if `leaves` of ``value`` hold nothing that reads as a token or a surrogate."""
    kind = type(value)
    if kind is str:
        return may_hold_token(value)
    if value is None or kind is bool:
        return False
    if kind is dict:
        return any(type(k) is not str or may_hold_token(k) or _may_hold_token(item) for k, item in value.items())
    if kind is list:
        return any(map(_may_hold_token, value))
    return kind not in (int, float) or str(value).startswith(_NUMBERS)


def token_findings(value: Json) -> list[tuple[Finding, Token]]:
    """Everything in ``value`` that reads as a token or a surrogate, as findings of type LITERAL."""
    if not _may_hold_token(value):
        return []
    return [
        (
            Finding(
                path=leaf.path,
                start=span.start,
                end=span.end,
                type=LITERAL,
                score=0.0,
                source="token",
                key=leaf.kind == "key",
            ),
            span.token,
        )
        for leaf in leaves(value)
        if leaf.kind != "number" or leaf.text.startswith(_NUMBERS)
        for span in token_spans(leaf.text)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meanings:
    """What tokens stand for. A surrogate's value is the value of the token that it stands for."""

    values: Mapping[Token, str] = field(default_factory=dict, repr=False)
    stands: Mapping[Token, Token] = field(default_factory=dict)
    """surrogate → the token it stands for."""

    def type_of(self, token: Token) -> str:
        return self.stands.get(token, token).type


def meanings(tokens: frozenset[Token]) -> Flow[Meanings]:
    """What ``tokens`` stand for; those this session never issued are left out."""
    found = cast("Mapping[Token, str]", (yield Reveal(tokens)))
    slots = {t: token_spans(v)[0].token for t, v in found.items() if t.type in SLOTS}
    if not slots:
        return Meanings(values=found)
    inner = cast("Mapping[Token, str]", (yield Reveal(frozenset(slots.values()))))
    stands = {slot: token for slot, token in slots.items() if token in inner}
    plain = {t: v for t, v in found.items() if t.type not in SLOTS}
    return Meanings(values={**inner, **plain, **{slot: inner[t] for slot, t in stands.items()}}, stands=stands)


def slot_need(form: Form, token: Token) -> Need:
    """What the vault numbers a surrogate of ``form`` for ``token`` under."""
    return Need(type=form.value, text=str(token))


def tokenise(
    value: Json,
    findings: tuple[Finding, ...],
    namespace: Namespace,
    own: frozenset[str] = frozenset(),
    *,
    schema: Mapping[str, Json] | None = None,
    masking: Masking = UNSAID,
) -> Flow[Json]:
    """``value`` with tokens for ``findings``, or what the policy's operators put in their place.

    ``own`` are canonical forms of values the model wrote itself: they stay its own wherever they come back, so that
    no echo tells it whether a guess is a protected value. Where ``schema`` leaves no room for a token, the whole
    field becomes a surrogate.

    Raises:
        DetectionError: such a field holds an identifier, and the policy refuses surrogates.
    """
    if not findings:
        return value
    operators = {} if namespace is Namespace.MODEL else masking.operators  # the model's own words need no other way
    kept = [f for f in findings if operators.get(f.type) is Operator.KEEP]
    places = _places(value, tuple(f for f in findings if f not in kept) if kept else findings, schema)
    operator = {f: operators.get(f.type, Operator.TOKEN) for f in places}
    if masking.typed is Typed.REFUSE and not all(room.token for room in places.values()):
        raise DetectionError(
            "an identifier stands in a field whose type leaves no room for a token, so the value is withheld; "
            "set masking.typed to surrogate, or let the field be text"
        )
    put: dict[Finding, Json] = {}
    one_way_only = {f: room for f, room in places.items() if operator[f] in ONE_WAY}
    if one_way_only:
        now: float = yield Now()
        year = 1970 + int(now // 31_556_952)
        put = {f: _one_way(operator[f], f, value, room, year) for f, room in one_way_only.items()}

    def need(finding: Finding) -> Need:
        text = leaf_text(value, finding)
        echo = bool(own) and canonical_form(finding.type, text) in own
        return Need(type=finding.type, text=text, namespace=Namespace.MODEL if echo else namespace)

    needs = {f: need(f) for f in places if f not in put}
    tokens: Mapping[Need, Token] = {}
    if needs:
        tokens = yield Allocate(tuple(dict.fromkeys(needs.values())))
    rooms = {
        f: room_like(n.text) if places[f].token and operator[f] is Operator.SURROGATE else places[f]
        for f, n in needs.items()
    }
    slots = {f: slot_need(room.form, tokens[needs[f]]) for f, room in rooms.items() if room.form is not None}
    numbers: Mapping[Need, Token] = {}
    if slots:
        numbers = yield Allocate(tuple(dict.fromkeys(slots.values())))
    for finding, wanted in needs.items():
        room, token = rooms[finding], tokens[wanted]
        slot = slots.get(finding)
        made = None if slot is None else room.spelled(numbers[slot].index)
        put[finding] = made if made is not None or (room.null and not room.token) else str(token)
    return apply_findings(value, tuple(put), lambda f, _: put[f])


def _one_way(operator: Operator, finding: Finding, value: Json, room: Room, year: int) -> Json:
    text = leaf_text(value, finding)
    made = one_way(operator, finding.type, text, year=year)
    if not room.token:
        return room.nearest(made)
    # what was replaced before and is found again stays as it is: "90+", of which a detector sees the "90"
    before = len(made) >= len(text) and whole_leaf(value, finding).startswith(made, finding.start)
    return text if before else made


def _places(value: Json, findings: tuple[Finding, ...], schema: Mapping[str, Json] | None) -> dict[Finding, Room]:
    """What to replace, with the room there is; in a typed field that is the whole of it, once."""
    if not schema:
        return dict.fromkeys(findings, FREE)
    places: dict[Finding, Room] = {}

    def place(finding: Finding) -> tuple[Path, bool]:
        return finding.path, finding.key

    for _, group in groupby(sorted(findings, key=lambda f: (tuple(map(str, f.path)), f.key, f.start)), key=place):
        here = list(group)
        best = max(here, key=lambda f: (f.score, f.end - f.start))
        room = FREE if best.key else room_at(schema, best.path, f"<{best.type}_1>")
        if room.token:
            places |= dict.fromkeys(here, room)
        else:
            places[replace(best, start=0, end=len(whole_leaf(value, best)))] = room
    return places
