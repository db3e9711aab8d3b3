"""What is no identifier although it looks like one: terminologies and their addresses, and the tenant's own list."""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import re
from collections.abc import Iterable

from toolguard.detection.spans import Span

__all__ = ["AllowList"]

_HOSTS = frozenset(
    "hl7.org loinc.org snomed.info unitsofmeasure.org w3.org dicom.nema.org who.int nih.gov cdc.gov fda.gov cms.gov hhs.gov healthit.gov "
    "ihe.net fhir.org ihtsdo.org rxnorm.info icd10data.com doi.org orcid.org pubmed.gov clinicaltrials.gov cochrane.org uptodate.com "
    "schema.org json-schema.org ietf.org iana.org iso.org nema.org ama-assn.org va.gov nice.org.uk nhs.uk ema.europa.eu "
    "localhost ghcr.io docker.io quay.io gcr.io k8s.io registry.k8s.io mcr.microsoft.com huggingface.co readthedocs.io rust-lang.org crates.io golang.org ubuntu.com debian.org apache.org "
    "github.com pypi.org python.org npmjs.com opentelemetry.io openai.com anthropic.com mozilla.org wikipedia.org".split()
)
_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]{0,20}://)?(?:[^/@\s]{0,200}@)?([a-z0-9.-]{1,255})(?::\d+)?", re.IGNORECASE)
_IMAGE = re.compile(
    r"[a-z0-9.-]{1,80}(?::\d{2,5})?/[a-z0-9._/-]{1,120}(?::(?:v?\d[\w.-]{0,40}|latest|stable|main|edge)|@sha256:[0-9a-f]{64})"
)

_NOBODY = ("127.", "0.0.0.0")  # noqa: S104 - this machine: nothing is bound


class AllowList:
    """Texts that are never masked, compared without regard to case, and public hosts whose URLs are kept.

    Args:
        words: the tenant's own, for instance the name of its product or of its pharmacy chain.
        hosts: further hosts, with their sub-domains, whose URLs identify nobody.

    Attributes:
        words: the tenant's own texts, case folded.
    """

    def __init__(self, words: Iterable[str] = (), hosts: Iterable[str] = ()) -> None:
        self.words = frozenset(word.casefold() for word in words)
        self._hosts = _HOSTS | {host.casefold() for host in hosts}

    def keeps(self, span: Span, text: str) -> bool:
        """Whether ``span`` of ``text`` stays in clear."""
        piece = text[span.start : span.end]
        if self.words and self.word(piece):
            return True
        if span.type == "EMAIL":
            return piece.lower().startswith("git@") and self._public(piece[4:])
        return span.type == "URL" and self._public(piece)

    def word(self, piece: str) -> bool:
        """Whether the tenant's list holds this text."""
        return piece.strip().casefold() in self.words

    def _public(self, url: str) -> bool:
        match = _HOST.match(url)
        if match is None or "@" in url:
            return False
        if _IMAGE.fullmatch(url):
            return True
        parts = match[1].lower().strip(".").split(".")
        # a FHIR server's own resource (…/Patient/123) is not public because its host is
        if re.search(r"/(?:Patient|Person|RelatedPerson)/|[?&](?:patient|mrn|name|dob|ssn|email)=", url, re.IGNORECASE):
            return False
        if (
            parts == ["localhost"]
            or match[1].startswith(_NOBODY)
            or parts[-1] == "local"
            or parts[-2:] == ["docker", "internal"]
        ):
            return True  # this machine, or a name inside one's own cluster
        return any(".".join(parts[i:]) in self._hosts for i in range(len(parts) - 1))
