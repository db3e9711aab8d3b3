"""The hospital's June, counted."""

from __future__ import annotations

from evidence.conftest import hospital, population

__all__ = ["hospital", "population"]
