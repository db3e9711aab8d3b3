"""A desk whose tools need credentials, and an issuer that counts what it gave out and took back."""

import itertools
import threading
from pathlib import Path

import pytest

from driving import drive  # noqa: F401 - a fixture of this folder
from toolguard import Caller
from toolguard.policyfile import load_policy
from toolguard.ports import Lease
from toolguard.testing.desk import Desk

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: credentials, version: 1, owner: privacy@general.example}
approvals:
  default: {approvers: ["group:privacy-office"], quorum: 1, expires: 1h}
tools:
  read_ehr: {risk: low, credentials: [ehr_token]}
  read_lab: {risk: low, credentials: [lab_token]}
  both: {risk: low, credentials: [ehr_token, lab_token]}
  outer: {risk: low, credentials: [ehr_token]}
  plain: {risk: low}
  raw: {risk: low, results: pass, credentials: [ehr_token]}
  export: {risk: high, credentials: [ehr_token]}
  forbidden: {risk: critical, credentials: [ehr_token]}
rules: []
"""
LOADED = load_policy(POLICY, name="credentials")


class Issuer:
    """A provider of short-lived tokens that were never seen before; ``live`` are those not given back."""

    kind = "issuer"

    def __init__(self, *, fail: Exception | None = None, fail_release: Exception | None = None) -> None:
        self.fail = fail
        self.fail_release = fail_release
        self.given: list[str] = []
        self.uses: list[object] = []
        self.live: set[str] = set()
        self.closed = False
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def acquire(self, name, use):
        if self.fail is not None:
            raise self.fail
        with self._lock:
            value = f"tok-{name}-{next(self._numbers):04d}-9f2c/+A="
            self.given.append(value)
            self.uses.append(use)
            self.live.add(value)

        def release():
            with self._lock:
                self.live.discard(value)
            if self.fail_release is not None:
                raise self.fail_release

        return Lease(value=value, expires=use.until, release=release)

    def close(self):
        self.closed = True


@pytest.fixture
def desk(tmp_path: Path):
    desk = Desk(tmp_path, store="memory:")
    yield desk
    desk.store.close()


@pytest.fixture
def issuer():
    return Issuer()


@pytest.fixture
def guard(desk, issuer):
    return desk.guard(LOADED, credentials={"ehr_token": issuer, "lab_token": issuer})


@pytest.fixture
def ana():
    return Caller.of("ana", agent="discharge-agent", tenant="general")


@pytest.fixture
def session(guard, ana):
    with guard.session(caller=ana) as session:
        yield session


@pytest.fixture
def kinds(desk):
    """What was recorded of credentials, in order: kind, name, provider and reason code."""

    def read():
        return [
            (
                r.draft.kind.value.removeprefix("credential."),
                r.draft.body["toolguard.credential.name"],
                r.draft.body["toolguard.credential.provider"],
                r.draft.body.get("toolguard.decision.reason_code", ""),
            )
            for r in desk.store.records()
            if r.draft.kind.value.startswith("credential.")
        ]

    return read
