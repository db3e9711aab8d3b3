"""Risk of a tool before any call: its annotations, name, description and schema."""

from __future__ import annotations

import re

from toolguard._core.call import Annotations, Tool
from toolguard._core.risk import Evidence, Risk
from toolguard.analysis.cues import cues_of
from toolguard.analysis.effects import effect_of
from toolguard.analysis.language import NameReading, read_name, sentence_verbs
from toolguard.analysis.lexicon import DELETE_FAMILY, EFFECTS, READ_VERBS, SOFT_READ_VERBS
from toolguard.analysis.notes import (
    CODE,
    CRITICAL,
    DESTRUCTIVE,
    HIGH,
    LOW,
    MEDIUM,
    PRIVILEGE,
    READ,
    WRITE,
    note,
    risk_of,
)
from toolguard.analysis.words import bag, unmask

__all__ = ["classify_tool", "read_effects"]

UNSAID = "nothing says that it only reads"


# Sentences by which an author warns. They speak about this tool wherever they stand in the description.
_WARNINGS = (
    (
        re.compile(
            r"\b(?:cannot|can't|can not|could not) be (?:undone|reversed|recovered|restored|rolled back)|"
            r"\birreversib(?:le|ly)\b|\bpermanently (?:delet|remov|destroy|eras|wip|drop|los)"
        ),
        DESTRUCTIVE,
        HIGH,
        "the description says that it cannot be undone",
    ),
    (
        re.compile(
            r"\bdestructive (?:operation|action|tool|update|command)|\bdata (?:loss|will be lost)\b|\bwill be lost\b"
        ),
        DESTRUCTIVE,
        HIGH,
        "the description calls it destructive",
    ),
    (
        re.compile(r"\bwrite operations?\b|\bmutat(?:es|ion|ing)\b|\bnot read[- ]only\b"),
        WRITE,
        MEDIUM,
        "the description speaks of write operations",
    ),
    (
        re.compile(
            r"\b(?:arbitrary|any|raw|custom|shell|bash|python|javascript) (?:shell |bash |sql |python |system )?"
            r"(?:commands?|code|scripts?|sql|statements?)\b|\bremote code\b"
        ),
        CODE,
        HIGH,
        "the description says that it runs what it is given",
    ),
)
# Verbs that are hardly ever nouns or mere paraphrase: only these speak against a name that only reads.
_FIRM = bag(
    "create update delete remove modify edit add write insert destroy drop purge erase wipe truncate grant revoke assign attach "
    "detach enable disable install uninstall approve reject upload replace overwrite rename publish terminate manage associate "
    "disassociate register deregister execute send cancel deploy start stop reset"
)
_NEGATED = re.compile(
    r"\b(?:not|never|no|isn't|non|without|doesn't|don't|won't|cannot|before|avoid\w*|prevent\w*|instead of)\W+(?:\w+\W+){0,3}$"
)
_RUNS = re.compile(r"\b(?:run|execut|eval|invok|interpret|perform)\w*\b")


def classify_tool(tool: Tool) -> Risk:
    """The static risk of ``tool``: the maximum over everything it says of itself, all evidence kept.

    Hints (annotations) raise; they lower only where ``tool.annotations.trusted``. A tool of which nothing is
    known may write. Evidence whose source begins with ``schema.`` tells what a free-form argument *could*
    do; `classify_call` replaces it by what the argument of one call does.
    """
    found = read_effects(tool.name, tool.description)
    cues = cues_of(tool, acts=any(e.risk_class is not READ for e in found))
    if cues.program and cues.kinds:
        found = [e for e in found if e.text != UNSAID]  # its arguments will say what it does
    found += cues.evidence
    hints = tool.annotations
    if hints.trusted:
        found = _lowered(found, hints)
    found += _hinted(hints)
    return risk_of(found)


def _hinted(hints: Annotations) -> list[Evidence]:
    found = []
    if hints.destructive:
        found.append(note("annotation", DESTRUCTIVE, HIGH, "the tool declares that it may destroy"))
    if hints.read_only is False:
        found.append(note("annotation", WRITE, MEDIUM, "the tool declares that it is not read-only"))
    if hints.read_only and hints.trusted:
        found.append(note("annotation", READ, LOW, "a trusted server declares the tool read-only"))
    return found


def _lowered(found: list[Evidence], hints: Annotations) -> list[Evidence]:
    """What is left of ``found`` once a trusted server has spoken. Free-form arguments stay open."""
    if hints.read_only:
        return [e for e in found if e.source.startswith("schema.") or e.risk_class is READ]
    if hints.destructive is False:
        return [
            note(e.source, WRITE, MEDIUM, f"{e.text}; a trusted server declares it not destructive")
            if e.risk_class is DESTRUCTIVE
            else e
            for e in found
        ]
    return found


