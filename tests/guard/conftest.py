"""A desk with real keys, people, authority and SQLite; and one way to call that is sync in one run, async in another."""

from pathlib import Path

import pytest

from driving import drive  # noqa: F401 - a fixture of this folder
from toolguard import Caller
from toolguard.testing.desk import Desk

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: tests, version: 1, owner: privacy@general.example}
approvals:
  default: {approvers: ["group:privacy-office"], quorum: 1, expires: 1h}
tools:
  lookup: {risk: low, trusted_for: [PERSON, MRN], trusted_results: true}
  export: {risk: high, decisive: [path]}
  send: {risk: low}
  wipe: {risk: critical}
  fails: {risk: low}
  toolguard.reveal: {risk: low}
rules:
  - id: reveal-to-clinicians
    because: "Only clinicians see values in clear."
    match: {tool: [toolguard.reveal]}
    when: '!("clinician" in caller.roles) || args.purpose != "treatment"'
    effect: deny
"""


@pytest.fixture
def desk(tmp_path):
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")
    desk = Desk(tmp_path)
    yield desk
    desk.store.close()


@pytest.fixture
def policy(tmp_path) -> Path:
    return tmp_path / "policy.yaml"


@pytest.fixture
def ana():
    return Caller.of("ana", agent="discharge-agent", tenant="general", roles={"clinician"})
