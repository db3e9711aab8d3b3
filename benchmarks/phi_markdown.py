"""The tables of the documentation from what was measured: ``python benchmarks/phi_markdown.py RESULT.json``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from phi_report import MB, rate, share, times
from phi_targets import judge


def tables(result: dict[str, Any]) -> Iterator[str]:
    """Markdown, line by line: all systems on prose, recall and precision by set, targets, the worst errors by kind."""
    there = {name: row for name, row in result["systems"].items() if "failed" not in row}
    yield "| system | recall | precision | clean touched | chars/s | × | p95 of an argument | memory | load |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in result["systems"].values():
        if "failed" in row:
            yield f"| {row['title']} | **not measured**: {row['failed'].splitlines()[0]} | | | | | | | |"
            continue
        prose = row["prose"]
        rates = " | ".join(share(prose[key]) for key in ("recall", "precision", "clean_touched"))
        yield (
            f"| {row['title']} | {rates} | {rate(prose['chars_per_s'])} | {times(prose['ratio'])} "
            f"| {row['p95_ms']:.2f} ms | {row['memory_growth'] / MB:.0f} MB | {row['load_cpu_s']:.1f} s |"
        )
    yield ""
    shown = [name for name in there if not name.endswith("-engine")]
    yield "| set | " + " | ".join(there[name]["title"] for name in shown) + " |"
    yield "|---" * (len(shown) + 1) + "|"
    for name, data in result["sets"].items():
        cells = []
        for system in shown:
            one = there[system]["sets"][name]
            found = f"{share(one['recall'])} / {share(one['precision'])}" if one["gold"] else "–"
            cells.append(found + (f" / {share(one['clean_touched'])}" if one["clean"] else ""))
        yield f"| {name}, {data['texts']:,} texts | " + " | ".join(cells) + " |"
    yield ""
    yield "| target | aim | Presidio as it comes | measured | |"
    yield "|---|---|---|---|---|"
    for target in judge(result):
        mark = "met" if target.met else "**missed**"
        yield f"| {target.what} | {target.aim} | {target.vanilla} | {target.measured} | {mark} |"
    for system in ("fast", "accurate"):
        yield ""
        for name in result["sets"]:
            for kind, found in there[system]["sets"][name]["worst"].items():
                most = ", ".join(f"{what} {n}/{of}" for what, (n, of) in list(found.items())[:8])
                yield f"- {system}, {name}, {kind}: {most or 'none'}"


if __name__ == "__main__":
    print("\n".join(tables(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
