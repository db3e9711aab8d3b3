"""A small hospital to attack: real keys, directory, authority and policy; a store in memory or in SQLite."""

import pytest

from driving import drive  # noqa: F401 - a fixture of this folder
from toolguard import Caller
from toolguard._core.risk import Risk, RiskClass, RiskLevel
from toolguard.policyfile import load_policy
from toolguard.testing.desk import Desk

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: attacks, version: 1, owner: privacy@general.example}
approvals:
  default: {approvers: ["group:privacy-office"], quorum: 1, expires: 1h, claim_ttl: 15m}
tools:
  lookup: {risk: low, trusted_for: [PERSON, MRN, SSN]}
  note: {risk: low, trusted_for: [PERSON, MRN], prose: [text]}
  query: {risk: low, trusted_for: [PERSON]}
  send: {risk: low}
  relay: {risk: low, trusted_for: [PERSON, MRN], args: {body: pass}}
  raw: {risk: low, results: pass}
  export: {risk: high, trusted_for: [PERSON, MRN, EMAIL], prose: [text], decisive: [to]}
  wipe: {risk: critical}
  toolguard.reveal: {risk: low}
rules:
  - id: no-mrn-by-note
    because: "No record numbers in notes."
    match: {tool: [note]}
    when: '"MRN" in reveals(args)'
    effect: deny
  - id: withhold-inside-bodies
    because: "The inner part stays masked."
    match: {tool: [query]}
    effect: mask
    args: {"body.inner": mask}
  - id: withhold-relayed
    because: "Relays carry no identifiers."
    match: {tool: [relay]}
    effect: mask
    args: {body: mask}
  - id: reveal-to-clinicians
    because: "Only clinicians see values in clear."
    match: {tool: [toolguard.reveal]}
    when: '!("clinician" in caller.roles)'
    effect: deny
"""

LOADED = load_policy(POLICY, name="attacks")


@pytest.fixture
def policy():
    return LOADED


@pytest.fixture
def desk(tmp_path):
    """Everything in memory: for what does not depend on the store."""
    desk = Desk(tmp_path, store="memory:")
    yield desk
    desk.store.close()


@pytest.fixture
def filed(tmp_path):
    """The same on SQLite, for who can write to the file."""
    desk = Desk(tmp_path)
    yield desk
    desk.store.close()


@pytest.fixture
def ana():
    return Caller.of("ana", agent="discharge-agent", tenant="general", roles={"clinician"})


@pytest.fixture
def ran():
    """What tools were run with."""
    return []


class Calm:
    """An analyser that sees no risk in anything: what holds then is not the analyser's doing."""

    static = Risk(risk_class=RiskClass.READ, level=RiskLevel.LOW)

    def tool(self, tool):
        return self

    def analyse(self, data):
        return self.static, ()


@pytest.fixture
def calm():
    return Calm()
