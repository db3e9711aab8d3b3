"""Forms and records: fields with labels, laid out the way some system or person writes them.

A form is a template string for `training.generate`, so the slots decide what stands in it.
"""

from __future__ import annotations

import re
from random import Random
from typing import Final

__all__ = ["form"]

_PERSON: Final = re.compile(r"@([abc])(?![a-z])")
_FIELDS: Final = (
    ("patient|patient name|pt name|name|full name|client|member|subscriber|resident|subject|insured|guarantor|student|employee|caller|customer|user name|beneficiary", "@a.both"),
    ("patient|name|pt|client", "@a.full"),
    ("last name|surname|family name|lname|last|nachname|apellido", "@a.last"),
    ("first name|given name|fname|first|preferred name|vorname|nombre", "@a.first"),
    ("provider|physician|attending|pcp|doctor|ordering provider|referring|surgeon|performed by|clinician|md|nurse|signed by|prescriber|dr|author|tech|collected by|dictated by|read by|reviewed by", "@b"),
    ("provider|physician|attending|pcp|referring|surgeon|prescriber", "Dr. @b.last"),
    ("mother|father|spouse|emergency contact|next of kin|nok|guardian|contact|witness|parent|interpreter|poa|legal guardian|caregiver|assigned to|owner|requested by|reporter", "@c.full"),
    ("dob|date of birth|birth date|birthdate|born|d.o.b.|bday|fecha de nacimiento", "@dob"),
    ("date|visit date|admit date|admitted|discharged|date of service|dos|collected|received|appointment|appt|next visit|last seen|onset|start date|end date|due|signed|fecha|created at|updated|timestamp|scheduled for|expires|effective", "@date"),
    ("created at|updated at|timestamp|ts|event time|collected", "@date.stamp"),
    ("mrn|medical record number|chart|chart no|record|med rec|patient id|pt id|hospital number|uhid|nhs number|pid", "@mrn"),
    ("account|acct|acct no|member id|policy|policy number|claim|claim id|case|case number|order|order id|order no|rx|rx number|accession|ticket|encounter|visit id|reference|ref|confirmation|auth|prior auth|specimen|invoice|serial|serial number|device id|badge|license|passport|group|subscriber id|medicaid id|study id", "@order"),
    ("id number|national id|passport|driver license|member id|insurance id|policy|plan id|employee id", "@id"),
    ("ssn|social|social security number|last 4", "@ssn"),
    ("phone|tel|telephone|cell|mobile|home phone|work phone|callback|contact number|fax|ph|whatsapp|teléfono", "@phone"),
    ("email|e-mail|mail|contact email|correo", "@email"),
    ("address|home address|mailing address|street|addr|residence|ship to|domicilio|location", "@addr"),
    ("city|town|hometown|place of birth|birthplace|city of residence|ciudad|municipality", "@city"),
    ("zip|zip code|postal code|postcode", "@zip"),
    ("facility|hospital|clinic|site|location|practice|pharmacy|lab|department|referred to|discharge to|transfer to|school|sending facility|performing lab", "@fac"),
    ("ip|ip address|host", "@ip"),
    ("dx|diagnosis|impression|assessment|problem|indication|reason|chief complaint|cc|history|pmh|comorbidities", "@dx"),
    ("rx|medication|meds|drug|current meds|allergies|allergy", "@rx"),
    ("vitals|bp|exam|findings|labs|result|results", "@vit, @lab"),
    ("status|state|type|priority|category|class|mode|disposition|condition|severity|stage", "@w"),
    ("notes|comment|comments|remarks|description|plan|instructions|message|summary|details", "@salad"),
    ("code|icd|cpt|procedure code|loinc|version|build", "@code"),
    ("room|bed|floor|unit|qty|quantity|refills|count|age|weight|height|score|copay|amount|total", "@n"),
    ("sex|gender|race|language|marital status|smoker|blood type|religion", "⟨M¦F¦female¦male¦English¦Spanish¦White¦Black¦Asian¦single¦married¦never¦O+¦none¦yes¦no¦unknown¦N/A⟩"),
    ("payer|insurance|plan|carrier|vendor|manufacturer|app|source|system", "@org"),
    ("procedure|exam|study|test|service|order", "@proc"),
    ("title|project|subject|topic|event|program", "@title"),
    ("duration|length|since|interval|frequency", "@dur"),
    ("hash|commit|trace|session|token|checksum", "@hash"),
)  # fmt: skip


