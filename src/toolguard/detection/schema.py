"""What a JSON Schema says of a value: ``x-phi``, ``format``, ``enum``, wherever pydantic or a person put them.

``x-phi`` is a type (``mrn``, ``person``), ``true`` (an identifier of some kind), ``false`` or ``none`` (never one), or
``text`` (prose: look into it). It holds for all that lies below, until something below says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from toolguard._core.call import Json

__all__ = ["NEVER", "PROSE", "declared", "item", "listed", "member", "resolved"]

NEVER = "-"
"""No identifier, whatever it looks like."""
PROSE = "?"
"""Look into it, whatever its name says."""
_TYPES = {
    "NAME": "PERSON", "PATIENT": "PERSON", "DOB": "DATE_OF_BIRTH", "BIRTH_DATE": "DATE_OF_BIRTH", "BIRTHDATE": "DATE_OF_BIRTH", "CITY": "LOCATION",
    "STREET": "ADDRESS", "MEMBER_ID": "HEALTH_PLAN_ID", "IP": "IP_ADDRESS", "VIN": "VEHICLE", "LICENCE": "LICENSE", "CARD": "CREDIT_CARD",
    "HOSPITAL": "FACILITY", "TRUE": "ID", "YES": "ID", "PHI": "ID", "EMAIL_ADDRESS": "EMAIL", "PHONE_NUMBER": "PHONE", "DATE_TIME": "DATE",
    "FALSE": NEVER, "NO": NEVER, "NONE": NEVER, "NULL": NEVER, "TEXT": PROSE, "FREE_TEXT": PROSE, "PROSE": PROSE, "NOTE": PROSE,
}  # fmt: skip
_FORMATS = {
    "email": "EMAIL", "idn-email": "EMAIL", "date": "DATE", "date-time": "DATE", "ipv4": "IP_ADDRESS", "ipv6": "IP_ADDRESS", "ipvanyaddress": "IP_ADDRESS",
    "phone": "PHONE", "tel": "PHONE", "password": "SECRET", "uuid": NEVER, "uuid4": NEVER, "regex": NEVER, "json-pointer": NEVER, "relative-json-pointer": NEVER,
    "duration": NEVER, "time": NEVER,
}  # fmt: skip
_WORDS = re.compile(r"[^A-Z0-9]+")


def declared(schema: Mapping[str, Json]) -> str | None:
    """The type ``x-phi`` gives, `NEVER`, `PROSE`, or None where it says nothing."""
    said = schema.get("x-phi")
    if said is None:
        return None
    word = _WORDS.sub("_", str(said).upper()).strip("_")
    return _TYPES.get(word, word) if word else None


def listed(schema: Mapping[str, Json], value: object) -> str | None:
    """What ``format``, ``enum`` and ``const`` say of ``value``; None where they say nothing."""
    options = schema.get("enum")
    if (isinstance(options, list) and value in options) or ("const" in schema and schema["const"] == value):
        return NEVER
    form = schema.get("format")
    return _FORMATS.get(form.lower()) if isinstance(form, str) else None


def resolved(schema: Mapping[str, Json], root: Mapping[str, Json]) -> Mapping[str, Json]:
    """The schema behind a local ``$ref`` and inside ``anyOf`` / ``oneOf`` / ``allOf``; the first that says ``x-phi`` wins."""
    for _ in range(8):
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#"):
            break
        target: Any = root
        for part in reference[1:].strip("/").split("/"):
            if part:
                target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, Mapping) else None
        if not isinstance(target, Mapping):
            return {}
        schema = {**target, **{k: v for k, v in schema.items() if k != "$ref"}}
    if "x-phi" in schema:
        return schema
    for union in ("anyOf", "oneOf", "allOf"):
        options = schema.get(union)
        if isinstance(options, list):
            merged: dict[str, Json] = dict(schema)
            for option in options:
                if isinstance(option, Mapping):
                    for name, found in resolved({k: v for k, v in option.items() if k != union}, root).items():
                        known = merged.get(name)
                        if name == "properties" and isinstance(found, Mapping) and isinstance(known, Mapping):
                            merged[name] = {**found, **known}
                        elif name == "enum" and isinstance(found, list) and isinstance(known, list):
                            merged[name] = [*known, *found]
                        else:
                            merged.setdefault(name, found)
            return merged
    return schema


def member(schema: Mapping[str, Json] | None, name: str) -> Mapping[str, Json] | None:
    """The schema of the member ``name`` of an object of this schema."""
    if schema is None:
        return None
    properties = schema.get("properties")
    found = properties.get(name) if isinstance(properties, Mapping) else None
    if found is None:
        patterns = schema.get("patternProperties")
        if isinstance(patterns, Mapping) and len(patterns) == 1:
            found = next(iter(patterns.values()))  # of several, which one holds is for a validator to say
    if found is None:
        found = schema.get("additionalProperties")
    return _below(found, schema)


def item(schema: Mapping[str, Json] | None, index: int) -> Mapping[str, Json] | None:
    """The schema of an item of an array of this schema."""
    if schema is None:
        return None
    first = schema.get("prefixItems")
    found = first[index] if isinstance(first, list) and index < len(first) else schema.get("items")
    return _below(found, schema)


def _below(found: Any, schema: Mapping[str, Json]) -> Mapping[str, Json] | None:
    said = schema.get("x-phi")
    if isinstance(found, Mapping):
        return found if "x-phi" in found or said is None else {"x-phi": said, **found}
    return {"x-phi": said} if said is not None else None
