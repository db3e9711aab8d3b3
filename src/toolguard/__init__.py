"""toolguard: the guard between a model and its tools."""
