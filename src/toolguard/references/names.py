"""Under which names a reference may be met again: spellings, links and addresses that lead to one thing have one in common.

Taking two things for one only labels more; so letters' case never counts, and a URL has a name without its query too.
"""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from urllib.parse import unquote, urlsplit

__all__ = ["names_of"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_MAX = 4_096
_PORTS = {"http": "80", "https": "443", "ftp": "21", "ws": "80", "wss": "443"}


def names_of(reference: str) -> tuple[str, ...]:
    """Every name of ``reference``, the plainest first: ``path:…`` (as written, and where links lead), ``inode:…``, ``url:…``.

    What it names is looked up on this machine, never read. A tool elsewhere has files of its own; for them the name as
    written serves.
    """
    text = unicodedata.normalize("NFKC", reference[:_MAX]).strip().replace("\x00", "")
    if text[:5].casefold() == "file:":
        return _of_path(unquote(text[5:]).removeprefix("//localhost").replace("\\", "/"))
    if text.startswith("//"):  # an address without a scheme, and a path to whoever opens it
        return (*_of_path(text), *_of_url(text))
    if _SCHEME.match(text):
        return _of_url(text)
    return _of_path(text.replace("\\", "/") if re.match(r"[A-Za-z]:\\|\\\\", text) else text)


def _of_url(text: str) -> tuple[str, ...]:
    try:
        parts = urlsplit(text.replace("\\", "/"))
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return (f"url:{text.casefold()}",)
    scheme = parts.scheme.casefold()
    place = host if port is None or str(port) == _PORTS.get(scheme) else f"{host}:{port}"
    path = unquote(parts.path)
    path = posixpath.normpath("/" + path.lstrip("/")) if place else path
    plain = f"url:{'http' if scheme == 'https' else scheme}://{place}{path}".casefold()
    return (f"{plain}?{unquote(parts.query)}".casefold(), plain) if parts.query else (plain,)


def _of_path(text: str) -> tuple[str, ...]:
    written = posixpath.normpath(re.sub(r"^/+", "/", text or "."))
    names = [f"path:{written}".casefold()]
    try:
        place = os.path.realpath(os.path.expanduser(written))  # noqa: PTH111 - text in, text out; "~nobody" stays
        names.append(f"path:{unicodedata.normalize('NFKC', place)}".casefold())
        status = os.stat(place)  # noqa: PTH116 - of the text above
        names.append(f"inode:{status.st_dev}:{status.st_ino}")
    except (OSError, ValueError, RuntimeError):  # it is not there, or no path of this machine
        pass
    return tuple(dict.fromkeys(names))
