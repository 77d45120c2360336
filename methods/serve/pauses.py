"""How long to wait before something that failed is tried again."""

import random

FIRST, LONGEST = 0.5, 60.0  # seconds between two attempts, from the first to later ones


def pause(attempts: int) -> float:
    """Return how many seconds to wait after some attempts: twice as long each time.

    By chance down to half of that, for several stations not to come at once.
    """
    longest = min(FIRST * 2 ** min(attempts, 20), LONGEST)
    return longest * random.uniform(0.5, 1)
