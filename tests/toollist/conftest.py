from __future__ import annotations

import sys
from pathlib import Path

import pytest

from toolguard import Guard
from toolguard.testing import NoDetector

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def guard_of(tmp_path):
    """A guard whose policy names these tools."""

    def make(*names: str) -> Guard:
        file = tmp_path / "policy.yaml"
        tools = "".join(f"  {name}: {{}}\n" for name in names)
        file.write_text(
            "apiVersion: toolguard/v1\nkind: ToolPolicy\nmetadata: {name: t, version: 1}\n"
            f'approvals: {{default: {{approvers: ["group:g"]}}}}\ntools:\n{tools}'
        )
        return Guard(file, detector=NoDetector())

    return make
