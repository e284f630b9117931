"""CARRY: the only room that knows the other two."""
