"""Losses between maps of logits and masks of defects, one value an image."""

from typing import Any

from keras import ops


def focal_loss(masks: Any, logits: Any, gamma: float = 2.0) -> Any:
    """Return the mean focal loss (n,) (Lin et al. 2017, arXiv 1708.02002, eq. 4).

    Pixels that are classified right with confidence count little.

    Args:
        masks: (n, h, w), 1 on a defect, 0 elsewhere.
        logits: (n, h, w), the log odds of a defect.
        gamma: 0 gives the cross-entropy.
    """
    towards = ops.where(masks > 0.5, logits, -logits)
    surprise = ops.softplus(-towards)  # -log p of the truth
    return ops.mean(ops.sigmoid(-towards) ** gamma * surprise, axis=(1, 2))


def dice_loss(masks: Any, logits: Any) -> Any:
    """Return 1 minus the smoothed Dice coefficient (n,) (Milletari et al. 2016).

    A defect counts the same whatever its size. Arguments as in `focal_loss`.
    """
    masks = ops.cast(masks, logits.dtype)
    probabilities = ops.sigmoid(logits)
    both = ops.sum(probabilities * masks, axis=(1, 2))
    total = ops.sum(probabilities, axis=(1, 2)) + ops.sum(masks, axis=(1, 2))
    return 1 - (2 * both + 1) / (total + 1)
