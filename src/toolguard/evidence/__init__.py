"""Evidence for auditors: the pack, its verifier, and forms that other tools read."""

from __future__ import annotations

from toolguard.evidence.pack import FORMAT, VERSION, Pack, Sampling, build_pack

__all__ = ["FORMAT", "VERSION", "Pack", "Sampling", "build_pack"]
