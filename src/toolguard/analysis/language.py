"""Which verbs a name or a description puts forward.

A name has one head verb: its first word if that is a verb (``delete_user``), else its last (``users_delete``).
A description puts forward the verbs that open its sentences, with those joined to them ("Create, patch or
delete a resource"). Verbs elsewhere in a description mostly speak about something else and are left alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from toolguard.analysis.lexicon import DELETE_FAMILY, EFFECTS, FORMS, READ_VERBS, VERBS, WEAK_VERBS
from toolguard.analysis.words import british_to_american, split_words, unmask

__all__ = ["NameReading", "read_name", "sentence_verbs"]

_LEADS = frozenset("api batch bulk admin mcp tool tools async v1 v2 v3 http do please".split())
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


def read_name(name: str) -> NameReading:
    """The verbs of an identifier."""
    words = split_words(name)
    rest = list(words)
    while len(rest) > 1 and rest[0] in _LEADS:
        rest.pop(0)
    joined = ["un" + b if a == "un" else "re" + b if a == "re" else b for a, b in zip(["", *rest], rest, strict=False)]
    rest = [w for i, w in enumerate(joined) if not (w in ("un", "re") and i + 1 < len(joined))]
    head, where = "", -1
    if rest:
        first, last = _base(rest[0]), _base(rest[-1])
        if first and rest[0] == first:
            head, where = first, 0
        elif last and rest[-1] == last and len(rest) > 1 and not (last in WEAK_VERBS and len(rest) > 3):
            head, where = last, len(rest) - 1
        else:
            for i, word in enumerate(rest):
                if word in VERBS and word not in WEAK_VERBS:
                    head, where = word, i
                    break
    others: list[str] = []
    for i, word in enumerate(rest):
        if i == where or word not in VERBS:
            continue
        coordinated = i > 0 and (rest[i - 1] in _JOINS or (i + 1 < len(rest) and rest[i + 1] in _JOINS and i == where + 1))
        if word in DELETE_FAMILY or coordinated or (word in EFFECTS and word not in WEAK_VERBS and head not in READ_VERBS):
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
_WORD = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*")
_BREAK = re.compile(r"(?<=[a-z\)\]`'\"0-9])[.!?;]\s+(?=[A-Z`*\"'(])|\n+\s*(?:[-*•]\s+)?")
_SENTENCES = 4
_READ_LIMIT = 2_000


def sentence_verbs(description: str) -> tuple[tuple[str, ...], ...]:
    """For each opening sentence of ``description``, the verbs it puts forward, in base form."""
    text = unmask(description[:_READ_LIMIT]).replace("/", " / ").replace("`", "").strip()
    out: list[tuple[str, ...]] = []
    for sentence in _BREAK.split(text)[:_SENTENCES]:
        out.append(_opening_verbs(sentence.strip(" *`#-\t")))
    return tuple(out)


def _opening_verbs(sentence: str) -> tuple[str, ...]:
    for _ in range(3):
        shorter = _OPENING.sub("", sentence, count=1)
        if shorter == sentence:
            break
        sentence = shorter
    tokens = re.findall(r"[A-Za-z]+(?:-[A-Za-z]+)*|[,/]", sentence)[:24]
    verbs: list[str] = []
    i = 0
    while i < min(3, len(tokens)) and tokens[i].lower().endswith("ly") and i + 1 < len(tokens):
        i += 1
    if i >= len(tokens):
        return ()
    first = _verb(tokens[i])
    if not first:
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
    for end in ending:
        if other.lower().endswith(end) != first.lower().endswith(end):
            return False
    return True