def read_effects(name: str, description: str, *, source: str = "name") -> list[Evidence]:
    """What ``name`` and ``description`` say about the effect, read as language. Never empty."""
    reading = read_name(name)
    sentences = sentence_verbs(description)
    lead = next((verbs for verbs in sentences[:2] if verbs), ())
    found = [*_from_name(reading, source, lead), *_from_description(reading, sentences, lead)]
    if reading.head not in READ_VERBS and _ABOUT_ACCESS.match(description[:400]):
        found.append(note("description", PRIVILEGE, HIGH, "the description says that it changes permissions"))
    found += _from_warnings(description)
    if not found or (all(e.risk_class is READ for e in found) and not _looks(reading, lead)):
        found.append(note(source, WRITE, MEDIUM, UNSAID))
    return found


def _looks(reading: NameReading, lead: tuple[str, ...]) -> bool:
    """Whether name or description puts a verb of looking first."""
    return reading.head in READ_VERBS or bool(lead and lead[0] in READ_VERBS | SOFT_READ_VERBS)


def _from_name(reading: NameReading, source: str, lead: tuple[str, ...]) -> list[Evidence]:
    found = []
    for verb in reading.verbs:
        if verb in READ_VERBS:
            found.append(note(source, READ, LOW, f"the name says {verb!r}"))
        elif verb in EFFECTS:
            soft = verb in SOFT_READ_VERBS and bool(lead) and _leads_to_looking(verb, lead)
            if soft or (verb == "post" and lead and all(v in READ_VERBS for v in lead)):
                found.append(note(source, READ, LOW, f"the name says {verb!r}, and the description that it only looks"))
                continue
            head_reads = reading.head in READ_VERBS and verb != reading.head
            found += effect_of(verb, reading.words, source, f"the name says {verb!r}", capped=head_reads)
    return found


# They take in, and say what they found.
_TAKING_IN = bag("parse extract poll monitor watch track decode match sample verify")


def _leads_to_looking(verb: str, lead: tuple[str, ...]) -> bool:
    """Whether a description that puts ``lead`` first only looks: "Parse a file and return its text"."""
    if all(v in READ_VERBS for v in lead):
        return True
    return verb in _TAKING_IN and all(v in READ_VERBS | _TAKING_IN for v in lead) and any(v in READ_VERBS for v in lead)


def _from_description(
    reading: NameReading, sentences: tuple[tuple[str, ...], ...], lead: tuple[str, ...]
) -> list[Evidence]:
    found: list[Evidence] = []
    named = bool(reading.head)
    for verbs in sentences[:1] if named else [lead]:
        for verb in verbs:
            if verb in EFFECTS and verb not in READ_VERBS:
                if reading.head in READ_VERBS and (verb in SOFT_READ_VERBS or verb not in _FIRM):
                    continue
                found += effect_of(verb, reading.words, "description", f"the description says {verb!r}")
            elif verb in READ_VERBS and lead and (verb == lead[0] or _leads_to_looking(lead[0], lead)):
                found.append(note("description", READ, LOW, f"the description says {verb!r}"))
    for verbs in sentences[1:]:
        for verb in verbs:
            if verb in DELETE_FAMILY and reading.head not in READ_VERBS:
                found += effect_of(verb, reading.words, "description", f"the description says {verb!r}")
    return found


# "… add, replace or delete ownership controls": the first thing that is done is done to permissions.
_ABOUT_ACCESS = re.compile(
    r"^(?:grants?\s+permission\s+to\s+)?(?:(?:add|change|delete|modif\w+|put|remove|replace|reset|set|update|and|or)\w{0,2},?\s+){1,6}(?:the\s+|an?\s+|replica\s+)?"
    r"(?:permission(?:s|\s+settings?)?|ownership(?:\s+controls?)?|access\s+(?:rights|permissions))\b(?!\s+(?:set|boundary))",
    re.IGNORECASE,
)


def _from_warnings(description: str) -> list[Evidence]:
    text = unmask(description[:4_000]).lower()
    found = []
    for pattern, risk_class, level, words in _WARNINGS:
        match = pattern.search(text)
        if not match or _NEGATED.search(text[max(0, match.start() - 40) : match.start()]):
            continue
        if risk_class is CODE and not _RUNS.search(text[max(0, match.start() - 60) : match.start()]):
            continue
        found.append(note("description", risk_class, level, words))
    if any(e.risk_class is DESTRUCTIVE for e in found) and re.search(
        r"\b(?:entire|whole|all (?:of )?(?:the |its )?data)\b", text
    ):
        found.append(note("description", DESTRUCTIVE, CRITICAL, "the description speaks of losing everything it holds"))
    return found
