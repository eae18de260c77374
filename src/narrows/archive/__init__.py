"""The archive file: names, index, blocks of bytes. No PyTorch here; the codec is handed in."""
