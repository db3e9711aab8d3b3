"""The directory: who is who, and the tokens that prove it."""

from toolguard.directory.closure import closure
from toolguard.directory.coverage import Gap, coverage
from toolguard.directory.factors import SecondFactors
from toolguard.directory.file import FileDirectory
from toolguard.directory.model import DirectoryFile, ServiceAccount
from toolguard.directory.tokens import Audience, IssuedToken, TokenEntry, TokenFile

__all__ = [
    "Audience",
    "DirectoryFile",
    "FileDirectory",
    "Gap",
    "IssuedToken",
    "SecondFactors",
    "ServiceAccount",
    "TokenEntry",
    "TokenFile",
    "closure",
    "coverage",
]
