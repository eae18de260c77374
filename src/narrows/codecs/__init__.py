"""Arrays to the bytes of a block and back."""
