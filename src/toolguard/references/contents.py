"""What references hold, as keyed digests; read in pieces, within a bound of size and of time."""

from __future__ import annotations

import hmac
import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from toolguard._core.steps import Reference
from toolguard.errors import ConfigError, ContentError
from toolguard.ports import Clock, ReferenceReader
from toolguard.references.file import FileReader

__all__ = ["Contents", "open_readers"]

_VERSION = "v1"


class Contents:
    """The readers of a guard, and how much they may read.

    Args:
        readers: by the names policies use; ``file`` is there already.
        max_bytes: of one content.
        seconds: for all the contents of one call. A single read that hangs is not broken off.
    """

    def __init__(
        self,
        readers: Mapping[str, ReferenceReader] | None = None,
        *,
        max_bytes: int = 256 * 1024 * 1024,
        seconds: float = 20.0,
        clock: Clock,
    ) -> None:
        self._readers: dict[str, ReferenceReader] = {"file": FileReader(), **(readers or {})}
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._clock = clock

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._readers)

    def digests(self, references: Iterable[Reference], key: bytes) -> dict[str, str]:
        """Path → keyed digest of content and identity. Raises ContentError where one cannot be read."""
        deadline = self._clock.monotonic() + self._seconds
        return {r.path: self._digest(r, key, deadline, lambda chunk: None) for r in references}

    def copy(self, reference: Reference, key: bytes, approved: str) -> bytes:
        """The content itself, if it has the digest that was approved (``""``: nothing was)."""
        kept: list[bytes] = []
        found = self._digest(reference, key, self._clock.monotonic() + self._seconds, kept.append)
        if approved and not hmac.compare_digest(found, approved):
            raise ContentError(
                f"what argument {reference.path!r} refers to is no longer what was approved; the tool did not get it",
                code="content_changed",
            )
        return b"".join(kept)

    def _digest(self, reference: Reference, key: bytes, deadline: float, keep: Callable[[bytes], None]) -> str:
        try:
            with self._readers[reference.reader].open(reference.value) as content:
                return self._read(content.identity, content.chunks, reference, key, deadline, keep)
        except ContentError as fault:
            raise ContentError(f"{fault} (argument {reference.path!r})", code=fault.code) from None
        except Exception as fault:  # noqa: BLE001 - a reader may fail in any way, and its text may hold the value
            raise ContentError(
                f"what argument {reference.path!r} refers to cannot be read ({type(fault).__name__}); the call did not run"
            ) from None

    def _read(
        self,
        identity: str,
        chunks: Iterable[bytes],
        reference: Reference,
        key: bytes,
        deadline: float,
        keep: Callable[[bytes], None],
    ) -> str:
        named = b"".join(b"%d:%b," % (len(p), p) for p in (b"toolguard.content", reference.reader.encode()))
        digest = hmac.new(key, named, "sha256")
        who = identity.encode("utf-8", "surrogateescape")
        digest.update(b"%d:%b," % (len(who), who))
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > self._max_bytes:
                raise ContentError(
                    f"the content is larger than the {self._max_bytes} bytes that are read; refer to less, or raise "
                    "references.max_bytes",
                    code="content_too_large",
                )
            if self._clock.monotonic() > deadline:
                raise ContentError(
                    f"the content could not be read within {self._seconds:g} seconds; refer to less, or raise "
                    "references.seconds",
                    code="content_slow",
                )
            digest.update(chunk)
            keep(chunk)
        return f"{_VERSION}:{digest.hexdigest()}"


def open_readers(named: Mapping[str, str | ReferenceReader]) -> dict[str, ReferenceReader]:
    """Readers from a configuration: ``python:package.module:factory``, called without arguments.

    Raises:
        ConfigError: a name is taken, or what it names cannot be loaded.
    """
    readers: dict[str, ReferenceReader] = {}
    for name, given in named.items():
        if name == "file":
            raise ConfigError("the reader 'file' is built in; give yours another name")
        readers[name] = _loaded(name, given) if isinstance(given, str) else given
    return readers


def _loaded(name: str, source: str) -> ReferenceReader:
    module, _, factory = source.removeprefix("python:").partition(":")
    if not source.startswith("python:") or not module or not factory:
        raise ConfigError(f"reader {name!r} is not 'python:package.module:factory'; write it so")
    try:
        found: Any = getattr(importlib.import_module(module), factory)()
    except Exception as fault:  # noqa: BLE001 - somebody else's module may fail in any way
        raise ConfigError(
            f"reader {name!r} cannot be made ({type(fault).__name__}); check its module and factory"
        ) from None
    if not callable(getattr(found, "open", None)):
        raise ConfigError(f"reader {name!r} has no method 'open'; see toolguard.ports.ReferenceReader")
    return cast("ReferenceReader", found)
