"""Configuration: from ``toolguard.toml``, or from arguments, to the parts a guard works with."""

from toolguard.config.audit import (
    ageing_of,
    anchor_copies,
    audit_verifier,
    checkpointer_of,
    keeper_of,
    prune_store,
    segments_of,
)
from toolguard.config.defaults import (
    ANALYSES,
    NoDirectory,
    RandomIds,
    RiskAnalyser,
    Sinks,
    SystemClock,
    default_detector,
)
from toolguard.config.file import Config, load_config
from toolguard.config.keeper import check_may_prune, keeper_store
from toolguard.config.load import load_parts, revealer_of
from toolguard.config.parts import PART_NAMES, Parts, assemble
from toolguard.config.spans import Shown, shown

__all__ = [
    "ANALYSES",
    "PART_NAMES",
    "Config",
    "NoDirectory",
    "Parts",
    "RandomIds",
    "RiskAnalyser",
    "Shown",
    "Sinks",
    "SystemClock",
    "ageing_of",
    "anchor_copies",
    "assemble",
    "audit_verifier",
    "check_may_prune",
    "checkpointer_of",
    "default_detector",
    "keeper_of",
    "keeper_store",
    "load_config",
    "load_parts",
    "prune_store",
    "revealer_of",
    "segments_of",
    "shown",
]
