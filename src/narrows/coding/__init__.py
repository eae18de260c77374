"""From integers to bytes and back: tables of integers, the coder, networks in exact integers."""
