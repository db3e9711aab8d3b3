"""Remarks for other programs: SARIF 2.1.0 (https://docs.oasis-open.org/sarif/sarif/v2.1.0/) and GitHub's commands."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from toolguard.policytools.remark import CODES, Remark, Severity

__all__ = ["github", "sarif"]

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_HOME = "https://github.com/toolguard/toolguard"
_COMMANDS = {Severity.NOTE: "notice", Severity.WARNING: "warning", Severity.ERROR: "error"}


def sarif(remarks: Iterable[Remark]) -> dict[str, Any]:
    """A SARIF log with one run that holds ``remarks``."""
    codes = list(CODES)
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "toolguard policy lint",
                        "informationUri": _HOME,
                        "version": version("toolguard-middleware"),
                        "rules": [_rule(code) for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {"ROOT": {"uri": Path.cwd().as_uri() + "/"}},
                "results": [_result(f, codes.index(f.code)) for f in remarks],
            }
        ],
    }


def _rule(code: str) -> dict[str, Any]:
    known = CODES[code]
    return {
        "id": code,
        "shortDescription": {"text": known.title[:1].upper() + known.title[1:] + "."},
        "help": {"text": known.advice[:1].upper() + known.advice[1:] + "."},
        "defaultConfiguration": {"level": known.severity.label},
    }


def _result(remark: Remark, index: int) -> dict[str, Any]:
    # without the line, so that a remark stays the same one when lines are added above it
    same = hashlib.sha256(f"{remark.code}\n{remark.path}\n{remark.message}".encode()).hexdigest()
    return {
        "ruleId": remark.code,
        "ruleIndex": index,
        "level": remark.severity.label,
        "message": {"text": f"{remark.message}; {remark.advice}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": _location(remark.file),
                    "region": {"startLine": remark.line, "startColumn": remark.column},
                },
                **({"logicalLocations": [{"fullyQualifiedName": remark.path}]} if remark.path else {}),
            }
        ],
        "partialFingerprints": {"toolguard/v1": same},
    }


def _location(file: str) -> dict[str, str]:
    if file.startswith("pack:"):
        return {"uri": quote(file, safe=":")}
    path = Path(os.path.relpath(file)) if Path(file).is_absolute() else Path(file)
    return {"uri": quote(path.as_posix()), "uriBaseId": "ROOT"}


def github(remarks: Iterable[Remark]) -> str:
    """``remarks`` as commands of a GitHub workflow, which shows them beside the lines."""
    return "\n".join(
        f"::{_COMMANDS[f.severity]} file={_property(f.file)},line={f.line},col={f.column},"
        f"title={_property(f.code)}::{_data(f'{f.message}; {f.advice}')}"
        for f in remarks
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
