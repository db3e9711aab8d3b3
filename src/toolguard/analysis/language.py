"""Which verbs a name or a description puts forward.

A name has one head verb: its first word if that is a verb (``delete_user``), else its last (``users_delete``).
A description puts forward the verbs that open its sentences, with those joined to them ("Create, patch or
delete a resource"). Verbs elsewhere in a description mostly speak about something else and are left alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from toolguard.analysis.lexicon import (
    DELETE_FAMILY,
    EFFECTS,
    FORMS,
    INFORMS,
    NOUNS_FIRST,
    READ_VERBS,
    VERBS,
    WEAK_VERBS,
)
from toolguard.analysis.words import bag, british_to_american, split_words, unmask

__all__ = ["NameReading", "read_name", "sentence_verbs"]

_LEADS = bag("api batch bulk admin mcp tool tools async v1 v2 v3 http do please")
# "Allows a user to …" says who, not what.
_PERMITS = frozenset(("allow", "permit", "deny"))
# At the end of a name these are verbs even where they could be nouns ("issue_read", "pods_list", "pods_log" is not one).
_FIRM_ENDS = (
    READ_VERBS - {"profile", "trace", "count", "diff", "head", "audit", "measure", "tell"}
    | DELETE_FAMILY
    | {"create", "update", "write", "set", "unset", "get"}
)
_JOINS = frozenset(("and", "or", "then", "andor"))


@dataclass(frozen=True, slots=True, kw_only=True)
class NameReading:
    """A name, read: its words, the head verb (``""`` if none) and every other verb that speaks."""

    words: tuple[str, ...]
    head: str
    others: tuple[str, ...]

    @property
    def verbs(self) -> tuple[str, ...]:
        return (self.head, *self.others) if self.head else self.others


def _base(word: str) -> str:
    """The verb a word of a name stands for, or ``""``. In names only the bare and the third person form count."""
    if word in VERBS:
        return word
    if word.endswith("s") and FORMS.get(word):
        return FORMS[word]
    return ""


_SERVER = re.compile(r"^mcp__[\w.-]+?__(?=[A-Za-z])")
"""How clients write whose tool it is."""


def read_name(name: str) -> NameReading:
    """The verbs of an identifier."""
    words = split_words(_SERVER.sub("", name))
    rest = list(words)
    while len(rest) > 1 and rest[0] in _LEADS:
        rest.pop(0)
    joined = ["un" + b if a == "un" else "re" + b if a == "re" else b for a, b in zip(["", *rest], rest, strict=False)]
    rest = [w for i, w in enumerate(joined) if not (w in ("un", "re") and i + 1 < len(joined))]
    # "deletes_user" is "delete user"; a plural such as "issues" or "users" is no verb.
    if rest and rest[0] not in VERBS and FORMS.get(rest[0], "") not in WEAK_VERBS:
        rest[0] = _base(rest[0]) or rest[0]
    head, where = "", -1
    shows = (
        len(rest) > 1
        and rest[-1] in INFORMS
        and rest[0] in NOUNS_FIRST
        and NOUNS_FIRST.issuperset(VERBS.intersection(rest[:-1]))
    )
    if shows:
        head, where = "show", len(rest) - 1
    elif rest:
        first, last = _base(rest[0]), _base(rest[-1])
        firm = next((i for i, word in enumerate(rest) if word in VERBS and word not in WEAK_VERBS), -1)
        if first == rest[0] and not (first in WEAK_VERBS and last == rest[-1] and last in _FIRM_ENDS and len(rest) > 1):
            head, where = first, 0
        elif last == rest[-1] and len(rest) > 1 and (last not in WEAK_VERBS or firm < 0 or last in _FIRM_ENDS):
            head, where = last, len(rest) - 1
        elif firm >= 0:
            head, where = rest[firm], firm
    others: list[str] = []
    for i, word in enumerate(rest):
        if i == where or word not in VERBS:
            continue
        coordinated = i > 0 and (
            rest[i - 1] in _JOINS or (i + 1 < len(rest) and rest[i + 1] in _JOINS and i == where + 1)
        )
        if word in DELETE_FAMILY or coordinated or (not head and word in EFFECTS and word not in WEAK_VERBS):
            others.append(word)
    return NameReading(words=words, head=head, others=tuple(dict.fromkeys(others)))


# What may stand before the verb of a sentence without changing it.
_OPENING = re.compile(
    r"^(?:\([^)]*\)\s*|(?:allow\s+or\s+deny|grants?)\s+(?:\w+\s+){0,5}permissions?\s+to\s+|batch\s+(?=\w+)|(?:grants?|gives?|provides?|controls?|allows?)\s+(?:the\s+)?(?:permissions?|access|ability)\s+(?:to|for)\s+(?:the\s+)?"
    r"|(?:this|the)\s+(?:tool|function|action|operation|method|endpoint|command|api)\s+(?:will\s+|can\s+|is\s+used\s+to\s+|"
    r"lets?\s+you\s+|allows?\s+(?:you|users?)\s+to\s+|may\s+)?"
    r"|(?:use\s+(?:this|it)(?:\s+\w+)?|tools?|used|a\s+tool|utility|call\s+this|it\s+can\s+be\s+used)\s+(?:to|for)\s+"
    r"|(?:allows?|lets?|enables?|permits?)\s+(?:\w+\s+){0,3}?to\s+"
    r"|(?:it|you\s+can|can|will|please|always|start\s+here[^:]*:|\w+(?:\s+\w+)?:)\s+)",
    re.IGNORECASE,
)
# To run a search is to search. (SQL is another matter: cues speak of it.)
_RUN_A_QUERY = re.compile(
    r"^(?:execut|run|perform|issu)\w*\s+(?:an?\s+|the\s+|one\s+or\s+more\s+)?(?:\w+\s+){0,2}?(?:quer(?:y|ies)|search(?:es)?|look-?ups?)\b",
    re.IGNORECASE,
)
# To verify that something holds is to check it; to verify an address may send a letter.
_ASKS_WHETHER = re.compile(
    r"^(?:(?:verif|test|confirm|evaluat|assess|determin|ensur)\w*\s+(?:that|whether|if)\b|whether\s)", re.IGNORECASE
)
_SHOWS = re.compile(
    r"^(?:tak|captur|mak|grab)(?:e|es|ing)\s+(?:an?\s+|the\s+)?(?:\w+\s+){0,2}?screenshots?\b", re.IGNORECASE
)
# A sentence without a verb that says what is given back: "Current status of a deployment".
_INFORMS = re.compile(
    r"^(?:(?:the|an?|all|current|latest|recent|full|short|detailed|daily)\s+)*(?:number|list|status|history|details?|information|info|summary|overview|"
    r"statistics|stats|names?|versions?|contents?|totals?|rates?|metadata|health|schema)\s+(?:of|for|about|on|per)\s+",
    re.IGNORECASE,
)
# What is taken out of a text is only read; what is taken out of an archive is written somewhere.
_TAKES_OUT = re.compile(
    r"^extract\w*\s+(?:\w+\s+){0,6}?(?:from|in|of)\s+(?:an?\s+|the\s+)?(?:\w+\s+){0,2}?(?:texts?|notes?|documents?|pages?|images?|pdfs?|html|strings?|transcripts?|messages?)\b",
    re.IGNORECASE,
)
_BREAK = re.compile(r"(?<=[a-z\)\]`'\"0-9])[.!?;]\s+(?=[A-Z`*\"'(])|\n+\s*(?:[-*•]\s+)?")
_SENTENCES = 4
_READ_LIMIT = 2_000


def sentence_verbs(description: str) -> tuple[tuple[str, ...], ...]:
    """For each opening sentence of ``description``, the verbs it puts forward, in base form."""
    text = unmask(description[:_READ_LIMIT]).replace("/", " / ").replace("`", "").strip()
    return tuple(_opening_verbs(sentence.strip(" *`#-\t")) for sentence in _BREAK.split(text)[:_SENTENCES])


def _opening_verbs(sentence: str) -> tuple[str, ...]:
    for _ in range(3):
        shorter = _OPENING.sub("", sentence, count=1)
        if shorter == sentence:
            break
        sentence = shorter
    sentence = _RUN_A_QUERY.sub("query ", sentence, count=1)
    sentence = _TAKES_OUT.sub("read", sentence, count=1)
    sentence = _INFORMS.sub("show ", sentence, count=1)
    sentence = _SHOWS.sub("show", _ASKS_WHETHER.sub("check whether", sentence, count=1), count=1)
    tokens = re.findall(r"[A-Za-z]+(?:-[A-Za-z]+)*|[,/]", sentence)[:24]
    verbs: list[str] = []
    i = 0
    while i < min(3, len(tokens)) and tokens[i].lower().endswith("ly") and i + 1 < len(tokens):
        i += 1
    if i >= len(tokens):
        return ()
    first = _verb(tokens[i])
    if not first or (first in _PERMITS and len(tokens) > i + 2 and "to" in (t.lower() for t in tokens[i : i + 8])):
        return ()
    verbs.append(first)
    # Verbs joined to the first: "Create, patch or delete", "Start and stop", "Get or update the scale", and those that
    # follow a join later in the same sentence ("Get the page and delete it").
    joined = False
    for j in range(i + 1, len(tokens)):
        token = tokens[j].lower()
        if token in (",", "/", "and", "or", "then"):
            joined = True
            continue
        if joined and not token.endswith("ly"):
            verb = _verb(tokens[j], strict=not (j - i <= 2 * len(verbs) + 1))
            if verb and _same_form(tokens[i], tokens[j]):
                verbs.append(verb)
            joined = False
    return tuple(dict.fromkeys(verbs))


def _verb(token: str, *, strict: bool = False) -> str:
    word = british_to_american(token.lower().replace("-", ""))
    verb = FORMS.get(word, "")
    if strict and verb in WEAK_VERBS:
        return ""
    return verb


def _same_form(first: str, other: str) -> bool:
    """Coordinated verbs share their form: "Gets … and deletes …", not "Get … and deleted …"."""
    ending = ("ing", "ed")
    return all(other.lower().endswith(end) == first.lower().endswith(end) for end in ending)
