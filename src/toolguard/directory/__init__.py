"""The directory: who is who, and the tokens that prove it."""

from toolguard.directory.factors import SecondFactors
from toolguard.directory.file import FileDirectory
from toolguard.directory.model import DirectoryFile, ServiceAccount
from toolguard.directory.tokens import Audience, IssuedToken, TokenEntry, TokenFile

__all__ = ["Audience", "DirectoryFile", "FileDirectory", "IssuedToken", "SecondFactors", "ServiceAccount", "TokenEntry", "TokenFile"]
