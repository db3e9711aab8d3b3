"""References: what arguments and results point at, under which names it is met again, and what a call may write to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from toolguard._core.call import Json, keyed_digest
from toolguard._core.condition import Facts
from toolguard._core.flow.setting import Flow, Setting
from toolguard._core.risk import RiskClass
from toolguard._core.spelling import plain
from toolguard._core.steps import Locate
from toolguard.errors import ContentError

__all__ = ["digest", "inside", "made", "names_of", "only_reads", "only_sends", "read_as", "references", "written_to"]

_ONLY_READS = frozenset({RiskClass.READ.value})
_ONLY_SENDS = frozenset({RiskClass.READ.value, RiskClass.EXFILTRATION.value, RiskClass.COMMUNICATION.value})
_MOST_REFERENCES = 200
_MOST_MADE = 2_000
"""Texts of a result that are looked at for what was made."""
_ADDRESS = re.compile(r"(?:https?|wss?|s?ftps?|mailto|tel|sip|urn):", re.IGNORECASE)
"""Where something may go to; what it names is not on this machine, so that nobody wrote it says nothing."""
_POINTS = re.compile(r"(?:/|\.\.?/|~/|[A-Za-z]:[\\/]|\\\\|[A-Za-z][A-Za-z0-9+.-]+:)\S", re.IGNORECASE)
_FILE = re.compile(
    r"[^\s/\\:@]{1,200}\.(?:csv|tsv|xlsx?|ods|docx?|odt|rtf|pptx?|pdf|txt|md|json|jsonl|ndjson|xml|html?|ya?ml|log|eml|msg"
    r"|zip|gz|tgz|tar|7z|rar|parquet|avro|db|sqlite3?|sql|dump|bak|png|jpe?g|gif|tiff?|bmp|webp|dcm|hl7|wav|mp[34]|enc|gpg)",
    re.IGNORECASE,
)
_FILE_FIELD = re.compile(r"attach|file|document|upload", re.IGNORECASE)
_BARE = re.compile(r"[^\s/\\:@]{1,200}")
_ID_FIELD = re.compile(
    r"(?:^|_)(?:ids?|uuid|guid|uri|url|path|file|filename|key|ref|reference|handle|slug)$", re.IGNORECASE
)


def only_reads(facts: Facts) -> bool:
    """Whether a call changes nothing."""
    return facts.risk.classes <= _ONLY_READS


def only_sends(facts: Facts) -> bool:
    """Whether a call changes nothing but what it sends to."""
    return facts.risk.classes <= _ONLY_SENDS


def inside(name: str) -> bool:
    """Whether a name stands for what lies in a folder."""
    return name.startswith(_INSIDE)


def references(setting: Setting, data: Json) -> dict[str, bool]:
    """What the arguments refer to → whether its content may be meant. Object ids come with where they are known."""
    found: dict[str, bool] = {}
    if not isinstance(data, Mapping):
        return {text: _is_content(text) for _, text in _texts(data, "") if _POINTS.match(text)}
    named = {name.partition(".")[0] for name in setting.plan.rule.references}
    pointing = set(setting.pointers(data) if setting.pointers is not None else ())
    declared = set(setting.tool.schema.get("properties") or ())
    for name, value in data.items():
        points = name in pointing or name in named or ("(undeclared)" in pointing and name not in declared)
        for field_name, text in _texts(value, name):
            if points or _is_file(field_name, text) or (setting.pointers is None and _POINTS.match(text)):
                found[text] = found.get(text, False) or _is_content(text)
            elif _ID_FIELD.search(field_name) or _ID_FIELD.search(name):
                found.setdefault(_object(setting, text), False)
            if len(found) > _MOST_REFERENCES:
                raise ContentError(
                    f"a call of {setting.tool.name!r} refers to more than {_MOST_REFERENCES} things, and the policy asks "
                    "what they carry; refer to fewer at once",
                    code="content_too_large",
                )
    return found


def _is_file(field_name: str, text: str) -> bool:
    """Whether a text is the bare name of a file, which says nothing of where it lies."""
    return bool(_FILE.fullmatch(text) or (_FILE_FIELD.search(field_name) and _BARE.fullmatch(text)))


def _is_content(text: str) -> bool:
    return not _ADDRESS.match(text.strip())


def _texts(value: Json, name: str) -> Iterator[tuple[str, str]]:
    """(name of the field, text) of every text and whole number inside."""
    if isinstance(value, str):
        if value.strip():
            yield name, value
    elif isinstance(value, int) and not isinstance(value, bool):
        yield name, str(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, key)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item, name)


_OBJECT = "\x00object\x00"


def _object(setting: Setting, text: str) -> str:
    """An id means something among the tools of one module or server."""
    home = setting.tool.identity.source.partition(":")[0]
    return f"{_OBJECT}{home}\x00{plain(text)}"


def names_of(setting: Setting, texts: Iterable[str]) -> Flow[dict[str, tuple[str, ...]]]:
    """Each reference → all its names."""
    places = tuple(t for t in texts if not t.startswith(_OBJECT))
    named: Mapping[str, tuple[str, ...]] = (yield Locate(places)) if places else {}
    return {text: named.get(text, (text,)) for text in texts}


def digest(setting: Setting, name: str) -> str:
    """How a name is kept."""
    return keyed_digest(setting.scope.digest_key, "toolguard.reference", name.encode("utf-8", "replace"))


_PATH, _INSIDE = "path:", "inside:"


def read_as(names: Iterable[str]) -> Iterator[str]:
    """Under which names its labels stand: its own, and those of what lies inside it."""
    for name in names:
        yield name
        if name.startswith(_PATH):
            yield _INSIDE + name.removeprefix(_PATH)


def _written_as(names: Iterable[str]) -> Iterator[str]:
    """Under which names labels are written: its own, and of every folder it lies in that it is inside."""
    for name in names:
        yield name
        if name.startswith(_PATH):
            parts = name.removeprefix(_PATH).split("/")
            yield from (_INSIDE + ("/".join(parts[:n]) or "/") for n in range(len(parts) - 1, 0, -1))


def written_to(facts: Facts, named: Mapping[str, tuple[str, ...]], texts: Mapping[str, bool]) -> Iterator[str]:
    """Names of what the call may write to. What only sends writes to where it sends to, not to what it sends."""
    if only_reads(facts):
        return
    for text, names in named.items():
        if not (only_sends(facts) and texts[text]):
            yield from _written_as(names)


def made(setting: Setting, plain_result: Json) -> Iterator[str]:
    """What a result says was made: paths, URLs, and ids of objects."""
    for count, (name, text) in enumerate(_texts(plain_result, "id")):
        if count >= _MOST_MADE:
            return
        if _POINTS.match(text):
            yield text
        elif _ID_FIELD.search(name) and len(text) <= 200:
            yield _object(setting, text)
