"""How samples are damaged, `clean -> observed`, and what a network that restores them has to know."""
