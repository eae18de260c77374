"""Networks and what each is for: specification, start, objective, file."""
