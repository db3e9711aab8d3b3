"""A desk with real keys, people, authority and SQLite; and one way to call that is sync in one run, async in another."""

import asyncio
from pathlib import Path

import pytest

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


@pytest.fixture(params=["sync", "async"])
def drive(request):
    """``drive(session, "call", …)`` calls ``session.call`` or awaits ``session.acall``."""

    def go(session, verb, *args, **kwargs):
        if request.param == "sync":
            return getattr(session, verb)(*args, **kwargs)
        return asyncio.run(getattr(session, "a" + verb)(*args, **kwargs))

    return go
