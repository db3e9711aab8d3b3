"""The demonstration: a hospital agent over synthetic patients, guarded, end to end, on one machine."""
