from __future__ import annotations

import pytest

from toolguard import Caller
from toolguard.testing.desk import Desk

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: provenance, version: 1, owner: privacy@general.example}
approvals:
  default: {approvers: ["group:privacy-office"], expires: 1h}
tools:
  "*": {}
  read_inbox: {content: untrusted}
  directory: {trusted_results: true}
"""


@pytest.fixture
def desk(tmp_path):
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")
    desk = Desk(tmp_path)
    yield desk
    desk.store.close()


@pytest.fixture
def guard(desk, tmp_path):
    guard = desk.guard(tmp_path / "policy.yaml")
    yield guard
    guard.close()


@pytest.fixture
def ana():
    return Caller.of("ana", agent="discharge-agent", tenant="general", roles={"clinician"})
