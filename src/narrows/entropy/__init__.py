"""Probabilities as integers, and integers as bytes: nothing in floats decides what a file says."""
