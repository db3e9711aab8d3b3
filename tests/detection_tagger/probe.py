"""Texts we wrote by hand to try the tagger on genres at large; ``‹…›`` marks what should be found.

``python tests/detection_tagger/probe.py OUT.jsonl`` writes them in the form the benchmark scorer reads.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_MARK = re.compile(r"‹([^›]*)›")


def probes() -> Iterator[tuple[str, str, list[tuple[int, int]]]]:
    """``(genre, text, spans)`` of every probe. One line is one text, except where a genre's lines belong together."""
    whole = ("CSV in chat", "e-mail thread", "code with comment", "YAML", "HL7")
    blocks = re.split(
        r"^=== (.+)\n", (Path(__file__).parent / "probe.txt").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    for genre, block in zip(blocks[1::2], blocks[2::2], strict=True):
        for marked in [block.rstrip()] if genre in whole else block.splitlines():
            text, spans, at = "", [], 0
            for match in _MARK.finditer(marked):
                text += marked[at : match.start()]
                spans.append((len(text), len(text) + len(match[1])))
                text += match[1]
                at = match.end()
            yield genre, text + marked[at:], spans


if __name__ == "__main__":
    rows = (
        {"id": genre, "text": text, "spans": [{"start": s, "end": e, "label": "NAME"} for s, e in spans]}
        for genre, text, spans in probes()
    )
    Path(sys.argv[1]).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
