"""Keys, tokens and passwords by their published shapes: a small, well-kept set."""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import re

from toolguard.detection.lexer import Lexed
from toolguard.detection.spans import Span

__all__ = ["secrets"]

_SOURCE = "secret"
_SHAPES = re.compile(
    r"(?<![\w-])(?:"
    r"sk-(?:ant-|proj-|svcacct-)?[A-Za-z0-9_-]{20,200}"  # OpenAI, Anthropic
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}"  # GitHub
    r"|glpat-[A-Za-z0-9_-]{20,64}"  # GitLab
    r"|xox[abeprs]-[A-Za-z0-9-]{10,250}"  # Slack
    r"|AIza[A-Za-z0-9_-]{35}"  # Google
    r"|[rs]k_(?:live|test)_[A-Za-z0-9]{16,128}"  # Stripe
    r"|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,255}|hf_[A-Za-z0-9]{30,64}|SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}"
    r"|eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]{0,2000}"  # JWT
    r")(?![\w-])"
)
_PEM = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[A-Za-z0-9+/=\s\\n]{16,10000}-----END [A-Z ]{0,30}PRIVATE KEY-----"
)
_URL_LOGIN = re.compile(r"(?<=://)[^\s/@:\"'<>]{1,128}:([^\s/@\"'<>]{1,256})@")
_BEARER = re.compile(r"(?i:authorization\s?[:=]\s?)?(?:Bearer|Basic) ([A-Za-z0-9._~+/=-]{16,4000})")
_ASSIGNED = re.compile(
    r"(?i:(?<![a-z])(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?key|client[_-]?secret|auth[_-]?token|access[_-]?token|passphrase)[\"']?)"
    r"\s?(?::|=|(?i:is)\s)\s?[\"']?([^\s\"',;]{6,256})"
)
_ASSIGNED_WORDS = frozenset(
    "password passwd pwd secret key apikey token passphrase accesskey clientsecret accesstoken authtoken".split()
)


def secrets(lexed: Lexed) -> list[Span]:
    """Credentials in the text."""
    text = lexed.text
    out = [Span(*m.span(), "SECRET", 0.97, _SOURCE) for m in _SHAPES.finditer(text)]
    if "PRIVATE KEY" in text:
        out += [Span(*m.span(), "SECRET", 0.99, _SOURCE) for m in _PEM.finditer(text)]
    if "://" in text:
        out += [Span(*m.span(1), "SECRET", 0.95, _SOURCE) for m in _URL_LOGIN.finditer(text)]
    if "earer " in text or "Basic " in text:
        out += [
            Span(*m.span(1), "SECRET", 0.9, _SOURCE) for m in _BEARER.finditer(text) if any(c.isdigit() for c in m[1])
        ]
    if lexed.vocabulary.isdisjoint(_ASSIGNED_WORDS):
        return out
    for match in _ASSIGNED.finditer(text):
        value = match[1]
        if any(c.isdigit() or not c.isalnum() for c in value) and not value.startswith(("<", "{", "$", "*")):
            out.append(Span(*match.span(1), "SECRET", 0.8, _SOURCE))
    return out
