"""FHIR R4 by element: what identifies, what is code, what is prose (hl7.org/fhir/R4, US Core 6).

Names, addresses, telecoms, identifiers and dates are recognised by their data type, wherever in a resource they
stand. States and countries stay. A literal reference to a patient holds an identifier (``FHIR_ID``); a
``urn:uuid:`` reference is local to its bundle and holds none.
"""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from toolguard.detection.fields import SAFE

__all__ = ["PATIENT_LIKE", "REFERENCE", "TEXT", "element_type", "is_definition"]

TEXT = "?"
"""The element is prose: look into it."""

PATIENT_LIKE = frozenset({"Patient", "Person", "RelatedPerson"})
_PEOPLE = frozenset({*PATIENT_LIKE, "Practitioner", "PractitionerRole"})
_PLACES = frozenset({"Organization", "Location", "HealthcareService", "CareTeam", "Endpoint"})
_DEFINITIONS = frozenset(
    "StructureDefinition ValueSet CodeSystem ConceptMap CapabilityStatement OperationDefinition SearchParameter "
    "ImplementationGuide NamingSystem StructureMap CompartmentDefinition GraphDefinition TerminologyCapabilities "
    "Questionnaire PlanDefinition ActivityDefinition Library Measure Medication MedicationKnowledge Substance".split()
)
REFERENCE = re.compile(r"(?:^|/)(Patient|Person|RelatedPerson)/([A-Za-z0-9.-]{1,64})(?=$|[/?#])")
_DATE = re.compile(r"\d{4}-\d\d(?:-\d\d(?:T[\d:.+Z-]{2,24})?)?")
_SKIP = frozenset(
    "resourceType status gender use system code unit linkId url profile contentType language mode intent priority version type kind "
    "currency comparator fhirVersion format active rank sequence versionId clinicalStatus verificationStatus category".split()
)
_PERSON_REFERENCES = frozenset(
    "subject patient beneficiary subscriber policyHolder performer practitioner individual author recorder asserter requester participant "
    "actor member generalPractitioner informationSource sender recipient attester party who agent enterer provider source collector "
    "responsible attendee authoringPractitioner interpreter resultsInterpreter onBehalfOf".split()
)
_PLACE_REFERENCES = frozenset(
    "managingOrganization serviceProvider custodian location facility origin destination hospitalization organization".split()
)
_BY_CODE = {
    "SS": "SSN", "SB": "SSN", "MR": "MRN", "MRT": "MRN", "PI": "MRN", "PT": "MRN", "NPI": "NPI", "DEA": "DEA", "DL": "LICENSE",
    "MD": "LICENSE", "LN": "LICENSE", "PPN": "ID", "MB": "HEALTH_PLAN_ID", "MC": "HEALTH_PLAN_ID", "MA": "HEALTH_PLAN_ID",
    "SN": "HEALTH_PLAN_ID", "HC": "HEALTH_PLAN_ID", "NIIP": "HEALTH_PLAN_ID", "AN": "ACCOUNT", "BA": "ACCOUNT", "CC": "CREDIT_CARD",
    "SNO": "DEVICE", "UDI": "DEVICE", "TAX": "SSN",
}  # fmt: skip
_BY_SYSTEM = (
    ("us-ssn", "SSN"), ("2.16.840.1.113883.4.1", "SSN"), ("us-npi", "NPI"), ("2.16.840.1.113883.4.6", "NPI"),
    ("us-dea", "DEA"), ("us-medicare", "HEALTH_PLAN_ID"), ("us-mbi", "HEALTH_PLAN_ID"), ("member", "HEALTH_PLAN_ID"),
    ("nhs-number", "MRN"), ("mrn", "MRN"), ("medical-record", "MRN"), ("passport", "ID"), ("license", "LICENSE"), ("drivers", "LICENSE"),
    ("hospital", "MRN"), ("patient", "MRN"),
)  # fmt: skip
_BY_TELECOM = {"phone": "PHONE", "fax": "FAX", "email": "EMAIL", "pager": "PHONE", "sms": "PHONE", "url": "URL"}
_DEVICE = frozenset("serialNumber distinctIdentifier carrierHRF carrierAIDC deviceIdentifier lotNumber".split())


