"""Reading what people wrote: a file of the right shape, or every fault with its line and column."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from toolguard._core.policy import Policy
from toolguard.config import ANALYSES
from toolguard.errors import ConfigError, PolicyError
from toolguard.policyfile import Problem, load_policy, pack_names, read_pack
from toolguard.policyfile.document import MAX_BYTES, At, Document, read_document
from toolguard.policyfile.faults import did_you_mean, refuse

__all__ = ["composed", "load_any", "read_bytes", "read_shape"]

_M = TypeVar("_M", bound=BaseModel)
_PACK = "pack:"


def read_bytes(path: Path) -> bytes:
    """The bytes of a file a person named. Raises ConfigError if it cannot be read."""
    try:
        with path.open("rb") as handle:
            return handle.read(MAX_BYTES + 1)
    except OSError as failure:
        reason = failure.strerror or type(failure).__name__
        raise ConfigError(f"{str(path)!r} cannot be read ({reason}); check the path and its permissions") from None


def read_shape(raw: bytes, file: str, model: type[_M]) -> tuple[_M, Document]:
    """``raw`` as ``model``. Raises PolicyError with every fault, each at its place."""
    document = read_document(raw, file)
    if document.problems:
        raise refuse(file, document.problems)
    try:
        return model.model_validate(document.data), document
    except ValidationError as failure:
        raise refuse(file, _problems(failure, model, document)) from None


def _problems(failure: ValidationError, model: type[BaseModel], document: Document) -> Iterator[Problem]:
    for error in failure.errors(include_url=False, include_input=False):
        at: At = tuple(error["loc"])
        name = str(at[-1]) if at else ""
        match error["type"]:
            case "extra_forbidden":
                known = _keys(model, at[:-1])
                yield document.problem(at, f"unknown key {name!r}; {did_you_mean(name, known)}", key=True)
            case "missing":
                yield document.problem(at[:-1], f"{name!r} is missing; add it")
            case "value_error":
                yield document.problem(at, str(error["ctx"]["error"]))
            case _:
                text = error["msg"][:1].lower() + error["msg"][1:]
                yield document.problem(at, text.replace("input should", "must"))


def _keys(model: type[BaseModel], at: At) -> list[str]:
    """The keys that may stand at ``at``."""
    here: Any = model
    for step in at:
        if isinstance(step, int):
            continue
        fields: Mapping[str, Any] = here.model_fields
        field = next((f for n, f in fields.items() if step in (n, f.alias)), None)
        here = _inner(field.annotation) if field is not None else None
        if here is None:
            return []
    return [f.alias or n for n, f in here.model_fields.items()]


def _inner(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _inner(part)
        if found is not None:
            return found
    return None


def load_any(name: str, *, beside: Path | None = None) -> Policy:
    """A policy by its path (relative to ``beside``), or with ``pack:NAME`` a shipped pack, as policies include it."""
    return composed(name, {}, beside=beside)


def composed(name: str, over: Mapping[str, Any], *, beside: Path | None = None) -> Policy:
    """The policy ``name`` with the fragment ``over`` laid on it.

    A shipped pack is loaded as a policy includes it, so its rules are called ``hipaa/…`` here too. Of a file, maps are
    united (the fragment's word counts) and rules are added.
    """
    if name.startswith(_PACK):
        pack = name.removeprefix(_PACK)
        if pack not in pack_names():
            raise ConfigError(f"there is no pack {pack!r}; {did_you_mean(pack, pack_names())}")
        head = {"apiVersion": "toolguard/v1", "kind": "ToolPolicy", "metadata": {"name": pack, "version": "with-pack"}}
        return _load({**head, **over, "include": [name]}, name, read_pack)
    path = (beside or Path()) / name
    if not over:
        return load_policy(path, functions=ANALYSES)
    raw = read_bytes(path)
    document = read_document(raw, str(path))
    if document.problems or not isinstance(document.data, dict):
        return load_policy(path, functions=ANALYSES)  # which says what is wrong
    return _load(_united(document.data, over), str(path), read_pack)


def _load(data: Mapping[str, Any], name: str, packs: Callable[[str], bytes]) -> Policy:
    try:
        # JSON is YAML, and in it text is text whatever it looks like
        text = json.dumps(data, ensure_ascii=False, indent=1)
        return load_policy(text, name=f"{name} (with what is laid over it)", functions=ANALYSES, packs=packs)
    except TypeError:
        raise PolicyError(f"what is laid over {name!r} is not plain data; write maps, lists and words") from None


def _united(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, Mapping):
        return {**base, **{k: _united(base[k], v) if k in base else v for k, v in over.items()}}
    if isinstance(base, list) and isinstance(over, list):
        return [*base, *over]
    return over
