"""The ports: what the guard needs from the outside, as small synchronous protocols."""

from toolguard._core.steps import Change, Claim, LedgerRow, Notice, Origin, Settle, Update
from toolguard.ports.around import Channel, Clock, Ids, NoticeChannel, Sink, TraceContext, Tracing
from toolguard.ports.judging import Aiming, Analyser, Detector, DetectorSession, Pointing, Term, ToolAnalysis
from toolguard.ports.needs import Content, CredentialProvider, CredentialUse, Lease, ReferenceReader
from toolguard.ports.people import Directory, DirectoryPerson
from toolguard.ports.signing import Anchor, CheckpointSigner, CheckpointVerifier, GrantVerifier, Signer
from toolguard.ports.store import Announcement, Distant, LogHead, Prunable, Sealer, SessionKey, Store

__all__ = [
    "Aiming",
    "Analyser",
    "Anchor",
    "Announcement",
    "Change",
    "Channel",
    "CheckpointSigner",
    "CheckpointVerifier",
    "Claim",
    "Clock",
    "Content",
    "CredentialProvider",
    "CredentialUse",
    "Detector",
    "DetectorSession",
    "Directory",
    "DirectoryPerson",
    "Distant",
    "GrantVerifier",
    "Ids",
    "Lease",
    "LedgerRow",
    "LogHead",
    "Notice",
    "NoticeChannel",
    "Origin",
    "Pointing",
    "Prunable",
    "ReferenceReader",
    "Sealer",
    "SessionKey",
    "Settle",
    "Signer",
    "Sink",
    "Store",
    "Term",
    "ToolAnalysis",
    "TraceContext",
    "Tracing",
    "Update",
]
