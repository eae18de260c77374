"""The order in which the numbers of a signal's code are coded, and what of other blocks each may depend on.

All of it is part of the format: with another constant or order, older files can no longer be read.
Next door: `passes` has the orders of images and of their codes; `networks.bands` trains a density along these rounds.
"""

from __future__ import annotations

ROUNDS = (slice(0, None, 16), slice(8, None, 16), slice(4, None, 8), slice(2, None, 4), slice(1, None, 2))
"""The bands of a block that come together, in order."""
PAST = 3  # blocks before that are seen one by one
MEMORIES = (2, 4)  # the share 2**-n that each new block has in the memory of all before
