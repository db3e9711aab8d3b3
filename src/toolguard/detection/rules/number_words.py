"""Parts of numbers in words, for patterns."""

from __future__ import annotations

__all__ = ["ONES", "TEENS", "TENS"]

TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
ONES = "one|two|three|four|five|six|seven|eight|nine"
TEENS = "ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
