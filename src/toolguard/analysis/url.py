"""URLs: where they lead. Addresses inside the network, cloud metadata, user info, odd schemes, data in the query."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import parse_qsl, unquote, urlsplit

from toolguard._core.risk import Evidence
from toolguard.analysis.notes import CODE, CRITICAL, EXFILTRATION, HIGH, LOW, MEDIUM, PRIVILEGE, READ, note
from toolguard.analysis.words import bag, unmask

__all__ = ["is_url", "url_evidence", "url_facts"]

_SOURCE = "args.url"
MAX_URL = 8_192
_URL = re.compile(
    r"^\s*(?:[a-z][a-z0-9+.-]*:)?//\S|^\s*(?:file|data|javascript|jar|gopher|dict|ldap|ftp|mailto|vbscript|php|expect|netdoc|phar|view-source|blob):",
    re.IGNORECASE,
)
_RUNS = bag("javascript vbscript data jar phar php expect view-source blob")
_LOCAL_NAMES = re.compile(
    r"^(?:localhost|localhost\.localdomain|ip6-localhost|kubernetes\.default(?:\.svc)?)$|\.(?:localhost|local|internal|intranet|lan|corp|home|svc|cluster\.local)$"
)
_METADATA = re.compile(
    r"^(?:169\.254\.169\.25[34]|169\.254\.170\.2|100\.100\.100\.200|192\.0\.0\.192|fd00:ec2::254|metadata(?:\.google)?(?:\.internal)?|metadata\.azure\.(?:com|internal)|instance-data(?:\.\w+\.compute\.internal)?)$"
)
# Services made for receiving or relaying what strangers send: by kind of name, not a list of companies.
_CATCHERS = re.compile(
    r"(?:^|[.-])(?:webhook|requestbin|request-?catcher|hookbin|beeceptor|pipedream|interact(?:sh)?|oast(?:ify)?|burpcollaborator|dnslog|ngrok(?:-free)?|"
    r"localtunnel|loca|serveo|trycloudflare|canarytokens?|pastebin|paste|hastebin|ghostbin|transfer|file|0x0|termbin|anonfiles?|gofile|catbox)\.[a-z]"
)
_HOOK_PATH = re.compile(
    r"/(?:webhooks?|hooks?|services/T[A-Z0-9]+|api/webhooks|incoming|collect|exfil|upload|callback)(?:/|$)",
    re.IGNORECASE,
)
_BLOB = re.compile(r"^[A-Za-z0-9+/_=-]{64,}$|^(?:[0-9a-f]{2}){32,}$", re.IGNORECASE)


def is_url(text: str) -> bool:
    """Whether ``text`` has the shape of a URL (with a scheme, or beginning with ``//``)."""
    return bool(_URL.match(text[:64]))


def url_facts(text: str) -> dict[str, object]:
    """Facts for conditions: ``scheme host port path private metadata userinfo webhook ip parsed``.

    ``host`` is lower case, IDNA-encoded, without a final dot; ``private`` covers loopback, link-local and internal names.
    Where the text cannot be parsed, ``parsed`` is False, ``host`` is empty and ``private`` is True.
    """
    blank: dict[str, object] = {
        "scheme": "", "host": "", "port": -1, "path": "", "private": True, "metadata": True, "userinfo": True, "webhook": True, "ip": False, "parsed": False,
    }  # fmt: skip
    if len(text) > MAX_URL:
        return blank
    clean = re.sub(r"[\t\r\n]", "", unmask(text)).strip()
    if "\\" in clean:
        if "@" in clean:
            return blank  # parsers disagree about which side of the @ is the host
        clean = clean.replace("\\", "/")
    if not _URL.match(clean):
        clean = "//" + clean.lstrip("/")
    try:
        parts = urlsplit(clean)
        port = parts.port
    except ValueError:
        return blank
    scheme = parts.scheme.lower()
    host = _host(parts.hostname or "")
    if not host and scheme not in _RUNS | {"file", "mailto"}:
        return blank
    address = _address(host)
    private = (
        bool(address is not None and (not address.is_global or address.is_multicast))
        or bool(_LOCAL_NAMES.search(host))
        or scheme == "file"
    )
    if host and address is None and "." not in host:
        private = True
    shown = str(address) if address is not None else host
    return {
        "scheme": scheme,
        "host": shown,
        "port": port if port is not None else {"https": 443, "http": 80, "ftp": 21, "ssh": 22}.get(scheme, -1),
        "path": unquote(parts.path),
        "private": private,
        "metadata": bool(_METADATA.match(shown)) or bool(_METADATA.match(host)),
        "userinfo": "@" in parts.netloc,
        "webhook": bool(_CATCHERS.search(host)) or bool(_HOOK_PATH.search(parts.path)),
        "ip": address is not None,
        "parsed": True,
    }


def url_evidence(text: str, *, source: str = _SOURCE) -> list[Evidence]:
    """What it means that a tool is sent to ``text``."""
    facts = url_facts(text)
    if not facts["parsed"]:
        return [note(source, CODE, HIGH, "an address cannot be read for sure")]
    found = []
    scheme = facts["scheme"]
    if scheme in _RUNS:
        found.append(note(source, CODE, HIGH, "an address carries code or data instead of a place"))
    elif scheme == "file":
        found.append(note(source, EXFILTRATION, HIGH, "an address names a local file"))
    elif scheme in ("gopher", "dict", "ldap", "ldaps", "tftp", "netdoc"):
        found.append(note(source, EXFILTRATION, HIGH, "an address uses a protocol that reaches inside the network"))
    if facts["metadata"]:
        found.append(note(source, PRIVILEGE, CRITICAL, "an address leads to the cloud's credentials"))
    elif facts["private"]:
        found.append(note(source, READ, MEDIUM, "an address leads inside the network"))
    if facts["userinfo"]:
        found.append(note(source, EXFILTRATION, HIGH, "an address holds a user name or disguises its host"))
    if facts["webhook"]:
        found.append(note(source, EXFILTRATION, HIGH, "an address leads to a service that collects what it is sent"))
    if not facts["private"] and facts["ip"]:
        found.append(note(source, EXFILTRATION, MEDIUM, "an address is a bare number on the public network"))
    if str(facts["host"]).startswith("xn--") or ".xn--" in str(facts["host"]):
        found.append(note(source, EXFILTRATION, MEDIUM, "an address uses letters of another script"))
    plain = unmask(text).strip()
    query = urlsplit(plain).query if "?" in plain else ""
    if query and (len(query) > 1_000 or any(_BLOB.match(value) for _, value in parse_qsl(query, max_num_fields=200))):
        found.append(note(source, EXFILTRATION, HIGH, "an address carries a large or encoded piece of data"))
    return found or [note(source, READ, LOW, "an address shows nothing unusual")]


def _host(name: str) -> str:
    name = unquote(name).strip().rstrip(".").lower()
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    return name


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address ``host`` stands for, in every spelling that resolvers take: decimal, hex, octal, short, mapped."""
    try:
        address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(host.split("%", 1)[0])
    except ValueError:
        parts = host.split(".")
        if not 1 <= len(parts) <= 4 or not all(re.fullmatch(r"0x[0-9a-f]*|\d+", p) for p in parts):
            return None
        try:
            numbers = [
                int(p, 16)
                if p.startswith("0x") and len(p) > 2
                else int(p, 8)
                if len(p) > 1 and p[0] == "0" and p.isdigit()
                else int(p, 10)
                for p in parts
            ]
        except ValueError:
            return None
        value = 0
        for number in numbers[:-1]:
            if number > 255:
                return None
            value = value * 256 + number
        room = 256 ** (5 - len(numbers))
        if numbers[-1] >= room:
            return None
        return ipaddress.IPv4Address(value * room + numbers[-1])
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    return mapped or address
