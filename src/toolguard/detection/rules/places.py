"""What the rules for places share: nouns of facilities, streets, and phrases of the gazetteer."""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

from toolguard.detection.lexer import Lexed

__all__ = ["CAP", "CENTRES", "NOUNS", "SOURCE", "STATE", "TOWN", "phrase"]

SOURCE = "place"
STATE = r"(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|V[AIT]|W[AIVY]|[A-Z]{2}(?=,?\s{1,3}\d{5}(?!\d)))"
CAP = r"[^\W\d_a-z][\w'-]{1,24}"
TOWN = rf"(?:(?:St|Ft|Mt|Pt)\.?\s)?{CAP}(?:[ -](?:of\s|on\s|de\s|la\s|upon\s)?{CAP}){{0,3}}"
NOUNS = frozenset(
    "hospital hospitals hosp clinic clinics infirmary hospice sanatorium pediatrics paediatrics surgery oncology cardiology neurology orthopedics orthopaedics dermatology ophthalmology "
    "dialysis urology podiatry orthodontics dentistry endodontics radiology imaging gastroenterology rheumatology nephrology endocrinology pulmonology hospice "
    "snf alf ltac ltach pharmacy pharmacies healthcare rehabilitation rehab polyclinic dispensary hôpital klinik krankenhaus clinica clínica".split()
)
CENTRES = frozenset(
    "center centre ctr institute pavilion facility foundation campus unit branch residence residences".split()
)


def phrase(lexed: Lexed, i: int, known: frozenset[str]) -> int | None:
    """The last token of the longest entry of ``known`` that begins at token ``i``."""
    found = None
    phrase = lexed.folded[i]
    for j in range(i + 1, min(i + 5, len(lexed.folded))):
        gap = lexed.gap(j - 1)
        if gap not in (" ", "-", ". ", "'s ", " & ", "'s & "):
            break
        phrase += ("'s" if gap.startswith("'s") else "") + (" & " if "&" in gap else " ") + lexed.folded[j]
        if phrase in known or phrase + "'s" in known:
            found = j
    return found
