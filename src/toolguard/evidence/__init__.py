"""Evidence for auditors: the pack, its verifier, and forms that other tools read."""

from __future__ import annotations

from toolguard.evidence.check import CallProofs, call_proofs, verify_pack
from toolguard.evidence.pack import FORMAT, VERSION, Pack, Sampling, build_pack
from toolguard.evidence.zipped import LARGEST

__all__ = ["FORMAT", "LARGEST", "VERSION", "CallProofs", "Pack", "Sampling", "build_pack", "call_proofs", "verify_pack"]
