"""Identifiers in disguise: other scripts, no width, spaced out, encoded, in parts."""

from __future__ import annotations

import base64
import html
import json
import unicodedata
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest

from detection.marked import hidden, shown
from toolguard._core.mask import apply_findings
from toolguard.detection import DefaultDetector
from toolguard.ports import Origin

NAME, NUMBER = "Maria Gonzalez", "219-09-9999"
WIDE = {ord("0") + i: 0xFF10 + i for i in range(10)} | {ord("-"): 0xFF0D}
LETTERS = {ord(c): 0xFF21 + i for i, c in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ")} | {
    ord(c): 0xFF41 + i for i, c in enumerate("abcdefghijklmnopqrstuvwxyz")
}
MATH = {ord("0") + i: 0x1D7CE + i for i in range(10)}
CYRILLIC = str.maketrans("aeoMcp", "аеоМср")


def masked(value: Any, origin: Origin = Origin.RESULT) -> Any:
    findings = DefaultDetector().session().inspect(value, origin=origin)
    return apply_findings(value, findings, lambda finding, _: f"<{finding.type}_1>")


@pytest.mark.parametrize(
    ("disguised", "plain"),
    [
        (NUMBER.replace("-", "\u2011"), NUMBER), (NUMBER.replace("-", "\u2013"), NUMBER), (NUMBER.replace("-", "\u00ad\u2010"), NUMBER),
        (NUMBER.replace("-", " "), NUMBER), (NUMBER.replace("-", "."), NUMBER), (NUMBER.replace("-", "\u00a0"), NUMBER), (NUMBER.translate(WIDE), NUMBER),
        (NUMBER.translate(MATH), NUMBER), ("\u200b".join(NUMBER), NUMBER), ("\u2060".join(NUMBER), NUMBER), ("".join(c + "\ufe0f\u20e3" if c.isdigit() else c for c in NUMBER), NUMBER),
        ("".join(c + "\u0336" for c in NUMBER), NUMBER), ("٢١٩-٠٩-٩٩٩٩", NUMBER), (" ".join(NUMBER.replace("-", "")), NUMBER), (".".join(NUMBER.replace("-", "")), NUMBER),
        (NAME.translate(LETTERS), NAME), (NAME.translate(CYRILLIC), NAME), ("\u200d".join(NAME), NAME), (unicodedata.normalize("NFD", "José Peña"), "José Peña"),
        ("".join(c + "\u0336" for c in NAME), NAME), (NAME.replace(" ", "\u2003"), NAME), ("M a r i a  G o n z a l e z", NAME), ("M.a.r.i.a G.o.n.z.a.l.e.z", NAME),
        ("maria．g@example．org", "maria.g@example.org"), ("maria\u200b@example.org", "maria@example.org"),
    ],
)  # fmt: skip
def test_a_disguise_of_characters_hides_nothing(disguised: str, plain: str) -> None:
    text = f"Pt {disguised} was seen"
    seen = [i for s in _spans(text) for i in range(*s)]
    start = text.index(disguised)
    left = [text[i] for i in range(start, start + len(disguised)) if text[i].isalnum() and i not in seen]
    assert left == [], plain


def _spans(text: str) -> list[tuple[int, int]]:
    return [(f.start, f.end) for f in DefaultDetector().session().inspect(text, origin=Origin.RESULT)]


@pytest.mark.parametrize(
    "text",
    [
        "Встреча с врачом в понедельник",
        "Η εξέταση ήταν φυσιολογική",
        "Ωm and µg",
        "naïve T cells",
        "患者は安定しています",
    ],
)
def test_text_of_other_scripts_is_left_as_it_is(text: str) -> None:
    assert hidden(text) == []


ENCODERS: dict[str, Callable[[str], str]] = {
    "base64": lambda t: base64.b64encode(t.encode()).decode(),
    "base64 for URLs": lambda t: base64.urlsafe_b64encode(t.encode()).decode().rstrip("="),
    "base64 twice": lambda t: base64.b64encode(base64.b64encode(t.encode())).decode(),
    "hex": lambda t: t.encode().hex(),
    "hex in capitals, with colons": lambda t: t.encode().hex(":").upper(),
    "URL": lambda t: "".join(f"%{b:02X}" for b in t.encode()),
    "URL, what must be": urllib.parse.quote,
    "HTML, decimal": lambda t: "".join(f"&#{ord(c)};" for c in t),
    "HTML, hexadecimal": lambda t: "".join(f"&#x{ord(c):X};" for c in t),
    "HTML, named": lambda t: html.escape(t).replace(" ", "&nbsp;").replace("-", "&hyphen;"),
    "JSON escapes": lambda t: "".join(f"\\u{ord(c):04x}" for c in t),
    "Python escapes": lambda t: "".join(f"\\x{ord(c):02x}" for c in t),
    "quoted printable": lambda t: "".join(f"={b:02X}" for b in t.encode()) + "=20",
}


