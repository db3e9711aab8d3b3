"""Pieces that texts are made of: identifiers, tokens as models mangle them, surrogates, and beginnings of all these."""

from hypothesis import strategies as st

from toolguard._core.surrogate import Form, spell
from toolguard._core.vault import Namespace, Token

PERSON = Token(type="PERSON", index=1)
ISSUED = {
    PERSON: 'Ada "Ace" Byron\\é',
    Token(type="PERSON", index=1, variant=1): "ADA BYRON",
    Token(type="DATE_OF_BIRTH", index=12): "1815-12-10",
    Token(type="MRN", index=3, namespace=Namespace.MODEL): "00123",
    **{Token(type=form.value, index=7): f"<{form.name}>" for form in Form},
}
"""Tokens a stream's session issued, and what they stand for."""

MANGLED = ("<{}>", "[{}]", "{}", "&lt;{}&gt;")
"""The forms unmasking tolerates; each in lower case, too, but the bare one."""
WRITTEN = [
    *(
        form.format(name)
        for form in MANGLED
        for name in ("PERSON_1", "PERSON_1b", "DATE_OF_BIRTH_12", "MRN_M3", "PERSON_9")
    ),
    *("<person_1>", "[Person_1]", "&lt;mrn_m3&gt;"),
    *(str(spell(form, 7)) for form in Form),
    *("9000-01-08T00:00:00Z", "900000000000009", "m99@masked.example"),
]
CUT = ["<", "[", "&", "&lt;", "_", "1", "P", "PERSON", "_1", "b", " ", ".", "-", "9", "900", "m", "h", "h7", "x", "Ana"]
CUT += ["é", "😀", "\n", '"', "\\", "https://masked.example", "240.", ":", "@", "M", "2001:db8:", "7", "\\u003c", "/"]

TEXTS = st.lists(st.sampled_from(WRITTEN + CUT), max_size=14).map("".join)
CUTS = st.lists(st.integers(0, 500), max_size=24)
FREE = st.text(
    st.one_of(st.sampled_from("AZaz09_<>[]&;.,'-é😀 "), st.characters(exclude_categories=["Cs"])), max_size=30
)


def pieces(data, cuts):
    """``data`` (text or bytes) cut at ``cuts``."""
    places = sorted({c % (len(data) + 1) for c in cuts})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
