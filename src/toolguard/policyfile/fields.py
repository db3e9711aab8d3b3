"""What the fields of a policy file may hold: words, names, durations, hours. Each says its own fault and its JSON Schema."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema

__all__ = [
    "Classes",
    "Controls",
    "Credentials",
    "Days",
    "EffectWord",
    "HandlingWord",
    "Hours",
    "Id",
    "Labels",
    "LevelWord",
    "MaskWord",
    "Name",
    "Names",
    "Offset",
    "Origins",
    "Packs",
    "Principals",
    "Reader",
    "ResultWord",
    "Seconds",
    "Taints",
    "Types",
    "Version",
]

EffectWord: TypeAlias = Literal["allow", "mask", "require_approval", "deny"]
LevelWord: TypeAlias = Literal["low", "medium", "high", "critical"]
HandlingWord: TypeAlias = Literal["pass", "mask", "unmask", "default"]
ResultWord: TypeAlias = Literal["pass", "mask"]
TaintWord: TypeAlias = Literal["untrusted", "phi"]
LabelWord: TypeAlias = Literal["untrusted", "phi", "unknown"]
OriginWord: TypeAlias = Literal["user", "system", "linked", "result", "model"]
ClassWord: TypeAlias = Literal[
    "read", "write", "communication", "financial", "exfiltration", "privilege", "code_execution", "destructive"
]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = r"^[0-9]+(\.[0-9]+)?[smhd]$"
_ONE_YEAR = 366 * 86400.0


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _seconds(value: Any) -> Any:
    text = str(value)
    if not re.fullmatch(_DURATION, text):
        raise ValueError("is not a duration; write a number and a unit (s, m, h or d), such as 30m, 1h or 2d")
    seconds = float(text[:-1]) * _UNITS[text[-1]]
    if not 0 < seconds <= _ONE_YEAR:
        raise ValueError("must be longer than nothing and at most a year; an approval that never ends is no approval")
    return seconds


def _withholding(value: Any) -> Any:
    if value in ("pass", "unmask", "default"):
        raise ValueError(
            f"a rule can only withhold, so {value!r} would do nothing here; write mask, or say {value} under tools"
        )
    return value


def _word(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _strings(item: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]})


MaskWord: TypeAlias = Annotated[Literal["mask"], BeforeValidator(_withholding)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^\S(.*\S)?$")]
Id = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Names = Annotated[
    list[Name], BeforeValidator(_listed), Field(min_length=1), _strings({"type": "string", "minLength": 1})
]
_TYPE = r"^[A-Z][A-Z0-9_]*$"
Types = Annotated[
    list[Annotated[str, Field(pattern=_TYPE)]],
    BeforeValidator(_listed),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _TYPE},
                {"type": "array", "items": {"type": "string", "pattern": _TYPE}},
            ]
        }
    ),
]
_DAYS: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_SPAN = r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
_OFFSET = r"^[+-](0[0-9]|1[0-4]):[0-5][0-9]$"


def _span(value: Any) -> Any:
    if isinstance(value, str) and value[:5] == value[6:]:
        raise ValueError(f"{value!r} ends when it begins; leave hours out for the whole day")
    return value


Hours = Annotated[
    list[Annotated[str, Field(pattern=_SPAN), BeforeValidator(_span)]],
    BeforeValidator(_listed),
    Field(min_length=1, max_length=24),
    _strings({"type": "string", "pattern": _SPAN}),
]
Days = Annotated[
    list[_DAYS],
    BeforeValidator(_listed),
    Field(min_length=1),
    _strings({"type": "string", "enum": list(get_args(_DAYS))}),
]
Offset = Annotated[str, Field(pattern=_OFFSET)]
_CREDENTIAL = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"
_READER = r"^[a-z][a-z0-9_]{0,63}$"
Credentials = Annotated[
    list[Annotated[str, Field(pattern=_CREDENTIAL)]],
    BeforeValidator(_listed),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _CREDENTIAL},
                {"type": "array", "items": {"type": "string", "pattern": _CREDENTIAL}},
            ]
        }
    ),
]
Classes = Annotated[
    list[ClassWord],
    BeforeValidator(_listed),
    Field(min_length=1),
    _strings({"type": "string", "enum": list(get_args(ClassWord))}),
]
Seconds = Annotated[float, BeforeValidator(_seconds), WithJsonSchema({"type": "string", "pattern": _DURATION})]
_CONTROL = r"^[a-z][a-z0-9_.-]{0,31}:[A-Za-z0-9][A-Za-z0-9 ()._/§-]{0,63}$"
Controls = Annotated[
    list[Annotated[str, Field(pattern=_CONTROL)]],
    BeforeValidator(_listed),
    Field(min_length=1, max_length=50),
    _strings({"type": "string", "pattern": _CONTROL}),
]
Principal = Annotated[str, Field(pattern=r"^(group|person|oncall):\S+$")]
Principals = Annotated[
    list[Principal],
    BeforeValidator(_listed),
    Field(min_length=1),
    _strings({"type": "string", "pattern": "^(group|person|oncall):"}),
]
Taints = Annotated[
    list[TaintWord],
    BeforeValidator(_listed),
    Field(min_length=1),
    _strings({"type": "string", "enum": list(get_args(TaintWord))}),
]
Labels = Annotated[
    list[LabelWord],
    BeforeValidator(_listed),
    Field(min_length=1),
    _strings({"type": "string", "enum": list(get_args(LabelWord))}),
]
Origins = Annotated[
    list[OriginWord],
    BeforeValidator(_listed),
    Field(min_length=1),
    _strings({"type": "string", "enum": list(get_args(OriginWord))}),
]
_PACK = r"^pack:[a-z0-9][a-z0-9_-]*(@[A-Za-z0-9][A-Za-z0-9._-]*)?$"
_PACK_SCHEMA: dict[str, Any] = {"type": "string", "pattern": _PACK}
Packs = Annotated[
    list[Annotated[str, Field(pattern=_PACK)]],
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [_PACK_SCHEMA, {"type": "array", "items": _PACK_SCHEMA}]}),
]
Version = Annotated[str, BeforeValidator(_word), WithJsonSchema({"type": ["string", "integer"]})]
Reader = Annotated[str, Field(pattern=_READER)]
