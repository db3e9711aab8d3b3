"""The functions a condition may call, beyond CEL's own.

Functions about the arguments as a whole (``phi(args)``, ``reveals(args.note)``, …) read the facts of the
call, which the engine keeps per thread while it evaluates; what reaches them from the expression is only a
path. A function that cannot tell raises, and the rule then counts as matched.
"""

from __future__ import annotations

import ipaddress
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from toolguard._core.call import Json
from toolguard._core.condition import Facts
from toolguard._core.mask import Finding, leaves
from toolguard.policyfile.finding import haystack, pattern, utterance
from toolguard.policyfile.views import fold

__all__ = [
    "ABOUT_ARGS",
    "ANALYSES",
    "SECRET_TYPES",
    "Analysis",
    "CannotTellError",
    "about_args",
    "analysis",
    "asked",
    "cidr_contains",
    "current",
    "host_in",
    "is_network",
    "says",
]

Analysis: TypeAlias = Callable[[str], Mapping[str, object]]
"""Text in, facts about it out; such as ``toolguard.analysis.sql_facts``."""

ANALYSES = ("fhir", "shell", "sql", "url")
"""Names of analyses that come from outside; without them an expression that calls one does not load."""

SECRET_TYPES = frozenset(
    {
        "SECRET",
        "API_KEY",
        "ACCESS_KEY",
        "PRIVATE_KEY",
        "PASSWORD",
        "CREDENTIAL",
        "BEARER_TOKEN",
        "JWT",
        "CONNECTION_STRING",
    }
)
"""Finding types that are secrets rather than identifiers of a person."""


class CannotTellError(Exception):
    """The function has no safe answer. Its text is a constant and is never shown."""


current = threading.local()
"""``current.facts``: the facts of the evaluation that runs in this thread."""


def _facts() -> Facts:
    facts: Facts | None = getattr(current, "facts", None)
    if facts is None:
        raise CannotTellError("no facts")
    return facts


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[str | int, ...]:
    return tuple(json.loads(path))


def _below(findings: Iterable[Finding], path: str) -> Iterable[Finding]:
    steps = _steps(path)
    depth = len(steps)
    return (f for f in findings if f.path[:depth] == steps)


def phi(facts: Facts, path: str) -> list[str]:
    """Types of the identifiers present, one per finding."""
    return [f.type for f in _below(facts.present, path) if f.type not in SECRET_TYPES]


def reveals(facts: Facts, path: str) -> list[str]:
    """Types of the real values (secrets included) that would reach the tool, one per finding."""
    return [f.type for f in _below(facts.revealed, path)]


def secrets(facts: Facts, path: str) -> list[str]:
    """Types of the secrets present, one per finding."""
    return [f.type for f in _below(facts.present, path) if f.type in SECRET_TYPES]


def origin(facts: Facts, path: str) -> str:
    """Where the deciding values there came from, of several the least trustworthy; empty where none stands."""
    came = facts.provenance.at(_steps(path))
    return "" if came is None else came.value


def mentions(facts: Facts, path: str, wanted: str) -> bool:
    """Whether any text or key below ``path``, also in JSON inside text, holds ``wanted``; case and looks ignored."""
    needle = fold(wanted).casefold()
    if not needle:
        raise CannotTellError("nothing to look for")
    key = ("mentions", path)
    haystack = facts.memo.get(key)
    if haystack is None:
        haystack = facts.memo[key] = "\n".join(_folded(_at(facts.data, _steps(path))))
    return needle in haystack


def finds(facts: Facts, path: str, wanted: str) -> bool:
    """Whether the RE2 pattern ``wanted`` is found below ``path``, in whatever form it is said (see `finding`)."""
    key = ("finds", path)
    said = facts.memo.get(key)
    if said is None:
        try:
            said = facts.memo[key] = haystack(_at(facts.data, _steps(path)))
        except ValueError:
            raise CannotTellError("nested too deeply") from None
    try:
        return pattern(wanted).search(said) is not None
    except ValueError:
        raise CannotTellError("no pattern") from None


def says(wanted: str, facts: Facts | None = None) -> bool:
    """Whether the RE2 pattern ``wanted`` is found in the call: in the tool's name, the arguments, or both together."""
    given = _facts() if facts is None else facts
    said = given.memo.get("says")
    if said is None:
        try:
            said = given.memo["says"] = utterance(
                given.tool.name, given.data, tells="communication" in given.risk.classes
            )
        except ValueError:
            raise CannotTellError("nested too deeply") from None
    try:
        return pattern(wanted).search(said) is not None
    except ValueError:
        raise CannotTellError("no pattern") from None


def _at(value: Json, steps: tuple[str | int, ...]) -> Json:
    for step in steps:
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                raise CannotTellError("no such argument") from None
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            raise CannotTellError("no such argument") from None
    return value


def _folded(value: Json, depth: int = 0) -> Iterable[str]:
    for leaf in leaves(value):
        yield fold(leaf.text).casefold()
        if leaf.kind == "str" and depth < 4 and leaf.text.lstrip()[:1] in ("{", "[", '"'):
            try:
                inner = json.loads(leaf.text)
            except (ValueError, RecursionError):
                continue
            yield from _folded(inner, depth + 1)


