"""Just-in-time credentials: a tool has its secret while its call executes, and at no other time."""

from toolguard.credentials.credential import Credential, UnavailableError
from toolguard.credentials.keychain import Keychain
from toolguard.credentials.plain import EnvProvider, FileProvider, KeyringProvider
from toolguard.credentials.scrub import scrub_error
from toolguard.credentials.sources import check_credentials, open_providers

__all__ = [
    "Credential",
    "EnvProvider",
    "FileProvider",
    "Keychain",
    "KeyringProvider",
    "UnavailableError",
    "check_credentials",
    "open_providers",
    "scrub_error",
]
