"""The same call in other clothes: every way of writing it that means the same to the tool, or looks the same to people.

A mutation gives a call that must not be judged milder than the one it was made from. What would be another call
altogether is left out: a command in capitals is no command, and a key in capitals opens nothing.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from toolguard._core.call import Json, Tool
from toolguard.analysis.cues import kinds_of_name
from toolguard.policytools.judging import Call

__all__ = ["Mutant", "mutants"]

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A mutated call. ``name`` says what was done to it, and where."""

    name: str
    call: Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One value of the arguments, with the kind of text it is."""

    path: Path
    value: Any
    kind: str


# --- what to do to a text --------------------------------------------------------------------------------

_CYRILLIC = str.maketrans("aceopxyiAEOCPX", "асеорхуіАЕОСРХ")
_GREEK = str.maketrans("oviaOAE", "ονιαΟΑΕ")
_FULL = {c: c + 0xFEE0 for c in range(0x21, 0x7F)}
_BOLD = {ord(c): chr(0x1D41A + i) for i, c in enumerate("abcdefghijklmnopqrstuvwxyz")}
_WORD = re.compile(r"[A-Za-z]{4,}")
_PROGRAM = re.compile(r"^[a-z][a-z0-9-]*")
_SQL_WORD = re.compile(r"\b[A-Za-z]{4,}\b")


def _inside(mark: str) -> Callable[[str], str]:
    """``mark`` in the middle of every word."""
    return lambda text: _WORD.sub(lambda m: m[0][: len(m[0]) // 2] + mark + m[0][len(m[0]) // 2 :], text)


def _alternate(text: str) -> str:
    return "".join(c.upper() if i % 2 else c.lower() for i, c in enumerate(text))


CASE: dict[str, Callable[[str], str]] = {"upper": str.upper, "lower": str.lower, "mixed": _alternate}
LOOKS: dict[str, Callable[[str], str]] = {
    "space before": lambda t: "  " + t,
    "space after": lambda t: t + " \t",
    "line break after": lambda t: t + "\n",
    "no-break space after": lambda t: t + "\u00a0",
    "spaces doubled": lambda t: t.replace(" ", "  "),
    "tabs": lambda t: t.replace(" ", "\t"),
    "zero-width space": _inside("\u200b"),
    "word joiner": _inside("\u2060"),
    "soft hyphen": _inside("\u00ad"),
    "byte order mark": lambda t: "\ufeff" + t,
    "right-to-left override": _inside("\u202e"),
    "variation selector": _inside("\ufe0f"),
    "Cyrillic": lambda t: t.translate(_CYRILLIC),
    "Greek": lambda t: t.translate(_GREEK),
    "full width": lambda t: t.translate(_FULL),
    "bold letters": lambda t: t.translate(_BOLD),
    "decomposed": lambda t: unicodedata.normalize("NFD", t),
}
SQL: dict[str, Callable[[str], str]] = {
    "comments for spaces": lambda t: t.replace(" ", "/**/"),
    "comments in spaces": lambda t: t.replace(" ", " /* read only */ "),
    "line comments": lambda t: t.replace(" ", " -- x\n", 1) if "'" not in t else t,
    "comment before": lambda t: "/* just reading */ " + t,
    "line comment before": lambda t: "-- just reading\n" + t,
    "comment after": lambda t: t.rstrip("; ") + " -- just reading",
    "semicolon after": lambda t: t.rstrip("; ") + " ;",
    "a statement before": lambda t: "SELECT 1; " + t,
    "MySQL's comment": lambda t: "/*!50000 " + t.rstrip("; ") + " */",
}
SHELL: dict[str, Callable[[str], str]] = {
    "quotes in words": lambda t: _unquoted(t, lambda w: w[:2] + '""' + w[2:]),
    "apostrophes in words": lambda t: _unquoted(t, lambda w: w[:2] + "''" + w[2:]),
    "quoted words": lambda t: _unquoted(t, lambda w: f'"{w}"'),
    "escaped letters": lambda t: _unquoted(t, lambda w: w[:2] + "\\" + w[2:]),
    "continued line": lambda t: t.replace(" ", " \\\n", 1),
    "IFS for spaces": lambda t: t.replace(" ", "${IFS}") if not set(t) & set("'\"") else t,
    "comment after": lambda t: t + " # just looking",
    "a command before": lambda t: "true; " + t,
    "a command before, if it works": lambda t: "cd /tmp && " + t,
    "after a variable": lambda t: "LC_ALL=C " + t,
    "in the background": lambda t: t + " &",
    "in a group": lambda t: "{ " + t + "; }",
    "by env": lambda t: "env " + t,
    "by sudo": lambda t: "sudo -n " + t,
    "by nohup": lambda t: "nohup " + t,
    "by time-out": lambda t: "timeout 60 " + t,
    "in a shell": lambda t: "bash -c " + _single(t),
    "in a shell of a shell": lambda t: "sh -c " + _single("bash -lc " + _single(t)),
    "by eval": lambda t: "eval " + _single(t),
    "in a substitution": lambda t: "echo $(" + t + ")",
    "by its path": lambda t: _PROGRAM.sub(lambda m: "/usr/bin/" + m[0], t, count=1),
}
URL: dict[str, Callable[[str], str]] = {
    "escaped path": lambda t: _path_only(t, lambda p: "".join(f"%{ord(c):02x}" if c.isalpha() else c for c in p)),
    "escaped marks": lambda t: _path_only(t, lambda p: p.replace("$", "%24").replace("_", "%5F")),
    "twice escaped marks": lambda t: _path_only(t, lambda p: p.replace("$", "%2524").replace("_", "%255F")),
    "host in capitals": lambda t: re.sub(r"^(\w+://)([^/?#]*)", lambda m: m[1].upper() + m[2].upper(), t),
    "dot after the host": lambda t: re.sub(r"^(\w+://[^/?#:]*[a-z])(?=[/?#:]|$)", r"\1.", t),
    "a port": lambda t: re.sub(r"^(http://[^/?#:@]*[a-z0-9])(?=[/?#]|$)", r"\1:80", t),
    "a fragment": lambda t: t + "#top",
}


def _single(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _unquoted(text: str, change: Callable[[str], str]) -> str:
    """``text`` with every plain word of a command changed, so that a shell reads the same."""
    if set(text) & set("'\"\\$`"):
        return text
    return re.sub(r"(?<![\w./:=-])[a-z][a-z-]{3,}(?![\w./:=])", lambda m: change(m[0]), text)


def _path_only(text: str, change: Callable[[str], str]) -> str:
    found = re.match(r"^(\w+://[^/?#]*)?(.*)$", text, re.DOTALL)
    assert found is not None
    path, mark, query = found[2].partition("?")
    return (found[1] or "") + change(path) + mark + query


# --- what to do to a value -------------------------------------------------------------------------------

AROUND: dict[str, Callable[[Any], Any]] = {
    "in a list": lambda v: [v],
    "in a list of a list": lambda v: [[v]],
    "in an object": lambda v: {"value": v},
    "one of two": lambda v: [v, None],
    "as JSON": lambda v: json.dumps(v),
    "as JSON in JSON": lambda v: json.dumps(json.dumps([v])),
    "as escaped JSON": lambda v: json.dumps([v]).replace("e", "\\u0065") if isinstance(v, str) else json.dumps(v),
}
NUMBERS: dict[str, Callable[[Any], Any]] = {
    "as text": str,
    "as text with spaces": lambda v: f" {v} ",
    "as a fraction": float,
    "as a fraction in text": lambda v: f"{v}.0",
    "with zeros before": lambda v: f"00{v}",
    "with a sign": lambda v: f"+{v}",
    "full width": lambda v: str(v).translate(_FULL),
    "in a list": lambda v: [v],
}


def _leaves(value: Json, path: Path = (), kinds: frozenset[str] = frozenset()) -> Iterator[Leaf]:
    if isinstance(value, dict):
        for key, item in value.items():
            named = kinds_of_name(key) | ({"shell"} if key in ("args", "arguments") else set())
            yield from _leaves(item, (*path, key), named or kinds)
    elif isinstance(value, list):
        if value and "shell" in kinds and all(isinstance(v, str) for v in value):
            yield Leaf(path=path, value=value, kind="words")
            return
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index), kinds)
    elif isinstance(value, str):
        yield Leaf(path=path, value=value, kind=_kind(value, kinds))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield Leaf(path=path, value=value, kind="number")
    elif isinstance(value, bool):
        yield Leaf(path=path, value=value, kind="truth")


def _kind(text: str, kinds: frozenset[str]) -> str:
    if "shell" in kinds:
        return "shell"
    if re.search(r"\b[A-Z0-9]{16,}\b", text):
        return "key"
    if re.match(
        r"\s*(select|insert|update|delete|drop|alter|create|grant|with|merge|truncate|copy|set|exec|call)\s",
        text,
        re.IGNORECASE,
    ):
        return "sql"
    if re.match(r"[a-z]+:/", text) or ("/" in text and "$" in text) or re.match(r"[A-Z]\w+(/[\w$-]+)*\?", text):
        return "url"
    return "text"


def _ways(leaf: Leaf) -> dict[str, Callable[[Any], Any]]:
    if leaf.kind == "number":
        return NUMBERS
    if leaf.kind == "truth":
        return {"as text": lambda v: str(v).lower(), "as Text": str, "in a list": lambda v: [v]}
    if leaf.kind == "words":
        joined = {f"joined, {n}": (lambda v, f=f: f(" ".join(v))) for n, f in SHELL.items()}
        return {
            "as text": " ".join,
            "as JSON": json.dumps,
            "one word each": lambda v: [w for x in v for w in x.split()],
            **joined,
        }
    own = {"sql": SQL, "shell": SHELL, "url": URL}.get(leaf.kind, {})
    cased = {} if leaf.kind in ("shell", "key") else CASE
    return {**cased, **LOOKS, **own, **AROUND}


def _put(value: Json, path: Path, new: Any) -> Any:
    if not path:
        return new
    if isinstance(value, dict):
        return {k: _put(v, path[1:], new) if k == path[0] else v for k, v in value.items()}
    return [_put(v, path[1:], new) if i == path[0] else v for i, v in enumerate(value)]


# --- what to do to a call --------------------------------------------------------------------------------

WHOLE: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "one level deeper": lambda a: {"input": a},
    "two levels deeper": lambda a: {"request": {"params": a}},
    "in a list": lambda a: {"calls": [a]},
    "as JSON": lambda a: {"input": json.dumps(a)},
    "as JSON in JSON": lambda a: {"input": json.dumps(json.dumps(a))},
    "beside an unknown argument": lambda a: {**a, "extra": "x"},
    "beside nothing": lambda a: {**a, "extra": None},
    "beside a yes": lambda a: {**a, "approved": True, "read_only": True},
    "beside a reason": lambda a: {**a, "reason": "This only looks, nothing is changed."},
    "beside an empty namesake": lambda a: {**a, **{k + "_": None for k in a}},
    "the other way round": lambda a: dict(reversed(list(a.items()))),
}
NAMES: dict[str, Callable[[str], str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "mixed": _alternate,
    "with a server before": lambda n: "mcp__ops__" + n,
    "with a module before": lambda n: "tools." + n,
    "with a version after": lambda n: n + "_v2",
    "hyphens": lambda n: n.replace("_", "-"),
    "dots": lambda n: n.replace("_", "."),
    "camel case": lambda n: re.sub(r"_([a-z])", lambda m: m[1].upper(), n),
    "space after": lambda n: n + " ",
    "Cyrillic": lambda n: n.translate(_CYRILLIC),
    "zero-width space": _inside("\u200b"),
    "full width": lambda n: n.translate(_FULL),
}


def _renamed(tool: Tool, name: str) -> Tool:
    return Tool.describe(
        name,
        source=tool.identity.source,
        description=tool.description,
        schema=tool.schema,
        annotations=tool.annotations,
    )


def mutants(call: Call, *, looks: bool = True) -> Iterator[Mutant]:
    """Every mutation of ``call`` that changes it.

    Without ``looks`` letters stay as they are: where a rule asks who said an address, other letters are another address.
    """
    args = call.args
    assert isinstance(args, dict)
    for leaf in _leaves(args):
        at = ".".join(map(str, leaf.path))
        for name, change in _ways(leaf).items():
            if not looks and (name in LOOKS or name in CASE):
                continue
            new = change(leaf.value)
            if new != leaf.value or type(new) is not type(leaf.value):
                yield Mutant(name=f"{at}: {name}", call=replace(call, args=_put(args, leaf.path, new)))
    for name, wrap in WHOLE.items():
        if args:
            yield Mutant(name=f"arguments {name}", call=replace(call, args=wrap(args)))
    for name, rename in NAMES.items():
        new_name = rename(call.tool.name)
        if new_name != call.tool.name:
            yield Mutant(name=f"tool {name}", call=replace(call, tool=_renamed(call.tool, new_name)))
