"""What a guarded client lets through that it cannot read, by name. Nothing of it is on unless it is named."""

from __future__ import annotations

import re
from collections.abc import Iterable

from toolguard.errors import ConfigError, DeniedError

__all__ = ["Allowed", "hosted_kind", "refused_socket"]

_PARTS = {
    "images": "an image cannot be read for identifiers",
    "audio": "audio cannot be read for identifiers",
    "files": "a file cannot be read for identifiers",
    "history": "history kept at the provider is not seen here, and may hold what was never masked",
    "prompts": "a prompt template kept at the provider is not seen here",
    "reasoning": "an encrypted reasoning or compaction item cannot be read for identifiers",
}
_HOSTED = frozenset(
    {
        "apply_patch",
        "code_interpreter",
        "computer",
        "file_search",
        "image_generation",
        "mcp",
        "namespace",
        "programmatic_tool_calling",
        "shell",
        "tool_search",
        "web_search",
    }
)
_KIND = re.compile(r"(?:local_)?(?P<kind>" + "|".join(sorted(_HOSTED)) + r")(?:_use)?(?:_preview)?(?:_[0-9_]+)?")


def hosted_kind(type: str) -> str:
    """The one name for every version of a hosted tool (``web_search_preview`` → ``web_search``)."""
    match = _KIND.fullmatch(type)
    return match["kind"] if match else type


def refused_socket(what: str) -> DeniedError:
    return DeniedError(
        f"{what} speaks over a socket, where nothing that is said can be masked or judged; it was not opened, "
        "use a client of its own for it",
        code="unguarded_endpoint",
    )


class Allowed:
    """The names given as ``allow=`` to `guard_client`.

    ``images``, ``audio``, ``files``, ``history``, ``prompts``, ``reasoning``; a hosted tool by its type
    (``web_search``, ``mcp``, …; the policy must allow ``openai.<type>`` as well); an endpoint by its path
    (``/embeddings``); a request field this adapter does not know as ``field:NAME`` (its text is masked).
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        if isinstance(names, str):
            raise ConfigError(f"allow={names!r} is one text; pass a set of names")
        self.names = frozenset(names)
        for name in sorted(self.names):
            if name not in _PARTS and name not in _HOSTED and not name.startswith(("/", "field:")):
                known = ", ".join(sorted({*_PARTS, *_HOSTED}))
                raise ConfigError(
                    f"allow names {name!r}, which is none of {known}, a path such as '/embeddings' or 'field:NAME'"
                )

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def require(self, name: str) -> None:
        """Raises DeniedError unless ``name`` is allowed."""
        if name not in self.names:
            why = _PARTS.get(name, "it runs at the provider, where no call can be stopped")
            raise DeniedError(
                f"the request was not sent: {why}; leave it out, or pass allow={{{name!r}}} to guard_client if you accept that",
                code=f"unguarded_{name}",
            )

    def require_type(self, type: str) -> str:
        """The hosted tool behind ``type``. Raises DeniedError unless it is allowed."""
        kind = hosted_kind(type)
        if kind not in _HOSTED:
            raise DeniedError(
                "the request was not sent: it holds a part of a type this adapter does not know, "
                "so it cannot be masked; leave it out",
                code="unguarded_part",
            )
        self.require(kind)
        return kind

    def require_field(self, name: str) -> None:
        if f"field:{name}" not in self.names:
            raise DeniedError(
                f"the request was not sent: this adapter does not know the field {name!r}; "
                f"leave it out, or pass allow={{'field:{name}'}} to guard_client to send it with its text masked",
                code="unguarded_field",
            )

    def require_endpoint(self, method: str, path: str, *, plain: bool) -> None:
        """Raises DeniedError unless the path is allowed by name; one that is not ``plain`` never is."""
        if not plain or not any(path == n or path.startswith(f"{n}/") for n in self.names if n.startswith("/")):
            raise DeniedError(
                f"the request was not sent: {method.upper()} to this endpoint is not guarded (docs/openai.md lists those that "
                "are); use a client of its own, or pass allow={'/path'} to guard_client to send its text masked",
                code="unguarded_endpoint",
            )
