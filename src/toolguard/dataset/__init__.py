"""Data sets: mask whole files, in parallel, with the same result in any order and after any interruption."""
