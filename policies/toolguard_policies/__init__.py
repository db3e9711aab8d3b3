"""Policies shipped with toolguard: packs of rules (``hipaa``) and the JSON Schema of policy files."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

__all__ = ["names", "read", "schema"]


def names() -> tuple[str, ...]:
    """The names of the shipped packs."""
    found = (entry.name for entry in resources.files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in found if name.endswith(".yaml")))


def read(name: str) -> bytes:
    """The YAML of the pack ``name``. Raises KeyError if there is none."""
    if name not in names():
        raise KeyError(name)
    return (resources.files(__name__) / f"{name}.yaml").read_bytes()


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a policy file, for editors."""
    found: dict[str, Any] = json.loads((resources.files(__name__) / "policy.schema.json").read_bytes())
    return found
