"""Encoders and decoders, where they begin, and the files that hold them."""
