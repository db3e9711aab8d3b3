"""Policy files: typed YAML with CEL conditions, read into the core's `Policy` whole or not at all."""

from toolguard.policyfile.against import check_against
from toolguard.policyfile.explain import Explanation, RuleNote, explain
from toolguard.policyfile.faults import Problem
from toolguard.policyfile.load import load_policy
from toolguard.policyfile.packs import pack_names, read_pack
from toolguard.policyfile.schema import json_schema

__all__ = [
    "Explanation",
    "Problem",
    "RuleNote",
    "check_against",
    "explain",
    "json_schema",
    "load_policy",
    "pack_names",
    "read_pack",
]
