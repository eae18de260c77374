"""Thin bridges to other libraries, each of which is imported when it is used."""
