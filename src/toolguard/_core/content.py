"""Whether a tool's results may hold text of strangers, where the policy does not say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from toolguard._core.call import Tool
from toolguard._core.risk import Risk, RiskClass
from toolguard._core.toolrule import ToolRule

__all__ = ["brings_strangers", "reads_strangers", "taints"]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_OTHERS_WRITE = frozenset(
    """
    web website webpage site url uri http https html page link browse browser crawl scrape download internet online rss
    feed news article blog mail email inbox imap gmail outlook mailbox message chat slack teams sms whatsapp thread
    channel conversation comment review reply post tweet issue ticket forum wiki confluence notion jira github gitlab
    repository repo readme pull file document doc docs pdf docx attachment upload folder directory drive sharepoint
    dropbox note memo letter report referral transcript form survey answer calendar event invite invitation meeting
    appointment webhook clipboard image photo ocr scan audio voicemail memory knowledge rag vector embedding resource
    prompt bucket object blob s3 ftp queue topic log logs description profile bio listing
    """.split()  # noqa: SIM905 - one word after the other reads better than a hundred quotes
)
"""What people outside may have written, or what holds such things."""
_READS = frozenset(
    """
    read get fetch list search find show load open view download browse query lookup look retrieve summarize summarise
    check crawl scrape extract parse receive recall inspect display describe export import sync poll scan grep cat head
    tail tree glob ocr transcribe translate history latest request http https api rest graphql query ask call invoke
    """.split()  # noqa: SIM905 - as above
)
_ACTS = frozenset(
    """
    send write create delete update append save post put upload remove move set add insert mark archive notify publish
    rename copy reply forward share schedule cancel book pay transfer approve reject assign close submit store edit
    """.split()  # noqa: SIM905 - as above
)
_ADDRESS = frozenset({"url", "uri", "href", "link", "feed"})
"""Fields that say where something is taken from."""


def taints(rule: ToolRule, tool: Tool, risk: Risk) -> bool:
    """Whether what calls of ``tool`` give back is untrusted. ``risk`` is what the tool alone suggests."""
    if rule.content is not None:
        return rule.content == "untrusted"
    return not rule.trusted_results and reads_strangers(tool, risk)


def reads_strangers(tool: Tool, risk: Risk) -> bool:
    """Whether a tool reads what others can write: the web, mail, messages, files, documents; or anything (code).

    One that only acts (``send_mail``) gives back no more than that it did. In doubt it reads.
    """
    said = tool.annotations
    if RiskClass.CODE_EXECUTION in (e.risk_class for e in risk.evidence) or risk.risk_class is RiskClass.CODE_EXECUTION:
        return True
    if said.trusted and said.open_world is False:
        return False
    if said.open_world:
        return True
    return _speaks_of_others(tool.name, tool.description, tuple(_fields(tool.schema)))


def brings_strangers(rule: ToolRule, tool: Tool, risk: Risk) -> bool:
    """Whether what calls of ``tool`` write may be text of strangers: also of one that only acts on what an address says
    (``save_page``), whatever little it gives back.
    """
    if taints(rule, tool, risk):
        return True
    return (
        rule.content is None
        and not rule.trusted_results
        and not _ADDRESS.isdisjoint(_words(" ".join(_fields(tool.schema))))
    )


@lru_cache(maxsize=1024)
def _speaks_of_others(called: str, description: str, fields: tuple[str, ...]) -> bool:
    name = _words(called)
    if name & _ACTS and not name & _READS:
        return False
    return not _OTHERS_WRITE.isdisjoint(name | _words(description) | _words(" ".join(fields)))


def _words(text: str) -> set[str]:
    """Words in small letters, also without a plural's end."""
    found = {word.lower() for word in _WORD.findall(text[:20_000])}
    return found | {word[:-1] for word in found if word.endswith("s")}


def _fields(schema: Mapping[str, object]) -> Iterator[str]:
    named = schema.get("properties")
    if isinstance(named, Mapping):
        yield from _strings(named)


def _strings(names: Iterable[object]) -> Iterator[str]:
    yield from (name for name in names if isinstance(name, str))
