"""``python -m toolguard``."""

from toolguard.cli.main import main

main()