ABOUT_ARGS: Mapping[str, tuple[Callable[..., Any], int]] = {
    "phi": (phi, 1),
    "reveals": (reveals, 1),
    "secrets": (secrets, 1),
    "origin": (origin, 1),
    "mentions": (mentions, 2),
    "finds": (finds, 2),
}
"""Functions whose first parameter is the arguments or one of them, with their number of parameters.

Here they take the facts, a path and the other parameters.
"""


def asked(name: str) -> Callable[..., Any]:
    """The function as the engine calls it: the facts are those of the running evaluation."""
    function = ABOUT_ARGS[name][0]
    return lambda path, *rest: function(_facts(), path, *rest)


def about_args(steps: Sequence[str | int]) -> str:
    """How a path is written down inside a compiled expression."""
    return json.dumps(list(steps))


_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")
_NUMERIC = re.compile(r"(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+))*")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[!-~]+")
_MAIL = re.compile(r"(mailto:)?[A-Za-z0-9.!#$&'*+/=?^_`{|}~-]+@(?P<host>[A-Za-z0-9.-]+)")
_BARE = re.compile(r"[A-Za-z0-9_.-]+(:\d{1,5})?")


def host_of(text: str) -> str:
    """The host of a URL, the domain of an e-mail address, or a bare host; lower case, without a final dot.

    Raises:
        CannotTellError: two programs could read different hosts from it (white space, backslashes, letters
            outside ASCII, an escaped or doubled ``@``, unusual spellings of IP addresses), or there is none.
    """
    if not text.isascii() or "\\" in text or any(c <= " " or c == "\x7f" for c in text):
        raise CannotTellError("not a plain address")
    mail = _MAIL.fullmatch(text)
    if mail:
        return _plain_host(mail["host"])
    if _URL.fullmatch(text):
        authority = re.split(r"[/?#]", text.split("://", 1)[1], maxsplit=1)[0]
        if authority.count("@") > 1 or "%" in authority:
            raise CannotTellError("an ambiguous address")
        try:
            return _plain_host(urlsplit(text).hostname or "")
        except ValueError:
            raise CannotTellError("an ambiguous address") from None
    if _BARE.fullmatch(text):
        return _plain_host(text.split(":", 1)[0])
    raise CannotTellError("no address")


def _plain_host(host: str) -> str:
    lowered = host.lower()
    if ":" in lowered:
        return ipaddress.IPv6Address(lowered).compressed
    if not _HOST.fullmatch(lowered):
        raise CannotTellError("no host")
    lowered = lowered.removesuffix(".")
    if _NUMERIC.fullmatch(lowered):  # 127.1 and 0x7f000001 are addresses too, but not to every reader
        return str(ipaddress.IPv4Address(lowered))
    return lowered


def host_in(address: str | list[str], allowed: list[str]) -> bool:
    """Whether the host of ``address`` (of each, if a list) is in ``allowed``.

    ``example.org`` names that host alone; ``*.example.org`` every host below it.
    """
    if isinstance(address, list):
        if not address:
            raise CannotTellError("no address")
        inside = [host_in(item, allowed) for item in address]  # all of them: one unclear address is enough to fail
        return all(inside)
    host = host_of(address)
    return any(host.endswith(a[1:].lower()) if a.startswith("*.") else host == a.lower() for a in allowed)


def cidr_contains(networks: str | list[str], address: str | list[str]) -> bool:
    """Whether an IP address (each, if a list), or the one a URL or mail address names, lies in one of ``networks``.

    Raises CannotTellError for a host name: what it points to is known only when it is looked up.
    """
    if isinstance(address, list):
        if not address:
            raise CannotTellError("no address")
        inside = [cidr_contains(networks, item) for item in address]
        return all(inside)
    try:
        wanted = [_network(n) for n in ([networks] if isinstance(networks, str) else networks)]
        found = _address(address)
    except ValueError:
        raise CannotTellError("not a network, or not an address") from None
    return any(found.version == network.version and found in network for network in wanted)


_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(maxsize=1024)
def _network(text: str) -> _Network:
    """Raises ValueError where ``text`` is no network, or has bits set beyond its prefix."""
    return ipaddress.ip_network(text)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        found = ipaddress.ip_address(host_of(text))
    mapped = getattr(found, "ipv4_mapped", None)  # ::ffff:10.0.0.1 reaches 10.0.0.1
    return found if mapped is None else mapped


def is_network(text: str) -> bool:
    """Whether ``text`` is a network as `cidr_contains` takes it."""
    try:
        _network(text)
    except ValueError:
        return False
    return True


def analysis(name: str, analyse: Analysis) -> Callable[[str], Json]:
    """``analyse`` as a function of the language: its answer as JSON, worked out once per call and text."""

    def call(text: str) -> Json:
        memo = _facts().memo
        key = (name, text)
        if key not in memo:
            memo[key] = _jsonable(analyse(text))
        return memo[key]

    return call


def _jsonable(value: Any) -> Json:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int | float):
        return value
    if isinstance(value, Mapping):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(_jsonable(v) for v in value)
    if isinstance(value, Iterable):
        return [_jsonable(v) for v in value]
    raise CannotTellError("an analysis gave something that is not JSON")