@pytest.mark.parametrize("encode", ENCODERS.values(), ids=ENCODERS.keys())
@pytest.mark.parametrize("plain", [f"SSN {NUMBER}", f"patient {NAME}", "write to maria.g@example.org today"])
def test_an_encoded_identifier_is_masked_whole(encode: Callable[[str], str], plain: str) -> None:
    encoded = encode(plain)
    secret = encode(plain.split()[-1] if "@" not in plain else "maria.g@example.org")
    for value in (f"note: {encoded} end", {"blob": encoded}):
        clear = json.dumps(masked(value), ensure_ascii=False)
        assert encoded.strip("=") not in clear or encoded == plain, clear
        assert secret.strip("=") not in clear, clear


@pytest.mark.parametrize(
    "text",
    [
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "id 123e4567-e89b-12d3-a456-426614174000", "c29tZSBoYXJtbGVzcyB0ZXh0", "integrity sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
        "AT&amp;T and 50%25 off", "C:\\users\\x20", "key=00ff00ff00ff00ff", "MyLongCamelCaseIdentifierNameHere", "some_long_snake_case_name_of_a_function",
    ],
)  # fmt: skip
def test_digests_codes_and_harmless_encodings_stay(text: str) -> None:
    assert hidden(text) == []


@pytest.mark.parametrize(
    ("value", "pieces"),
    [
        ({"first": "Olga", "last": "Gonzalez"}, ["Olga", "Gonzalez"]),
        ({"a": "Olga", "b": "Gonzalez"}, ["Olga", "Gonzalez"]),
        ({"Olga": "Gonzalez"}, ["Olga", "Gonzalez"]),
        ({"olga_gonzalez": {"dx": "gout"}}, ["olga_gonzalez"]),
        ({"OlgaGonzalez": 3}, ["OlgaGonzalez"]),
        ({"part1": "219", "part2": "09", "part3": "9999"}, ["219", "9999"]),
        (["219", "09", "9999"], ["219", "9999"]),
        (list("219099999"), ["2", "1", "9"]),
        (list("Gonzalez"), ["G", "z"]),
        ({"area_code": "617", "phone": "555-0144"}, ["617", "555-0144"]),
        ({"rows": [["219", "09", "9999"]]}, ["219", "9999"]),
        ({"219-09-9999": {"dx": "gout"}}, ["219-09-9999"]),
    ],
)  # fmt: skip
def test_an_identifier_in_parts_is_found_in_each(value: Any, pieces: list[str]) -> None:
    found = [text for _, text in shown(value, DefaultDetector().session().inspect(value, origin=Origin.RESULT))]
    for piece in pieces:
        assert piece in found


@pytest.mark.parametrize(
    "value",
    [
        ["metformin", "lisinopril"], {"red": "Green"}, {"x": 640, "y": 48, "dpi": 1200}, {"versions": ["3", "11", "7"]}, {"Type": "Code"},
        {"get_user": 1, "max_tokens": 5, "userName2": None}, {"color": "Olive", "size": "Small"}, list("GATTACA"), [1, 2, 3, 4, 5, 6, 7, 8, 9],
    ],
)  # fmt: skip
def test_neighbours_that_make_no_identifier_stay(value: Any) -> None:
    assert DefaultDetector().session().inspect(value, origin=Origin.RESULT) == ()


def test_a_picture_in_base64_is_one_identifier() -> None:
    picture = "iVBORw0KGgo" + "A1b2" * 60
    assert hidden(f"see data:image/png;base64,{picture} here") == [("PHOTO", f"data:image/png;base64,{picture}")]
    assert [kind for kind, _ in hidden(f"photo {picture}")] == ["PHOTO"]


def test_a_masked_number_in_json_text_leaves_json() -> None:
    inner = {"mrn": 41608329, "n": 7, "note": "MRN: 41608329, stable", "list": [{"ssn": 219099999}]}
    for text in (json.dumps(inner), json.dumps(inner, indent=2), json.dumps(inner, separators=(",", ":"))):
        result = json.loads(masked({"payload": text})["payload"])
        assert result == {"mrn": "<MRN_1>", "n": 7, "note": "MRN: <MRN_1>, stable", "list": [{"ssn": "<SSN_1>"}]}
