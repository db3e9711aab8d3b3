"""The JSON Schema of a policy file, for editors and for checks outside this package."""

from __future__ import annotations

from typing import Any

from toolguard.policyfile.models import PolicyModel

__all__ = ["json_schema"]


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a policy file, generated from the models that read it."""
    schema = PolicyModel.model_json_schema(by_alias=True, mode="validation")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_without_titles(schema),
        "title": "toolguard policy",
    }


def _without_titles(value: Any) -> Any:
    """Generated titles only repeat the keys' names; a property that is called ``title`` stays."""
    if isinstance(value, dict):
        return {k: _without_titles(v) for k, v in value.items() if not (k == "title" and isinstance(v, str))}
    if isinstance(value, list):
        return [_without_titles(v) for v in value]
    return value
