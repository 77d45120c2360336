"""Named settings of PaDiM's features, to be had without importing Keras."""

from typing import NamedTuple

from processing.errors import UsageError


class Preset(NamedTuple):
    """How features are made comparable before a Gaussian is fitted to them.

    Attributes:
        strides: lowest and highest of the levels taken by default.
        stride: of the grid of positions, at least; finer levels are averaged.
        levelled: whether the features of each level are brought to a mean square of 1
            and little contrast, and equally many channels of each are kept; or else
            features stay as they are, and channels are drawn from all levels together.
        epsilon: added to all variances.
    """

    strides: tuple[int, int]
    stride: int
    levelled: bool
    epsilon: float


PRESETS = {
    "levelled": Preset((4, 32), 8, True, 0.1),
    "paper": Preset((4, 16), 1, False, 0.01),
}


def preset(name: str) -> Preset:
    """Return a preset by name; `UsageError` for one that is not PaDiM's."""
    if name not in PRESETS:
        raise UsageError(
            f"unknown preset {name!r}: expected one of {', '.join(PRESETS)}"
        )
    return PRESETS[name]
