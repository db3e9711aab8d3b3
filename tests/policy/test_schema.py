"""The JSON Schema for editors: current, and of one mind with the loader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import toolguard_policies
from policy.support import APPROVALS, HEAD
from toolguard.errors import PolicyError
from toolguard.policyfile import json_schema, load_policy, read_pack

SCHEMA = json_schema()
CHECK = jsonschema.Draft202012Validator(SCHEMA)


def test_the_shipped_schema_is_current() -> None:
    assert toolguard_policies.schema() == SCHEMA, (
        "run: toolguard policy schema > policies/toolguard_policies/policy.schema.json"
    )


def test_it_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("text", [Path(__file__).with_name("hospital.yaml").read_text(), read_pack("hipaa").decode()])
def test_shipped_and_documented_policies_fit_it(text: str) -> None:
    assert [e.message for e in CHECK.iter_errors(yaml.safe_load(text))] == []


def test_every_key_is_described() -> None:
    def bare(value: Any, path: str) -> list[str]:
        found = []
        for name, item in value.get("properties", {}).items():
            if "description" not in item and "$ref" not in item:
                found.append(f"{path}.{name}")
        for name, item in value.get("$defs", {}).items():
            found += bare(item, name)
        return found

    assert bare(SCHEMA, "policy") == []


@pytest.mark.parametrize(
    "text",
    [
        "mode: shaddow", "on_eror: deny", "defaults: {args: reveal}", "tools: {t: {risk: hgih}}", "rules: [foo]",
        "tools: {t: {trusted_for: [person]}}", "tools: {t: {digest: abc}}", "approvals: {a: {approvers: []}}",
        "approvals: {a: {approvers: [x]}}", "approvals: {a: {approvers: ['group:x'], expires: 5}}",
        "approvals: {a: {approvers: ['group:x'], quorum: 0}}", "include: [hipaa]",
        "rules: [{id: r, because: x, effect: dney}]", "rules: [{id: a b, because: x, effect: deny}]",
        "rules: [{id: r, effect: deny}]", "rules: [{id: r, because: x, effect: deny, match: {category: [foo]}}]",
    ],
)  # fmt: skip
def test_what_the_schema_refuses_the_loader_refuses(text: str) -> None:
    whole = HEAD + ("" if "approvals:" in text else APPROVALS) + text
    assert list(CHECK.iter_errors(yaml.safe_load(whole)))
    with pytest.raises(PolicyError):
        load_policy(whole)


@pytest.mark.parametrize(
    "text",
    [
        "tools: {t: }", "tools: {t: {trusted_for: PERSON, category: read}}", "include: pack:hipaa",
        "rules: [{id: r, because: x, effect: deny, match: {tool: a, role: [b], data: MRN}}]",
        "approvals: {default: {approvers: 'group:x', expires: 90m, claim_ttl: 1.5h}}",
    ],
)  # fmt: skip
def test_what_the_loader_takes_the_schema_takes(text: str) -> None:
    whole = HEAD + ("" if "approvals:" in text else APPROVALS) + text
    load_policy(whole)
    assert [e.message for e in CHECK.iter_errors(yaml.safe_load(whole))] == []
