"""References: arguments that point at content elsewhere, bound to that content by a keyed digest."""

from toolguard.references.contents import Contents, open_readers
from toolguard.references.file import FileReader
from toolguard.references.names import names_of

__all__ = ["Contents", "FileReader", "names_of", "open_readers"]
