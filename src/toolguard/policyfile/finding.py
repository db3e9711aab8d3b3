"""Looking for a pattern anywhere in the arguments, whatever they are called and however they are nested.

A pattern of a policy is written once and in plain words (``delete .*namespace``). What it is searched in says the
same thing in every form a call may give it: as text, as ``key: value``, as a list of words of a command line, as
JSON inside text, and as a shell would read it, without quotes and escapes. Case and looks never count.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import re2

from toolguard._core.call import Json
from toolguard.policyfile.views import fold

__all__ = ["haystack", "pattern", "utterance"]

_MAX_DEPTH = 32
_MAX_NESTED_JSON = 4
_MAX_JSON = 1_000_000
_MAX_SHORT = 200
"""Characters of a value that is still a word of the call; what is longer is prose, and stands on its own line only."""
_PROSE = frozenset(
    [
        "title",
        "subject",
        "headline",
        "description",
        "summary",
        "comment",
        "comments",
        "note",
        "notes",
        "reason",
        "question",
        "caption",
        "abstract",
        "bio",
    ]
)
_EMPTY = frozenset(["value", "values", "val", "item", "items", "text", "string", "data", "content", "input"])
"""Names that say nothing of what they name."""
_LETTERS = frozenset(["body", "message", "text", "content", "html", "markdown", "msg"])
_JOINTS = str.maketrans("_-./:", "     ")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_QUOTES = re.compile(r"""['"`\\^]+|\$(?=['"])""")
_SPACES = re.compile(r"\$\{ifs[^}]*\}|\$ifs(?:\$9)?|\{(?=[^{}\s]+,)|(?<=[^{}\s])\}|(?<=[a-z0-9_-]),(?=[a-z0-9_-])")
_COMMENT = re.compile(r"/\*.*?\*/")


@lru_cache(maxsize=512)
def pattern(text: str) -> Any:
    """The compiled RE2 pattern ``text``, without regard to case. Raises ValueError if RE2 does not take it."""
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = False
    try:
        return re2.compile(text, options)
    except re2.error:
        raise ValueError("not a pattern RE2 accepts") from None


def haystack(value: Json) -> str:
    """What a pattern is searched in: one line for everything ``value`` says, in every form it may be meant."""
    return "\n".join(dict.fromkeys(_lines(value, "", 0, 0)))


def utterance(tool: str, value: Json, *, tells: bool) -> str:
    """The whole call in words: the tool's name, its arguments (see `haystack`), and both together on one line.

    What is prose by the name of its argument (a title, a reason) is left out, since it says what somebody thinks of, not
    what the call does; the text of a message too, where the call ``tells`` people something.
    """
    said = _without_prose(value, _PROSE | _LETTERS if tells else _PROSE, 0)
    name = fold(tool)
    names = dict.fromkeys(_plain(n.translate(_JOINTS)) for n in (name, _parted(name)))
    short = list(_short(said, "", 0))
    lines = [_plain(tool), *(form.replace(" ", "_") for form in names)]
    for form in names:
        lines.append(" ".join([form, *(f"{_plain(key)}: {word}" for key, word in short)]))
        lines.append(" ".join([form, *(f"{_plain(_parted(key))}: {_bare(word)}" for key, word in short)]))
    return "\n".join([*dict.fromkeys(lines), haystack(said)])


def _bare(word: str) -> str:
    return " ".join(_SPACES.sub(" ", word).replace("_", " ").split())


def _parted(name: str) -> str:
    """``mfaEnabled`` and ``mfa_enabled`` as words."""
    return _HUMP.sub(" ", name).replace("_", " ")


def _without_prose(value: Json, names: frozenset[str], depth: int) -> Json:
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply to be looked into")
    if isinstance(value, Mapping):
        kept = {k: v for k, v in value.items() if not (_plain(str(k)) in names and _is_prose(v))}
        return {k: _without_prose(v, names, depth + 1) for k, v in kept.items()}
    if isinstance(value, list | tuple):
        return [_without_prose(v, names, depth + 1) for v in value]
    return value


def _is_prose(value: Json) -> bool:
    return isinstance(value, str) and value.count(" ") >= 3 and _json(value) is None


def _short(value: Json, key: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _short(item, _naming(str(name), key), depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _short(item, key, depth + 1)
    else:
        word = _word(value)
        inner = _json(value) if isinstance(value, str) else None
        if inner is not None:
            yield from _short(inner, key, depth + 1)
        elif word is not None and len(word) <= _MAX_SHORT:
            yield key, _QUOTES.sub("", word)


def _naming(name: str, above: str) -> str:
    """The name that says what a value is: that of what holds it, where its own says only that it is one."""
    return above if above and _plain(name) in _EMPTY else name


def _lines(value: Json, key: str, depth: int, opened: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply to be looked into")
    if isinstance(value, Mapping):
        for name, item in value.items():
            folded = _plain(str(name))
            yield folded
            yield from _lines(item, _naming(folded, key), depth + 1, opened)
    elif isinstance(value, list | tuple):
        words = [w for item in value if (w := _word(item)) is not None]
        if len(words) > 1:
            yield from _said(" ".join(words), key)
        for item in value:
            yield from _lines(item, key, depth + 1, opened)
    else:
        word = _word(value)
        if word is not None:
            yield from _said(word, key)
        if isinstance(value, str) and opened < _MAX_NESTED_JSON:
            inner = _json(value)
            if inner is not None:
                yield from _lines(inner, key, depth + 1, opened + 1)


def _word(value: Json) -> str | None:
    """A single value as text; None for what holds other values."""
    if isinstance(value, str):
        return _plain(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return None if isinstance(value, Mapping | list | tuple) else str(value)


def _plain(text: str) -> str:
    return fold(text).casefold()


def _said(text: str, key: str) -> Iterator[str]:
    """``text`` as it stands, and as a shell or a database would read it."""
    forms = [text]
    if "/*" in text:
        forms += [" ".join(_COMMENT.sub(gap, text).split()) for gap in ("", " ")]
    for form in [*forms]:
        bare = " ".join(_SPACES.sub(" ", _QUOTES.sub("", form)).split())
        if bare != form:
            forms += [_QUOTES.sub("", form), bare]
    for form in forms:
        yield form
        if key:
            yield f"{key}: {form}"


def _json(text: str) -> Json:
    """What ``text`` spells in JSON, if that is anything but a number or a word; else None."""
    if len(text) > _MAX_JSON or text.lstrip()[:1] not in ("{", "[", '"'):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
