"""Files to arrays and back, with what belongs to them. No PyTorch here."""
