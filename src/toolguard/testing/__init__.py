"""Fakes and helpers for tests of guarded applications. Fakes stand in for the edge only: clocks, ids, detectors.

`toolguard.testing.desk` opens an approval desk in a folder: real keys, a real directory, the real authority.
"""

from toolguard.testing.fakes import BrokenDetector, CountingIds, FakeClock, NoDetector, WordDetector

__all__ = ["BrokenDetector", "CountingIds", "FakeClock", "NoDetector", "WordDetector"]
