"""A guard on a memory store, a policy to put things into, and keys that never change."""

import hashlib
import hmac
from textwrap import dedent

import pytest
from fastfpe import ff1

from toolguard import Caller, Guard
from toolguard._core.operators import Keys
from toolguard.policyfile import load_policy
from toolguard.testing import WordDetector

HEAD = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: masking, version: 1}
approvals: {default: {approvers: ["group:privacy-office"]}}
"""
TOOLS = """\
tools:
  find: {risk: low, trusted_for: [PERSON, DATE, DATE_OF_BIRTH, MRN, EMAIL]}
  letter: {risk: low, trusted_for: [PERSON], prose: [body]}
  send: {risk: low}
  toolguard.reveal: {risk: low}
"""
WORDS = {
    "Ada Byron": "PERSON",
    "ADA BYRON": "PERSON",
    "Byron": "PERSON",
    "José Núñez": "PERSON",
    "1815-12-10": "DATE",
    "1815-12-10T08:00:00Z": "DATE",
    "4711001": "MRN",
    "ada@byron.example": "EMAIL",
    "617-555-1234": "PHONE",
    "93": "AGE",
    "03601": "ZIP",
}


@pytest.fixture(scope="session")
def keys():
    def digest(purpose, text):
        return hmac.digest(b"k" * 32, f"{purpose}/{text}".encode(), "sha256")

    def tweaked(step):
        return lambda digits, tweak: step("2b" * 32, hashlib.sha256(tweak.encode()).hexdigest(), "0123456789", digits)

    return Keys(digest=digest, encrypt=tweaked(ff1.encrypt), decrypt=tweaked(ff1.decrypt), year=2026)


@pytest.fixture
def policy():
    """``policy(more)``: a policy with the text of further sections."""

    def make(more="", tools=TOOLS):
        return load_policy(HEAD + tools + dedent(more), name="masking.yaml")

    return make


@pytest.fixture
def ana():
    return Caller.of("ana", agent="desk", tenant="general", roles={"clinician"})


@pytest.fixture
def session(policy, ana):
    """``session(more)``: a session under such a policy, with a detector that finds the words above."""

    def make(more="", *, words=WORDS, **parts):
        return Guard(policy(more), detector=WordDetector(words), **parts).session(caller=ana)

    return make
