"""What several test modules ask of an engine."""

import math


def mean_loss(engine) -> float:
    """Mean training loss of the steps since the last call; NaN without one."""
    total, count = engine.take_losses()
    return total / count if count else math.nan
