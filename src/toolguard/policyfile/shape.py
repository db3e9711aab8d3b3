"""Check plain data against the models, and say what is wrong in words a policy's author can act on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from toolguard.policyfile.document import At, Document
from toolguard.policyfile.faults import Problem, did_you_mean
from toolguard.policyfile.masking import MaskingModel, ShapeModel
from toolguard.policyfile.models import (
    API_VERSION,
    KIND,
    AnnotationsModel,
    ApprovalModel,
    DefaultsModel,
    MatchModel,
    MetadataModel,
    PolicyModel,
    RuleModel,
    TimeModel,
    ToolModel,
)

__all__ = ["Parts", "check_shape"]

_M = TypeVar("_M", bound=BaseModel)

_PATTERNS = {
    "^[A-Za-z0-9][A-Za-z0-9._-]*$": "must be letters, digits, '.', '_' and '-', starting with a letter or digit",
    "^(group|person|oncall):\\S+$": "must be 'group:NAME', 'person:ID' or 'oncall:SCHEDULE'",
    "^[A-Z][A-Z0-9_]*$": "must be an identifier type in capitals, such as PERSON or DATE_OF_BIRTH",
    "^[A-Za-z][A-Za-z0-9_.-]{0,63}$": "must be letters, digits, '.', '_' and '-', starting with a letter",
    "^[a-z][a-z0-9_]{0,63}$": "must be the name of a reader, such as file",
    "^[a-z][a-z0-9_.-]{0,31}:[A-Za-z0-9][A-Za-z0-9 ()._/§-]{0,63}$": (
        "must be 'FRAMEWORK:CONTROL', such as hipaa:164.502(b) or soc2:CC6.7"
    ),
    "^[0-9a-f]{64}$": "must be the 64 hex digits of a SHA-256",
    "^[A-Z][A-Z0-9]*(_[A-Z][A-Z0-9]*){0,4}$": "must be an identifier type in capitals, such as PERSON or DATE_OF_BIRTH",
    "^pack:[a-z0-9][a-z0-9_-]*(@[A-Za-z0-9][A-Za-z0-9._-]*)?$": (
        "must be 'pack:NAME' or 'pack:NAME@VERSION', such as pack:hipaa@1"
    ),
    "^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$": (
        "must be a span of hours in quotes, such as '08:00-18:00' or '22:00-06:00'"
    ),
    "^[+-](0[0-9]|1[0-4]):[0-5][0-9]$": "must be an offset from UTC in quotes, such as '+01:00' or '-05:30'",
    "\\S": "must not be empty; say in words for people why this holds",
    "^\\S(.*\\S)?$": "must not be empty or have white space around it",
}
_MISSING = {
    "apiVersion": f"write 'apiVersion: {API_VERSION}'",
    "kind": f"write 'kind: {KIND}'",
    "because": "say in words for people why the rule exists; approvers and auditors read it",
    "id": "name the rule; the name stands in every record",
    "effect": "say what the rule asks for: allow, mask, require_approval or deny",
    "approvers": "name at least one group:NAME, person:ID or oncall:SCHEDULE",
}


class Parts:
    """The parts of a policy that have the right shape, each beside its place in the document."""

    def __init__(self) -> None:
        self.approvals: dict[str, ApprovalModel] = {}
        self.approval_names: set[str] = set()
        self.tools: dict[str, ToolModel] = {}
        self.rules: list[tuple[int, RuleModel]] = []
        self.defaults: DefaultsModel = DefaultsModel()
        self.masking: MaskingModel = MaskingModel()
        self.head: PolicyModel | None = None


def check_shape(document: Document) -> tuple[Parts, list[Problem]]:
    """The parts with the right shape, and a problem for everything else."""
    parts = Parts()
    problems: list[Problem] = []
    data = document.data
    if not isinstance(data, dict):
        return parts, [document.problem((), "a policy is a map; start with 'apiVersion: toolguard/v1'")]
    head: dict[str, Any] = {}
    for key, value in data.items():
        if key == "rules" and isinstance(value, list):
            for index, item in enumerate(value):
                rule = _one(RuleModel, item, (key, index), document, problems)
                if rule is not None:
                    parts.rules.append((index, rule))
        elif key == "approvals" and isinstance(value, dict):
            parts.approval_names |= set(value)
            for name, item in value.items():
                approval = _one(ApprovalModel, item, (key, name), document, problems)
                if approval is not None:
                    parts.approvals[name] = approval
            head[key] = {name: ApprovalModel(approvers=["group:checked"]) for name in value}
        elif key == "tools" and isinstance(value, dict):
            for name, item in value.items():
                tool = _one(ToolModel, {} if item is None else item, (key, name), document, problems)
                if tool is not None:
                    parts.tools[name] = tool
            head[key] = dict.fromkeys(value)
        elif key == "defaults" and isinstance(value, dict):
            parts.defaults = _one(DefaultsModel, value, (key,), document, problems) or parts.defaults
        elif key == "masking" and isinstance(value, dict):
            parts.masking = _one(MaskingModel, value, (key,), document, problems) or parts.masking
        elif key == "metadata" and isinstance(value, dict):
            head[key] = _as_written(value, document)
        else:
            head[key] = value
    parts.head = _one(PolicyModel, head, (), document, problems)
    places = {(p.line, p.column) for p in problems}
    problems += [p for p in _empties(data, (), document) if (p.line, p.column) not in places]
    return parts, problems


def _as_written(metadata: dict[str, Any], document: Document) -> dict[str, Any]:
    """A version is a name: 1.10 is not 1.1, though the numbers are equal."""
    version = metadata.get("version")
    if isinstance(version, int | float) and not isinstance(version, bool):
        return {**metadata, "version": document.values["metadata", "version"].value}
    return metadata


def _empties(data: Any, at: At, document: Document) -> Iterator[Problem]:
    """Keys with nothing after the colon: was nothing meant, or was something forgotten?"""
    items: Iterable[tuple[str | int, Any]] = ()
    if isinstance(data, dict):
        items = data.items()
    elif isinstance(data, list):
        items = enumerate(data)
    for key, value in items:
        if value is None and at != ("tools",):
            yield document.problem((*at, key), "has no value; write one, or remove the key")
        else:
            yield from _empties(value, (*at, key), document)


def _one(model: type[_M], data: Any, at: At, document: Document, problems: list[Problem]) -> _M | None:
    try:
        return model.model_validate(data)
    except ValidationError as failure:
        problems.extend(_problems(failure.errors(include_url=False), model, at, document))
        return None


def _problems(errors: list[ErrorDetails], model: type[BaseModel], at: At, document: Document) -> Iterator[Problem]:
    for error in errors:
        place = (*at, *(p for p in error["loc"] if p != "[key]"))
        kind = error["type"]
        on_key = kind == "extra_forbidden" or "[key]" in error["loc"]
        message = _message(kind, error, model, place)
        if kind == "missing":
            yield document.problem(place[:-1], message)
        else:
            yield document.problem(place, message, key=on_key)


def _message(kind: str, error: ErrorDetails, model: type[BaseModel], place: At) -> str:
    name = str(place[-1]) if place else ""
    if error["input"] is None and kind != "missing":
        return "has no value; write one, or remove the key"
    context: Mapping[str, Any] = error.get("ctx") or {}
    if kind == "extra_forbidden":
        return f"unknown key {name!r}; {did_you_mean(name, _known_keys(model, place))}"
    if kind == "too_short" and name == "approvers":
        return f"is empty, so nobody could ever approve; {_MISSING[name]}"
    if kind == "missing":
        return f"{name!r} is missing; {_MISSING.get(name, 'add it')}"
    if kind == "literal_error":
        given = error["input"]
        options = [w.strip(" '") for w in str(context["expected"]).replace(" or ", ", ").split(",")]
        if isinstance(given, str):
            return f"{given[:60]!r} is not one of the words that may stand here; {did_you_mean(given, options)}"
        return f"must be one of {', '.join(options)}"
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(str(context["pattern"]), "does not have the right form")
    if kind == "value_error":
        return str(context["error"])
    return str(_SIMPLE.get(kind, _fallback)(context))


def _fallback(_: Mapping[str, Any]) -> str:
    return "does not have the right form; see the JSON Schema for what may stand here"


_SIMPLE: Mapping[str, Any] = {
    "string_type": lambda c: "must be text; put it in quotes if it looks like a number, and do not leave it empty",
    "bool_type": lambda c: "must be true or false",
    "int_type": lambda c: "must be a whole number",
    "int_from_float": lambda c: "must be a whole number",
    "list_type": lambda c: "must be a list",
    "dict_type": lambda c: "must be a map of names to values",
    "model_type": lambda c: "must be a map of keys to values",
    "model_attributes_type": lambda c: "must be a map of keys to values",
    "too_short": lambda c: "must not be an empty list; leave the key out if nothing is meant",
    "string_too_short": lambda c: "must not be empty",
    "string_too_long": lambda c: f"must not be longer than {c['max_length']} characters",
    "greater_than_equal": lambda c: f"must be at least {c['ge']}",
    "less_than_equal": lambda c: f"must be at most {c['le']}",
}
_NESTED: Mapping[str, type[BaseModel]] = {
    "match": MatchModel,
    "metadata": MetadataModel,
    "defaults": DefaultsModel,
    "masking": MaskingModel,
    "shapes": ShapeModel,
    "time": TimeModel,
    "annotations": AnnotationsModel,
}


def _known_keys(model: type[BaseModel], place: At) -> list[str]:
    parent = next((step for step in reversed(place[:-1]) if isinstance(step, str)), "")
    inner = _NESTED.get(parent)
    return [f.alias or name for name, f in (inner or model).model_fields.items()]
