"""Damaged samples restored: images of any size in bounded memory, arrays, tables."""
