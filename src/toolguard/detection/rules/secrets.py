"""Keys, tokens and passwords: by the shapes their issuers publish, in URLs and headers, and by label.

A long random string alone is no secret: digests, UUIDs and commit ids look the same. Without a published shape it
takes a label (``password=``) or a place that only a secret takes.
"""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import math
import re
import zlib
from collections import Counter

from toolguard.detection.lexer import Lexed
from toolguard.detection.spans import Span

__all__ = ["private_keys", "secrets"]

_SOURCE = "secret"
_RUN = re.compile(r"(?<!\S)\S{16,}")
_LONG_RUN = 16
_SHAPES = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-(?:ant-|proj-|svcacct-|admin-|or-v1-)?[A-Za-z0-9_-]{20,200}"  # OpenAI, Anthropic, OpenRouter
    r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}|(?:AKIA|ASIA)[A-Z0-9]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}"  # GitHub
    r"|gl(?:pat|ptt|dt|rt|cbt|oas|agent)-[A-Za-z0-9_.-]{20,80}"  # GitLab
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-\d-[A-Z0-9]{8,16}-\d{8,16}-[a-f0-9]{32,80}"  # Slack
    r"|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,600}|GOCSPX-[A-Za-z0-9_-]{28}|1//0[A-Za-z0-9_-]{30,120}"  # Google
    r"|[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34}"  # Microsoft Entra
    r"|[srp]k_(?:live|test)_[A-Za-z0-9]{16,128}|whsec_[A-Za-z0-9+/=]{24,80}"  # Stripe
    r"|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,255}|rubygems_[a-f0-9]{48}|dckr_pat_[A-Za-z0-9_-]{24,40}"  # registries
    r"|hf_[A-Za-z0-9]{30,64}|gsk_[A-Za-z0-9]{40,64}|r8_[A-Za-z0-9]{30,44}|xai-[A-Za-z0-9]{60,90}|pplx-[a-f0-9]{40,60}|nvapi-[A-Za-z0-9_-]{50,80}"  # models
    r"|SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}|key-[a-f0-9]{32}|[a-f0-9]{32}-us\d{1,2}|(?:SK|AC)[a-f0-9]{32}"  # mail, Twilio
    r"|do[oprt]_v1_[a-f0-9]{64}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,43}|EAAA[A-Za-z0-9_-]{60}"
    r"|hv[sbr]\.[A-Za-z0-9_-]{24,200}|dp\.(?:pt|st|ct)\.[A-Za-z0-9]{40,44}|dapi[a-f0-9]{32}(?:-\d)?|ATATT3[A-Za-z0-9_=-]{60,250}"
    r"|lin_api_[A-Za-z0-9]{40}|ntn_[A-Za-z0-9]{40,50}|figd_[A-Za-z0-9_-]{40}|PMAK-[a-f0-9]{24}-[a-f0-9]{34}|NRAK-[A-Z0-9]{27}|glsa_[A-Za-z0-9]{32}_[a-f0-9]{8}"
    r"|AGE-SECRET-KEY-1[0-9A-Z]{58}|\d{8,10}:AA[A-Za-z0-9_-]{33}|[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}"  # Telegram, Discord
    r"|eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]{0,2000}"  # JWT
    r"|tg[gs]_[A-Za-z0-9_-]{20,200}"
    r")(?![A-Za-z0-9])"
)
_HOOK = re.compile(
    r"https://(?:hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{20,120}|discord(?:app)?\.com/api/webhooks/\d{10,24}/[A-Za-z0-9_-]{40,100}"
    r"|[a-z0-9-]{1,60}\.webhook\.office\.com/[\w/@-]{40,300})"
)
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=\s:,.()]|-(?!--)|\\[nr]){16,20000}-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
)
_PEM_OPEN = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=\s:,.()]|-(?!--)|\\[nr]){0,20000}"
)
_URL_LOGIN = re.compile(r"(?<=://)[^\s/@:\"'<>]{0,128}:([^\s/@\"'<>]{1,256})@")
_BEARER = re.compile(r"(?i:\b(?:bearer|basic|token|apikey|digest)) ([A-Za-z0-9._~+/=-]{16,4000})")
_SIGNATURE = re.compile(
    r"[?&;](?:sig|signature|X-Amz-Signature|X-Goog-Signature|access_token|api_key|apikey|key|token|code|password|pwd|secret)=([^\s&\"'<>#;]{8,2000})",
    re.IGNORECASE,
)
_NAME = (
    r"(?:password|passwd|passwort|contrase[nñ]a|passphrase|pwd|secret[_ -]?(?:access[_ -]?)?key|client[_ -]?secret|secret|api[_ -]?key|apikey|api[_ -]?token"
    r"|access[_ -]?key|account[_ -]?key|shared[_ -]?access[_ -]?key|private[_ -]?key|encryption[_ -]?key|signing[_ -]?key|auth[_ -]?token|access[_ -]?token|refresh[_ -]?token|session[_ -]?token|bot[_ -]?token|token|credential|pin[_ -]?code)"
)
_ASSIGNED = re.compile(
    rf"(?i:{_NAME}[\"'\]]?)\s{{0,3}}(?::=|=>|[:=]|(?i:\bis\b))\s{{0,3}}[\"']?([^\s\"',;<>]{{4,512}})"
)
_OPTION = re.compile(
    r"(?:^|\s)(?:-u|--user)[ =][\"']?[^\s:\"']{1,64}:([^\s\"']{3,128})|--(?:password|token|secret|api-key|pass)[ =][\"']?([^\s\"']{4,256})"
)
_LABELS = frozenset(
    "password passwd passwort contraseña contrasena pwd secret key apikey token passphrase accesskey accountkey clientsecret accesstoken authtoken pass pin credential sharedaccesskey".split()
)
_NO_SECRET = re.compile(
    r"[<{$*%\[(].*|(?:true|false|null|none|nil|undefined|required|optional|string|str|secret|password|changed?|reset|expired|invalid|wrong|xxx+|\.{3,}|\*+|_+|-+|process\.env.*|os\.(?:environ|getenv).*|[a-z_.]{1,60}\(.*)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z][a-z]*[.!?]?")


