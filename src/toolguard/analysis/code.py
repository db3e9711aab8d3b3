"""Code given on the spot (``python -c``, ``node -e``, a ``code`` argument).

Python is parsed: it is harmless only if every call in it is on a short list. Other languages are harmless only
if they print constants. Everything else runs code nobody has read.
"""

from __future__ import annotations

import ast
import re

from toolguard._core.risk import Evidence
from toolguard.analysis.notes import CODE, DESTRUCTIVE, EXFILTRATION, HIGH, LOW, MEDIUM, READ, note
from toolguard.analysis.words import bag, split_words

__all__ = ["MAX_CODE", "code_evidence"]

MAX_CODE = 20_000
_SOURCE = "args.code"
_SAFE_CALLS = bag(
    "print len str int float bool list dict set tuple range sum min max sorted abs round enumerate zip map filter any all repr type isinstance "
    "format join split strip lower upper replace startswith endswith append items keys values get json.dumps json.loads dumps loads math.sqrt sqrt "
    "sys.version sys.exit exit datetime.now now isoformat strftime count index reversed divmod pow hash chr ord hex bin ascii bytes encode decode title"
)
_SAFE_IMPORTS = bag(
    "json math sys datetime re statistics decimal fractions collections itertools functools string random time textwrap platform"
)
_DELETES = re.compile(
    r"rmtree|\bunlink|\bremove\(|rmdir|\brm\b|drop(?:Database|Collection|Index)?\s*\(|delete(?:Many|One)?\s*\(|destroy|truncate|\.drop\b|purge|wipe|FileUtils\.rm|shutdown|remove(?:Shard|User)?\(",
    re.IGNORECASE,
)
_REACHES = re.compile(
    r"socket|urllib|requests|http|fetch\(|urlopen|smtplib|ftplib|axios|LWP::|Net::|DownloadString|WebClient",
    re.IGNORECASE,
)
_PRINTS = re.compile(
    r"^\s*(?:(?:print|puts|p|echo|console\.log|say|write-(?:host|output))\s*\(?\s*(?:\"[^\"$#{`]*\"|'[^']*'|[\d\s+*/.-]+)\s*\)?\s*;?\s*)+$",
    re.IGNORECASE,
)
_QUERIES = re.compile(
    r"^\s*(?:db(?:\.\w+(?:\(['\"]?\w*['\"]?\))?)*\.)?(?:find|findOne|count|countDocuments|stats|getCollectionNames|getIndexes|explain|distinct|serverStatus|version|hello|ping|status)\s*\([^()]*\)(?:\.(?:limit|sort|count|toArray|pretty|skip)\([^()]*\))*\s*;?\s*$"
)


def code_evidence(text: str, language: str = "python") -> list[Evidence]:
    """What running ``text`` may do. Never empty."""
    if len(text) > MAX_CODE:
        return [note(_SOURCE, CODE, HIGH, f"the code is longer than {MAX_CODE} characters and was not read")]
    if not text.strip():
        return [note(_SOURCE, READ, LOW, "there is no code")]
    found = []
    if _DELETES.search(text):
        found.append(note(_SOURCE, DESTRUCTIVE, HIGH, "the code speaks of deleting"))
    if _REACHES.search(text):
        found.append(note(_SOURCE, EXFILTRATION, HIGH, "the code speaks of other machines"))
    if language.startswith(("python", "pypy", "ipython")):
        harmless = _harmless_python(text)
    elif language in ("mongo", "mongosh"):
        harmless = bool(_QUERIES.match(text))
    else:
        harmless = bool(_PRINTS.match(text))
    if harmless and not found:
        return [note(_SOURCE, CODE, MEDIUM, "it runs a little code without reach")]
    if set(split_words(text[:2_000])) & {"delete", "destroy", "drop", "purge", "truncate", "wipe"}:
        found.append(note(_SOURCE, DESTRUCTIVE, HIGH, "the code speaks of deleting"))
    return [*found, note(_SOURCE, CODE, HIGH, "it runs code that was not understood")]


def _harmless_python(text: str) -> bool:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = _dotted(node.func)
            if name not in _SAFE_CALLS and name.rpartition(".")[2] not in _SAFE_CALLS - {
                "exit",
                "get",
                "loads",
                "decode",
                "hash",
                "type",
                "map",
                "filter",
            }:
                return False
        elif isinstance(node, ast.Import):
            if any(a.name not in _SAFE_IMPORTS for a in node.names):
                return False
        elif isinstance(node, ast.ImportFrom):
            if node.module not in _SAFE_IMPORTS:
                return False
        elif (
            (isinstance(node, ast.Attribute) and node.attr.startswith("_"))
            or (isinstance(node, ast.Name) and node.id.startswith("__"))
            or isinstance(node, ast.While)
        ):
            return False
    return True


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    if isinstance(node, ast.Constant):
        return "constant"
    return "?"
