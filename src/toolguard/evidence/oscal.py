"""OSCAL assessment results (1.2): observations counted from records. No findings and no risks: those are an assessor's."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from toolguard.population import FRAMEWORKS, Matrix, Population, Row, iso, matrix_of

__all__ = ["OSCAL_VERSION", "assessment_results"]

OSCAL_VERSION = "1.2.1"
_SPACE = uuid.UUID("6f6c1f0e-6d0f-5c5e-9f0a-3a1c8a4f7d11")


def assessment_results(population: Population, *, version: str, members: Iterable[str] = ()) -> dict[str, Any]:
    """One result over the period with an observation for every control of every framework.

    Args:
        version: of this package.
        members: names of a pack's files, which become resources that observations point at.
    """
    period = population.period
    names = sorted(members)

    def uid(*parts: object) -> str:
        seed = json.dumps([period.epoch, period.since, period.until, *map(str, parts)])
        return str(uuid.uuid5(_SPACE, seed))

    matrices = [matrix_of(population, framework) for framework in FRAMEWORKS]
    resources = {name: uid("resource", name) for name in names}
    observations = [
        _observation(row, matrix, period.until, uid("observation", matrix.framework, row.control.id), resources)
        for matrix in matrices
        for row in matrix.rows
    ]
    result = {
        "uuid": uid("result"),
        "title": "Counts of evidence from the toolguard journal",
        "description": (
            "What the records of guarded tool calls show for each control. Observations only: nothing here says that a "
            "control is met."
        ),
        "start": iso(period.since),
        "end": iso(period.until),
        "reviewed-controls": {
            "control-selections": [
                {
                    "description": f"{matrix.title}: {', '.join(row.control.id for row in matrix.rows)}",
                    "include-all": {},
                }
                for matrix in matrices
            ]
        },
        "observations": observations,
    }
    document: dict[str, Any] = {
        "uuid": uid("document"),
        "metadata": {
            "title": "toolguard evidence",
            "last-modified": iso(period.until),
            "version": version,
            "oscal-version": OSCAL_VERSION,
        },
        "import-ap": {
            "href": "#" + uid("plan"),
            "remarks": "No assessment plan is part of this document; the auditor's own takes this place.",
        },
        "results": [result],
    }
    plan = {
        "uuid": uid("plan"),
        "title": "Assessment plan",
        "description": "The auditor's own; not part of this pack.",
    }
    document["back-matter"] = {
        "resources": [plan, *({"uuid": u, "title": n, "rlinks": [{"href": n}]} for n, u in resources.items())]
    }
    return {"assessment-results": document}


def _observation(row: Row, matrix: Matrix, until: float, uid: str, resources: Mapping[str, str]) -> dict[str, Any]:
    control = row.control
    said = "; ".join(e.text for e in row.evidence) if row.has_any else "none"
    props = [
        {"name": "framework", "value": matrix.framework, "ns": "https://toolguard.invalid/ns"},
        {"name": "control", "value": control.name, "ns": "https://toolguard.invalid/ns"},
        {"name": "evidence", "value": "some" if row.has_any else "none", "ns": "https://toolguard.invalid/ns"},
    ]
    observation: dict[str, Any] = {
        "uuid": uid,
        "title": f"{control.id} {control.about}",
        "description": f"Evidence in the records: {said}.",
        "props": props,
        "methods": ["EXAMINE"],
        "types": ["control-objective"],
        "collected": iso(until),
    }
    relevant = [
        {"href": f"#{resources[e.member]}", "description": e.text} for e in row.evidence if e.member in resources
    ]
    if relevant:
        observation["relevant-evidence"] = relevant
    remarks = [f"No record shows: {', '.join(row.absent)}."] if row.absent else []
    if control.asks:
        remarks.append(f"To be looked at elsewhere: {control.asks}")
    if remarks:
        observation["remarks"] = " ".join(remarks)
    return observation