def private_keys(text: str) -> list[Span]:
    """Private keys in PEM form, whole; also one whose end is cut off."""
    if "PRIVATE KEY" not in text:
        return []
    out = [Span(*m.span(), "SECRET", 0.99, _SOURCE) for m in _PEM.finditer(text)]
    return out or [Span(*m.span(), "SECRET", 0.95, _SOURCE) for m in _PEM_OPEN.finditer(text)]


def secrets(lexed: Lexed) -> list[Span]:
    """Credentials in the text."""
    text, vocabulary = lexed.text, lexed.vocabulary
    out = private_keys(text)
    long = max(map(len, text.split()), default=0) >= _LONG_RUN
    for run in _RUN.finditer(text) if long else ():
        for match in _SHAPES.finditer(text, *run.span()):
            if entropy(match[0]) > 2.2:
                out.append(Span(*match.span(), "SECRET", _checked(match[0]), _SOURCE))
    if "://" in text:
        out += [
            Span(*m.span(1), "SECRET", 0.95, _SOURCE)
            for m in _URL_LOGIN.finditer(text)
            if not _NO_SECRET.fullmatch(m[1])
        ]
        out += [Span(*m.span(), "SECRET", 0.97, _SOURCE) for m in _HOOK.finditer(text)]
        out += [
            Span(*m.span(1), "SECRET", 0.85, _SOURCE)
            for m in _SIGNATURE.finditer(text)
            if entropy(m[1]) > 2.5 and _mixed(m[1])
        ]
    if not vocabulary.isdisjoint(("bearer", "basic", "token", "apikey", "digest")):
        out += [Span(*m.span(1), "SECRET", 0.9, _SOURCE) for m in _BEARER.finditer(text) if _mixed(m[1])]
    if not vocabulary.isdisjoint(_LABELS):
        for match in _ASSIGNED.finditer(text):
            if _looks_secret(match[1], match[0][: match.start(1) - match.start()]):
                out.append(Span(*match.span(1), "SECRET", 0.8, _SOURCE))
    if " -u" in text or "--" in text:
        for match in _OPTION.finditer(text):
            group = 1 if match[1] else 2
            if not _NO_SECRET.fullmatch(match[group]):
                out.append(Span(*match.span(group), "SECRET", 0.8, _SOURCE))
    return out


def _mixed(value: str) -> bool:
    return any(char.isdigit() for char in value) and any(char.isalpha() for char in value)


def _looks_secret(value: str, label: str) -> bool:
    """Whether a labelled value can be one: no placeholder, no plain word, and random enough for its label."""
    if _NO_SECRET.fullmatch(value):
        return False
    lowered = label.lower()
    if "pass" in lowered or "pwd" in lowered or "contrase" in lowered:
        # what people choose: a word after ``is`` may be anything, after a separator it is the password
        return not _WORD.fullmatch(value) or (" is" not in lowered and len(value) > 5 and not value.endswith("."))
    return len(value) >= 8 and not _WORD.fullmatch(value) and (_mixed(value) or entropy(value) > 3.5)


def entropy(value: str) -> float:
    """Shannon entropy of the characters, in bits per character."""
    total = len(value)
    return -sum(count / total * math.log2(count / total) for count in Counter(value).values()) if total else 0.0


_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _checked(value: str) -> float:
    """Score of a shape; a right checksum (GitHub and npm tokens end in a CRC-32) raises it and a wrong one does not veto."""
    if value[:4] in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "npm_") and len(value) == 40:
        number, tail = zlib.crc32(value[4:34].encode()), ""
        for _ in range(6):
            number, digit = divmod(number, 62)
            tail = _BASE62[digit] + tail
        return 0.99 if tail == value[34:] else 0.96
    return 0.97
