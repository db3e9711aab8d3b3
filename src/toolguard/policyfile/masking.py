"""The ``masking:`` section of a policy: its shape, and from it the core's `Masking`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeAlias

import re2
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from toolguard._core.masking import TYPES, Masking, Shape, Typed
from toolguard._core.operators import Operator
from toolguard._core.vault import RESERVED
from toolguard.policyfile.document import At, Document
from toolguard.policyfile.faults import Problem, did_you_mean

__all__ = ["MaskingModel", "ShapeModel", "build_masking", "check_masking", "declared_types"]

OperatorWord: TypeAlias = Literal[
    "token", "redact", "pseudonym", "fpe", "surrogate", "date_shift", "year", "age_bin", "zip3", "keep"
]
_TYPE = r"^[A-Z][A-Z0-9]*(_[A-Z][A-Z0-9]*){0,4}$"
_Type = Annotated[str, Field(pattern=_TYPE, max_length=64)]
_Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^\S(.*\S)?$")]
_LONGEST = 2000


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _list_of(item: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [item, {"type": "array", "items": item}]})


_Texts = Annotated[list[_Text], BeforeValidator(_listed), _list_of({"type": "string", "minLength": 1})]
_Types = Annotated[list[_Type], BeforeValidator(_listed), _list_of({"type": "string", "pattern": _TYPE})]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ShapeModel(_Model):
    """An identifier of the tenant's own."""

    name: _Text = Field(description="What the rule is called in findings.")
    type: _Type = Field(description="The identifier type, in capitals.")
    pattern: Annotated[str, Field(min_length=1, max_length=_LONGEST)] = Field(
        description="A regular expression in RE2's syntax; what it matches is the identifier."
    )
    labels: _Texts = Field(
        default_factory=list, description="Words of which one must stand before it, if any is given."
    )
    score: float = Field(default=0.9, gt=0, le=1, strict=False, description="Confidence of a finding.")


class MaskingModel(_Model):
    """What is an identifier here, and what takes its place."""

    profile: Literal["fast", "accurate"] = Field(default="fast", description="How identifiers are found in prose.")
    typed: Literal["surrogate", "refuse"] = Field(
        default="surrogate",
        description="What becomes of an identifier in a field that cannot carry a token: a stand-in of the field's type, or refusal.",
    )
    shapes: list[ShapeModel] = Field(default_factory=list, description="Identifiers of your own, by pattern.")
    deny: dict[_Text, _Type] = Field(
        default_factory=dict, description="Texts that are always identifiers: text to type."
    )
    allow: _Texts = Field(default_factory=list, description="Texts that never are identifiers.")
    fields: dict[_Text, _Type] = Field(
        default_factory=dict, description="Fields whose values are identifiers: field name to type."
    )
    types: _Types = Field(default_factory=list, description="Further types that a detector of your own finds.")
    operators: dict[_Type, OperatorWord] = Field(
        default_factory=dict, description="What takes an identifier's place, by type; a token where nothing is said."
    )


def check_masking(model: MaskingModel, document: Document, declared: frozenset[str]) -> Iterator[Problem]:
    """Faults that the shape alone does not show. ``declared``: types that any file of the policy adds."""
    seen: dict[str, int] = {}
    for index, shape in enumerate(model.shapes):
        at: At = ("masking", "shapes", index)
        if shape.name in seen:
            yield document.problem((*at, "name"), f"shape {shape.name!r} stands twice; rename one")
        seen.setdefault(shape.name, index)
        yield from _reserved(shape.type, (*at, "type"), document)
        fault = _pattern_fault(shape.pattern)
        if fault is not None:
            offset, message = fault
            yield document.problem((*at, "pattern"), message, offset=offset)
    for section in ("deny", "fields"):
        for name, type in getattr(model, section).items():
            yield from _reserved(type, ("masking", section, name), document)
    denied = {text.casefold() for text in model.deny}
    for index, text in enumerate(model.allow):
        if text.casefold() in denied:
            yield document.problem(("masking", "allow", index), "stands under deny, too; remove it from one of them")
    for type, word in model.operators.items():
        yield from _check_operator(type, word, document, declared)


def declared_types(model: MaskingModel) -> frozenset[str]:
    """Types this file adds to the known ones."""
    shaped = {shape.type for shape in model.shapes}
    return frozenset({*model.types, *model.deny.values(), *model.fields.values(), *shaped})


def _check_operator(type: str, word: str, document: Document, declared: frozenset[str]) -> Iterator[Problem]:
    at: At = ("masking", "operators", type)
    if type not in TYPES | declared:
        advice = f"{did_you_mean(type, TYPES | declared)}, or list your own types under masking.types"
        yield document.problem(at, f"no identifier type is called {type!r}; {advice}", key=True)
        return
    fitting = _FITTING.get(word)
    if fitting is not None and type in TYPES and type not in fitting:
        yield document.problem(
            at, f"{word} works on {' and '.join(sorted(fitting))} only and would redact every {type}; write redact"
        )


_DATES = frozenset({"DATE", "DATE_OF_BIRTH"})
_FITTING = {"date_shift": _DATES, "year": _DATES, "age_bin": frozenset({"AGE"}), "zip3": frozenset({"ZIP"})}


def _reserved(type: str, at: At, document: Document) -> Iterator[Problem]:
    if type in RESERVED:
        yield document.problem(at, f"{type} is a type of toolguard's own; choose another name")


_NOT_LINEAR = re.compile(r"\(\?<?[=!]|\(\?P=|\(\?>|\(\?\(|\\[1-9]")


def _pattern_fault(pattern: str) -> tuple[int | None, str] | None:
    """(where in the pattern, what is wrong and what to do), or None."""
    options = re2.Options()
    options.log_errors = False  # it would print the pattern
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as failure:
        odd = _NOT_LINEAR.search(pattern)
        if odd is not None:
            return odd.start(), (
                f"{odd[0]!r} is not supported, because such patterns can take for ever; "
                "use labels for what stands before, and write alternatives out"
            )
        said = failure.args[0] if failure.args else ""
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        return None, f"is no regular expression of RE2 ({reason.partition(':')[0]}); correct it"
    if compiled.search("") is not None:
        return None, "matches the empty text, so it would match everywhere; demand at least one character"
    return None


def build_masking(models: Iterable[MaskingModel]) -> Masking:
    """What every file says, together. The first file's word on a text, field or type counts: it includes the others."""
    files = list(models)
    deny: dict[str, str] = {}
    fields: dict[str, str] = {}
    operators: dict[str, Operator] = {}
    for model in reversed(files):
        deny |= model.deny
        fields |= model.fields
        operators |= {type: Operator(word) for type, word in model.operators.items()}
    return Masking(
        shapes=tuple(
            Shape(name=s.name, type=s.type, pattern=s.pattern, labels=tuple(s.labels), score=s.score)
            for model in files
            for s in model.shapes
        ),
        deny=MappingProxyType(deny),
        allow=tuple(dict.fromkeys(text for model in files for text in model.allow)),
        fields=MappingProxyType(fields),
        types=frozenset(type for model in files for type in model.types),
        operators=MappingProxyType(operators),
        typed=Typed.REFUSE if any(model.typed == "refuse" for model in files) else Typed.SURROGATE,
        profile="accurate" if any(model.profile == "accurate" for model in files) else "fast",
    )