def form(random: Random) -> str:
    """A template with three to nine labelled fields, or a table of two to four rows."""
    fields = random.sample(_FIELDS, random.randint(3, 9))
    style = random.choice(
        [
            "lines",
            "lines",
            "lines",
            "run",
            "run",
            "json",
            "json",
            "kv",
            "pipe",
            "csv",
            "csv",
            "tsv",
            "markdown",
            "xml",
            "sql",
            "call",
            "dots",
            "bare",
            "yaml",
        ]
    )
    case = random.choice([str.title, str.title, str.upper, str.lower, str.capitalize])
    names = [random.choice(labels.split("|")) for labels, _ in fields]
    values = [value for _, value in fields]
    snake = [name.replace(" ", "_").replace(".", "").replace("-", "_") for name in names]
    camel = [name.title().replace(" ", "").replace(".", "") for name in names]
    camel = [name[0].lower() + name[1:] for name in camel]
    keys = random.choice([snake, snake, camel])
    match style:
        case "lines" | "run":
            colon = (
                random.choice([": ", ": ", ":", " - ", " = ", "  ", ":\n", "\t"])
                if style == "lines"
                else random.choice([": ", ": ", " ", ":", "# "])
            )
            join = (
                random.choice(["\n", "\n", "\n\n", "\n- "])
                if style == "lines"
                else random.choice(["; ", ", ", ". ", " | ", "  ", " / ", " "])
            )
            return join.join(f"{case(name)}{colon}{value}" for name, value in zip(names, values, strict=True))
        case "json":
            return "{" + ", ".join(f'"{key}": "{value}"' for key, value in zip(keys, values, strict=True)) + "}"
        case "kv":
            return random.choice([" ", "; ", "&", "\n", ", "]).join(
                f"{key}={value}" for key, value in zip(keys, values, strict=True)
            )
        case "pipe":
            return "\n".join(f"{case(name)}|{value}" for name, value in zip(names, values, strict=True))
        case "csv" | "tsv" | "markdown":
            gap = {"csv": random.choice([",", ",", ";", ", "]), "tsv": "\t", "markdown": " | "}[style]
            heads = snake if random.random() < 0.7 else [case(name) for name in names]
            rows = [gap.join(heads)] if random.random() < 0.85 else []
            if style == "markdown" and rows:
                rows.append("|".join(["---"] * len(heads)))
            # one row a person: @a, @b, @c stand for others in the rows that follow
            rows += [
                gap.join(_for(others, value).replace(", ", " ") for value in values)
                for others in ("abc", "dbe", "fbp")[: random.randint(1, 3)]
            ]
            return "\n".join(f"| {row} |" for row in rows) if style == "markdown" else "\n".join(rows)
        case "xml":
            return "".join(f"<{key}>{value}</{key}>" for key, value in zip(keys, values, strict=True))
        case "sql":
            table = random.choice(["patients", "visits", "contacts", "@w"])
            if random.random() < 0.5:
                listed = ", ".join(f"'{value}'" for value in values)
                return f"INSERT INTO {table} ({', '.join(snake)}) VALUES ({listed});"  # noqa: S608  # text to learn from, never run
            tests = " AND ".join(f"{key} = '{value}'" for key, value in zip(snake[:3], values[:3], strict=True))
            return f"SELECT {random.choice(['*', 'count(*)', '@w, @w'])} FROM {table} WHERE {tests};"  # noqa: S608  # text to learn from, never run
        case "call":
            return (
                random.choice(["get_@w", "create_@w", "update_patient", "send_@w"])
                + "("
                + ", ".join(f"{key}='{value}'" for key, value in zip(snake, values, strict=True))
                + ")"
            )
        case "dots":
            return "\n".join(
                f"{case(name)} {random.choice(['. .', '....', '___', '-->'])} {value}"
                for name, value in zip(names, values, strict=True)
            )
        case "bare":
            return random.choice([", ", " ", "\n", " | ", "  ", "\t"]).join(values)
    return "record:\n" + "\n".join(f"  {key}: {value}" for key, value in zip(keys, values, strict=True))


def _for(others: str, value: str) -> str:
    """``value`` with the people ``@a``, ``@b``, ``@c`` exchanged for others: one table row, one patient."""
    return _PERSON.sub(lambda match: "@" + others["abc".index(match[1])], value)
