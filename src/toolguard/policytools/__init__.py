"""Tools for who writes policies: cases beside a policy, lint, replay of what was recorded, what a change changes.

Nothing here is part of a guarded call. Modules are imported by name, so that a plugin costs only what it uses.
"""
