"""What may pass though nobody can look into it, by name. The words are those of ``toolguard_openai``."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from toolguard.errors import ConfigError, DeniedError

__all__ = ["HOSTED", "PARTS", "check_allow", "part_word", "refusal_of", "tool_word"]

PARTS: Mapping[str, frozenset[str]] = {
    "images": frozenset({"image", "image_url", "input_image"}),
    "audio": frozenset({"audio", "input_audio"}),
    "files": frozenset(
        {"container_upload", "document", "file", "input_file", "media", "text-plain", "video", "video_url"}
    ),
    "reasoning": frozenset({"compaction", "reasoning", "reasoning_content", "redacted_thinking", "thinking"}),
}
"""Kinds of content parts no text masker can look into, and the types they go by."""
_WAYS = frozenset({"history", "prompts", "tracers"})
HOSTED = frozenset(
    {
        "apply_patch",
        "bash",
        "code_execution",
        "code_interpreter",
        "computer",
        "file_search",
        "google_search",
        "image_generation",
        "mcp",
        "memory",
        "namespace",
        "programmatic_tool_calling",
        "shell",
        "text_editor",
        "tool_search",
        "url_context",
        "web_fetch",
        "web_search",
    }
)
"""Tools that run at a provider, or that a provider describes."""
_HOSTED = re.compile(
    r"(?:local_|bash_|text_editor_)?(?P<kind>" + "|".join(sorted(HOSTED)) + r")"
    r"(?:_use|_tool_regex|_tool_bm25|_toolset)?(?:_preview)?(?:_call|_list_tools|_tool_use|_tool_result)?(?:_[0-9_]+)?"
)
_SAFE = re.compile(r"[a-z][a-z0-9_\-]{0,40}")


def check_allow(names: Collection[str]) -> frozenset[str]:
    """The names given as ``allow=``. Raises ConfigError for one that means nothing."""
    if isinstance(names, str):
        raise ConfigError(f"allow={names!r} is one text; pass a set of names")
    known = {*PARTS, *_WAYS, *HOSTED}
    for name in sorted(names, key=str):
        if name not in known:
            raise ConfigError(f"allow names {name!r}, which is none of {', '.join(sorted(known))}")
    return frozenset(names)


def tool_word(kind: str) -> str | None:
    """The one name for every version of a provider's tool (``web_search_20250305`` → ``web_search``)."""
    match = _HOSTED.fullmatch(kind)
    return match["kind"] if match else None


def part_word(kind: object) -> str | None:
    """What a content part of type ``kind`` is allowed by; None if nothing allows it."""
    if not isinstance(kind, str):
        return None
    return next((word for word, kinds in PARTS.items() if kind in kinds), None) or tool_word(kind)


def refusal_of(kind: object, word: str | None) -> DeniedError:
    """Why a part of type ``kind`` stops the request."""
    named = kind if isinstance(kind, str) and _SAFE.fullmatch(kind) else "unknown"
    mend = f"or allow it by name with allow={{{word!r}}}" if word else "no name allows it"
    return DeniedError(
        f"a message holds a part of type {named!r}, which nobody can look into for identifiers, so nothing was sent to "
        f"the model; remove the part, {mend}",
        code="unmaskable_part",
    )
