"""Short ways to write policies and cases in the tests of this room."""

from __future__ import annotations

import os
from pathlib import Path

from typer.testing import CliRunner, Result

from toolguard.cli.policy import app

HEAD = "apiVersion: toolguard/v1\nkind: ToolPolicy\nmetadata: {name: ward, version: 1}\n"
CASES = "apiVersion: toolguard/v1\nkind: PolicyCases\npolicy: ward.yaml\n"
WARD = (
    HEAD
    + """\
approvals:
  privacy: {approvers: ["group:privacy-office"]}
tools:
  find_patient: {source: "ward:*", risk: low, trusted_for: [PERSON, MRN], args: {note: mask}}
  send_letter: {risk: medium}
rules:
  - {id: by-day, because: Nobody answers at night., match: {tool: send_letter}, when: "hour < 7 || hour >= 19", effect: deny}
  - {id: nurses, because: Nurses ask first., match: {tool: send_letter, role: nurse}, effect: require_approval, approval: privacy}
  - {id: big, because: Many at once., match: {tool: find_patient}, when: "has(args.limit) && args.limit > 100", effect: deny}
"""
)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def run(*words: object, stdin: str | None = None) -> Result:
    """``toolguard policy …``, on a wide terminal without colours."""
    return CliRunner().invoke(
        app, [str(w) for w in words], input=stdin, env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    )
