"""Findings for other programs: SARIF that readers accept, and GitHub's commands."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from policytools.support import HEAD, run, write
from toolguard.policytools.remark import CODES

TEXT = HEAD + 'approvals: {default: {approvers: ["group:g"], expires: 1h}}\nmode: shadow\nrules:\n'
TEXT += '  - {id: "a", because: No., effect: deny, when: "hour > 23"}\n'

# What SARIF 2.1.0 demands of the objects used here (sections 3.13, 3.14, 3.18, 3.19, 3.27, 3.28, 3.30, 3.49).
LEVELS = {"enum": ["none", "note", "warning", "error"]}
MESSAGE = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
REGION = {
    "type": "object",
    "required": ["startLine"],
    "additionalProperties": False,
    "properties": {"startLine": {"type": "integer", "minimum": 1}, "startColumn": {"type": "integer", "minimum": 1}},
}
ARTIFACT = {
    "type": "object",
    "required": ["uri"],
    "additionalProperties": False,
    "properties": {"uri": {"type": "string", "format": "uri-reference"}, "uriBaseId": {"type": "string"}},
}
RESULT = {
    "type": "object",
    "required": ["message", "ruleId", "level", "locations"],
    "additionalProperties": False,
    "properties": {
        "ruleId": {"enum": list(CODES)},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVELS,
        "message": MESSAGE,
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
        "locations": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "physicalLocation": {
                        "type": "object",
                        "required": ["artifactLocation"],
                        "additionalProperties": False,
                        "properties": {"artifactLocation": ARTIFACT, "region": REGION},
                    },
                    "logicalLocations": {
                        "type": "array",
                        "items": {"type": "object", "properties": {"fullyQualifiedName": {"type": "string"}}},
                    },
                },
            },
        },
    },
}
DRIVER = {
    "type": "object",
    "required": ["name", "rules"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "version": {"type": "string"},
        "informationUri": {"type": "string", "format": "uri"},
        "rules": {
            "type": "array",
            "uniqueItems": True,
            "items": {
                "type": "object",
                "required": ["id"],
                "additionalProperties": False,
                "properties": {
                    "id": {"type": "string"},
                    "shortDescription": MESSAGE,
                    "help": MESSAGE,
                    "defaultConfiguration": {"type": "object", "properties": {"level": LEVELS}},
                },
            },
        },
    },
}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "tool": {"type": "object", "required": ["driver"], "properties": {"driver": DRIVER}},
                    "results": {"type": "array", "items": RESULT},
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "originalUriBaseIds": {"type": "object", "additionalProperties": ARTIFACT},
                },
            },
        },
    },
}


def said(folder: Path, text: str = TEXT) -> Any:
    file = write(folder, "a policy.yaml", text)
    return json.loads(run("lint", file, "--format", "sarif").stdout)


def test_sarif_has_the_shape_the_standard_demands(tmp_path: Path) -> None:
    log = said(tmp_path)
    jsonschema.Draft202012Validator(SARIF).validate(log)
    assert len(log["runs"][0]["results"]) == 2


def test_sarif_points_at_the_place_and_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (run_,) = said(tmp_path)["runs"]
    result = next(r for r in run_["results"] if r["ruleId"] == "TG204")
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "a%20policy.yaml", "uriBaseId": "ROOT"}
    assert place["region"] == {"startLine": 7, "startColumn": 49}
    assert run_["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "TG204"
    assert run_["originalUriBaseIds"]["ROOT"]["uri"].endswith("/")


def test_a_finding_stays_the_same_one_when_lines_move(tmp_path: Path) -> None:
    before, after = (
        {r["partialFingerprints"]["toolguard/v1"] for r in said(tmp_path, text)["runs"][0]["results"]}
        for text in (TEXT, "# a new first line\n" + TEXT)
    )
    assert before == after


def test_sarif_of_a_policy_in_order_has_no_result(tmp_path: Path) -> None:
    log = said(tmp_path, HEAD + 'approvals: {default: {approvers: ["group:g"], expires: 1h}}\n')
    jsonschema.Draft202012Validator(SARIF).validate(log)
    assert log["runs"][0]["results"] == []


def test_github_commands_hold_on_one_line_and_are_escaped(tmp_path: Path) -> None:
    file = write(tmp_path, "a,b.yaml", TEXT)
    lines = run("lint", file, "--format", "github").stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert re.fullmatch(r"::(notice|error) file=[^,:]*a%2Cb\.yaml,line=\d+,col=\d+,title=TG\d+::.+", line)
