"""Policy files: typed YAML with CEL conditions, read into the core's `Policy` whole or not at all."""

from toolguard.policyfile.faults import Problem
from toolguard.policyfile.load import load_policy

__all__ = ["Problem", "load_policy"]
