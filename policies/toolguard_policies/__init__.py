"""Policies shipped with toolguard: packs of rules (``hipaa``) and the JSON Schema of policy files."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

__all__ = ["names", "read", "read_cases", "schema"]

_CASES = ".cases.yaml"


def names() -> tuple[str, ...]:
    """The names of the shipped packs."""
    found = (entry.name for entry in resources.files(__name__).iterdir())
    return tuple(sorted(n.removesuffix(".yaml") for n in found if n.endswith(".yaml") and not n.endswith(_CASES)))


def read(name: str) -> bytes:
    """The YAML of the pack ``name``. Raises KeyError if there is none."""
    if name not in names():
        raise KeyError(name)
    return (resources.files(__name__) / f"{name}.yaml").read_bytes()


def read_cases(name: str) -> bytes:
    """The YAML of the cases shipped with the pack ``name``. Raises KeyError if there is none."""
    found = resources.files(__name__) / f"{name}{_CASES}"
    if name not in names() or not found.is_file():
        raise KeyError(name)
    return found.read_bytes()


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a policy file, for editors."""
    found: dict[str, Any] = json.loads((resources.files(__name__) / "policy.schema.json").read_bytes())
    return found
