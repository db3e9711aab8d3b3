"""FHIR requests: which resource, which operation, and whether it takes many patients at once."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

from toolguard._core.risk import Evidence
from toolguard.analysis.notes import CODE, CRITICAL, DESTRUCTIVE, EXFILTRATION, HIGH, LOW, MEDIUM, READ, WRITE, note
from toolguard.analysis.words import bag, unmask

__all__ = ["BULK_COUNT", "fhir_evidence", "fhir_facts", "is_fhir"]

_SOURCE = "args.fhir"
MAX_PATH = 8_192
BULK_COUNT = 200
"""From this ``_count`` on a search counts as bulk."""

# Type names of FHIR R4/R5 that carry data of patients or run the server (hl7.org/fhir/resourcelist.html).
_TYPES = (
    "AllergyIntolerance|Appointment|AuditEvent|Binary|Bundle|CarePlan|CareTeam|Claim|ClaimResponse|Communication|Composition|Condition|Consent|Coverage|"
    "Device|DiagnosticReport|DocumentReference|Encounter|EpisodeOfCare|ExplanationOfBenefit|FamilyMemberHistory|Flag|Goal|Group|ImagingStudy|Immunization|"
    "Invoice|List|Location|Media|Medication|MedicationAdministration|MedicationDispense|MedicationRequest|MedicationStatement|NutritionOrder|Observation|"
    "Organization|Parameters|Patient|Person|Practitioner|PractitionerRole|Procedure|Provenance|Questionnaire|QuestionnaireResponse|RelatedPerson|"
    "RequestGroup|ResearchStudy|ResearchSubject|RiskAssessment|Schedule|ServiceRequest|Slot|Specimen|Subscription|Substance|Task|VisionPrescription|"
    "StructureDefinition|SearchParameter|OperationDefinition|CapabilityStatement|ValueSet|CodeSystem|ConceptMap"
)
_TYPE = re.compile(rf"(?:^|/)({_TYPES})(?=/|$|\?)", re.IGNORECASE)
_SHAPE = re.compile(rf"(?:^|/)(?:{_TYPES})(?:/|$|\?)|(?:^|/)\$[a-z][a-z-]+", re.IGNORECASE)
_OPERATION = re.compile(r"(?:^|/)\$([a-z][a-z0-9-]*)", re.IGNORECASE)
_BULK_OPERATIONS = frozenset(("export", "everything", "davinci-data-export", "patient-everything", "bulk-publish"))
_ENDING_OPERATIONS = frozenset(
    (
        "expunge",
        "purge",
        "delete",
        "reindex",
        "mark-all-resources-for-reindexing",
        "purge-history",
        "cascade-delete",
        "partition-management-delete-partition",
    )
)
_READING_OPERATIONS = frozenset(
    (
        "validate",
        "lookup",
        "expand",
        "translate",
        "subsumes",
        "meta",
        "lastn",
        "stats",
        "match",
        "document",
        "find",
        "graph",
        "versions",
        "validate-code",
        "summary",
        "diff",
        "docref",
    )
)


def is_fhir(text: str) -> bool:
    """Whether ``text`` looks like a FHIR path, query or URL."""
    return len(text) <= MAX_PATH and bool(_SHAPE.search(_plain(text)))


def _plain(text: str) -> str:
    return unquote(unquote(unmask(text))).strip()


def fhir_facts(text: str, method: str = "get") -> dict[str, object]:
    """Facts for conditions: ``resource id operation bulk count compartment method parsed``.

    ``count`` is the ``_count`` parameter or -1. ``bulk`` means more than one patient's record or a whole one is
    taken. A text that is no FHIR request gives ``parsed`` False and ``bulk`` True.
    """
    blank: dict[str, object] = {
        "resource": "",
        "id": "",
        "operation": "",
        "bulk": True,
        "count": -1,
        "method": method.lower(),
        "parsed": False,
    }
    if len(text) > MAX_PATH:
        return blank
    plain = _plain(text)
    if not _SHAPE.search(plain):
        return blank
    try:
        parts = urlsplit(plain)
        query = {k.lower(): v for k, v in parse_qsl(parts.query, max_num_fields=100, keep_blank_values=True)}
    except ValueError:
        return blank
    types = _TYPE.findall(parts.path)
    names = [n.lower() for n in _OPERATION.findall(parts.path)]
    operation = names[0] if names else ""
    match = re.search(rf"(?:^|/)(?:{_TYPES})/([A-Za-z0-9.-]{{1,64}})(?=/|$)", parts.path, re.IGNORECASE)
    identifier = match.group(1) if match and not re.fullmatch(_TYPES, match.group(1), re.IGNORECASE) else ""
    count_text = query.get("_count", "")
    count = int(count_text) if count_text.isdecimal() and len(count_text) < 10 else -1
    search = bool(query) or "_search" in parts.path
    bulk = (
        operation in _BULK_OPERATIONS
        or count >= BULK_COUNT
        or (count_text != "" and count < 0)
        or (not identifier and not operation and bool(types) and method.lower() == "get" and not _narrow(query))
    )
    return {
        "resource": types[-1] if types else "",
        "id": identifier,
        "operation": operation,
        "bulk": bulk,
        "count": count,
        "search": search,
        "method": method.lower(),
        "parsed": True,
    }


_PAGING = bag(
    "_count _sort _format _pretty _summary _elements _total _offset _getpages page _include _revinclude _fields"
)


def _narrow(query: dict[str, str]) -> bool:
    """Whether a search is narrowed by anything but paging and format."""
    return any(name.split(":", 1)[0] not in _PAGING and value.strip("*% ") for name, value in query.items())


def fhir_evidence(text: str, method: str = "get") -> list[Evidence]:
    """What a FHIR request does."""
    method = method.lower()
    facts = fhir_facts(text, method)
    if not facts["parsed"]:
        return [note(_SOURCE, CODE, HIGH, "a FHIR request cannot be read for sure")]
    found = []
    operation = str(facts["operation"])
    if operation in _ENDING_OPERATIONS:
        found.append(note(_SOURCE, DESTRUCTIVE, CRITICAL, f"the operation ${operation} removes records for good"))
    elif operation in _BULK_OPERATIONS:
        grave = operation != "everything" and operation != "patient-everything"
        found.append(
            note(_SOURCE, EXFILTRATION, CRITICAL if grave else HIGH, f"the operation ${operation} takes whole records")
        )
    elif operation and operation not in _READING_OPERATIONS:
        found.append(
            note(_SOURCE, WRITE, HIGH if method != "get" else MEDIUM, "it calls an operation whose effect is not known")
        )
    elif facts["bulk"]:
        found.append(note(_SOURCE, EXFILTRATION, HIGH, "it takes the records of many patients"))
    if method == "delete":
        whole = not facts["id"]
        found.append(
            note(
                _SOURCE,
                DESTRUCTIVE,
                CRITICAL if whole else HIGH,
                "it deletes every match of a search" if whole else "it deletes a record",
            )
        )
    elif method in ("put", "patch") or (method == "post" and not operation and "_search" not in text):
        found.append(note(_SOURCE, WRITE, MEDIUM, "it writes a record"))
    return found or [note(_SOURCE, READ, LOW, "it reads a record")]
