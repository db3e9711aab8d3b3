"""Cloud actions in IAM style (``s3:DeleteBucketPolicy``): the verb, the object, and the service's own sentence."""

from __future__ import annotations

import re

from toolguard._core.risk import Evidence, Risk
from toolguard.analysis.notes import CRITICAL, PRIVILEGE, note, risk_of
from toolguard.analysis.tool import read_effects

__all__ = ["classify_iam", "is_cloud_action"]

_ACTION = re.compile(r"^[a-z][a-z0-9-]{1,40}:[A-Za-z*][A-Za-z0-9*]{2,80}$")


def is_cloud_action(text: str) -> bool:
    """Whether ``text`` has the shape ``service:Action``."""
    return len(text) < 128 and bool(_ACTION.match(text))


def classify_iam(action: str, description: str = "") -> Risk:
    """The risk of calling ``action`` (with or without ``service:``), ``description`` being the provider's sentence."""
    return risk_of(iam_evidence(action, description))


def iam_evidence(action: str, description: str = "") -> list[Evidence]:
    """Everything an action says. Never empty."""
    name = action.rpartition(":")[2]
    if "*" in name:
        return [note("args.cloud", PRIVILEGE, CRITICAL, "a wildcard stands for every action")]
    return read_effects(name, description, source="args.cloud")
