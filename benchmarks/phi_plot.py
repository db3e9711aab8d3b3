"""Recall over speed as SVG, readable on light and on dark ground: ``python benchmarks/phi_plot.py RESULT.json OUT.svg``."""

from __future__ import annotations

import json
import math
import sys
from html import escape
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 860, 480
LEFT, RIGHT, TOP, BOTTOM = 64, 44, 56, 64
OURS = ("rules", "fast", "accurate")
STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 } .small { font-size: 12px; fill: #57606a }
.grid { stroke: #d0d7de; stroke-width: 1 } .leader { stroke: #8c959f; stroke-width: 1 }
.ours { fill: #0969da; stroke: #0969da } .peer { fill: #bc4c00; stroke: #bc4c00 }
.open { fill: #ffffff; stroke-width: 2 } .ground { fill: #ffffff }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .small { fill: #9198a1 } .grid { stroke: #30363d } .leader { stroke: #6e7681 }
.ours { fill: #58a6ff; stroke: #58a6ff } .peer { fill: #f0883e; stroke: #f0883e }
.open { fill: #0d1117 } .ground { fill: #0d1117 } }
"""


def draw(result: dict[str, Any]) -> str:
    """Full recall (linear) over characters per second of CPU time (logarithmic), over all sets of prose."""
    points = [
        (name, row["title"], row["prose"]["chars_per_s"], row["prose"]["recall"])
        for name, row in result["systems"].items()
        if row.get("prose", {}).get("recall") is not None
    ]
    low = math.floor(math.log10(min(p[2] for p in points)))
    high = math.ceil(math.log10(max(p[2] for p in points)))

    def x(speed: float) -> float:
        return LEFT + (math.log10(speed) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(recall: float) -> float:
        return TOP + (1 - recall) * (HEIGHT - TOP - BOTTOM)

    texts = sum(data["texts"] for data in result["sets"].values() if not data["structured"])
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        "<title>Full recall of identifiers over speed</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text class="title" x="{LEFT}" y="24">Identifiers hidden in full, over speed</text>',
        f'<text class="small" x="{LEFT}" y="42">{texts:,} texts of prose, one core; hollow: in Presidio’s AnalyzerEngine</text>',
    ]
    for tenth in range(0, 11, 2):
        at = y(tenth / 10)
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        out.append(f'<text class="small" x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{tenth / 10:.1f}</text>')
    for power in range(low, high + 1):
        at = x(10**power)
        out.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        out.append(
            f'<text class="small" x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{_number(power)}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(
        f'<text class="small" x="{middle}" y="{HEIGHT - 16}" text-anchor="middle">characters a second of CPU time (logarithmic)</text>'
    )
    out += _points([(name, title, x(speed), y(recall)) for name, title, speed, recall in points])
    return "\n".join([*out, "</svg>"]) + "\n"


def _points(points: list[tuple[str, str, float, float]]) -> list[str]:
    """Marks, and beside each solid one its label, at the nearest place where it covers neither mark nor label."""
    out: list[str] = []
    taken = [(px - 8, py - 8, px + 8, py + 8) for _, _, px, py in points]
    hollow = {name.removesuffix("-engine"): px for name, _, px, _ in points if name.endswith("-engine")}
    for name, title, px, py in sorted(points, key=lambda p: (p[3], p[2])):
        ours = name.split("-")[0] in OURS
        if not name.endswith("-engine"):
            width = 6.8 * len(title)
            right, left = px + 12, min(px, hollow.get(name, px)) - 12 - width
            places = [(start, py + down) for down in (0, 17, -17, 34, -34, 51, -51) for start in (right, left)]
            start, middle = next((place for place in places if _free(*place, width, taken)), places[0])
            taken.append((start, middle - 9, start + width, middle + 9))
            if abs(middle - py) > 10:
                end = start if start > px else start + width
                out.append(f'<line class="leader" x1="{px:.1f}" y1="{py:.1f}" x2="{end:.1f}" y2="{middle:.1f}"/>')
            at, anchor = (start, "start") if start > px else (start + width, "end")
            out.append(f'<text x="{at:.1f}" y="{middle + 4:.1f}" text-anchor="{anchor}">{escape(title)}</text>')
        kind = "ours" if ours else "peer"
        solid = "" if not name.endswith("-engine") else " open"
        out.append(f'<circle class="{kind}{solid}" cx="{px:.1f}" cy="{py:.1f}" r="6"/>')
    return out


def _free(start: float, middle: float, width: float, taken: list[tuple[float, float, float, float]]) -> bool:
    inside = start > LEFT and start + width < WIDTH - 4 and middle + 9 > TOP and middle + 4 < HEIGHT - BOTTOM
    return inside and all(
        start + width <= x1 or x2 <= start or middle + 9 <= y1 or y2 <= middle - 9 for x1, y1, x2, y2 in taken
    )


def _number(power: int) -> str:
    return f"{10**power:,}" if power < 6 else f"{10 ** (power - 6)} million"


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))), encoding="utf-8")
