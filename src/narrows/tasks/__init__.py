"""What people ask for, for the command line and for Python alike."""