def is_definition(resource: str) -> bool:
    """Whether resources of this kind are about no person (terminology, conformance, definitions)."""
    return resource in _DEFINITIONS


def _identifier(obj: Mapping[str, Any], resource: str) -> str:
    kind = obj.get("type")
    if isinstance(kind, Mapping) and isinstance(kind.get("coding"), list):
        for coding in kind["coding"]:
            code = coding.get("code") if isinstance(coding, Mapping) else None
            if isinstance(code, str) and code in _BY_CODE:
                return _BY_CODE[code]
    system = obj.get("system")
    if isinstance(system, str):
        lowered = system.lower()
        for part, found in _BY_SYSTEM:
            if part in lowered:
                return found
    return {
        "Patient": "MRN",
        "Coverage": "HEALTH_PLAN_ID",
        "Device": "DEVICE",
        "Claim": "ACCOUNT",
        "Account": "ACCOUNT",
    }.get(resource, "ID")


def _display(obj: Mapping[str, Any], parent: str) -> str:
    target = obj.get("reference")
    kind = target.rpartition("/")[0].rpartition("/")[2] if isinstance(target, str) else obj.get("type")
    if kind in _PEOPLE:
        return "PERSON"
    if kind in _PLACES:
        return "FACILITY"
    if parent in _PERSON_REFERENCES:
        return "PERSON"
    if parent in _PLACE_REFERENCES:
        return "FACILITY"
    return SAFE if "code" in obj or "system" in obj else TEXT


def element_type(resource: str, parent: str, key: str, obj: Mapping[str, Any], value: Any) -> str:
    """The identifier type of a leaf, `SAFE` or `TEXT`.

    Args:
        resource: type of the resource around it.
        parent: name of the element that holds ``obj`` (list indices left out).
        key: the leaf's own name; obj: the object it stands in; value: the leaf.
    """
    lowered = parent[5].lower() + parent[6:] if parent.startswith("value") and len(parent) > 6 else parent
    if lowered in ("name", "humanName") or (("family" in obj or "given" in obj) and resource in _PEOPLE):
        if key in ("family", "given", "text"):
            return "PERSON"
        if key in ("prefix", "suffix"):
            return SAFE
    if "line" in obj or "postalCode" in obj or lowered in ("address", "birthPlace"):
        found = {
            "line": "ADDRESS",
            "text": "ADDRESS",
            "city": "LOCATION",
            "district": "LOCATION",
            "postalCode": "ZIP",
        }.get(key)
        if found:
            return found
        if key in ("state", "country"):
            return SAFE
    if lowered in ("telecom", "contactPoint") and key == "value":
        return _BY_TELECOM.get(str(obj.get("system", "phone")), "ID")
    if lowered.lower().endswith("identifier") and key == "value":
        return _identifier(obj, resource)
    if key == "birthDate":
        return "DATE_OF_BIRTH"
    if key in _DEVICE:
        return "DEVICE"
    if key in ("subscriberId", "memberId"):
        return "HEALTH_PLAN_ID"
    if key == "data" and ("contentType" in obj or parent in ("photo", "attachment", "valueAttachment", "content")):
        return "PHOTO"
    if key == "name" and resource in _PLACES:
        return "FACILITY"
    if key == "name" and resource in _PEOPLE:
        return "PERSON"
    if key == "display":
        return _display(obj, parent)
    if key == "valueString" and "mothersMaidenName" in str(obj.get("url", "")):
        return "PERSON"
    if key == "text" and isinstance(obj.get("coding"), list):
        # the text of a concept is prose, unless it only repeats what its code means
        displays = [c.get("display") for c in obj["coding"] if isinstance(c, Mapping)]
        return SAFE if value in displays else TEXT
    if isinstance(value, str) and value[:2] in ("18", "19", "20") and _DATE.fullmatch(value):
        return "DATE"
    if key in _SKIP:
        return SAFE
    if key == "value" and parent == "class":
        return SAFE
    if parent in ("meta", "security", "tag", "coding"):
        return SAFE
    return TEXT
