"""Samples in memory and on disk."""
