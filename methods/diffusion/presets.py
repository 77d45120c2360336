"""Named sizes of the UNet, to be had without importing Keras."""

from typing import TYPE_CHECKING, Any

from processing.errors import UsageError

if TYPE_CHECKING:
    from .unet import Architecture

# What each preset fixes, as arguments of `Architecture`; multipliers that are left out
# follow from the size of the images.
PRESETS: dict[str, dict] = {
    "ddad": {"base": 64, "heads": 4},
    # 32 groups, as in the original, would leave its first level without the time.
    "ddad-s": {"base": 32, "heads": 2, "dropout": 0.3, "groups": 8},
    "anoddpm": {"base": 128, "heads": 2},
    "small": {
        "base": 32,
        "multipliers": (1, 2, 4),
        "attention": (8,),
        "blocks": 1,
        "patch": 2,
        "groups": 8,
    },
    "tiny": {
        "base": 8,
        "multipliers": (1,),
        "attention": (8,),
        "heads": 2,
        "blocks": 1,
        "patch": 4,
        "groups": 2,
    },
}
# By the longest side of the images, in pixels; the deepest maps stay at 4 to 8 values.
MULTIPLIERS = {
    64: (1, 2, 3, 4),
    128: (1, 1, 2, 3, 4),
    256: (1, 1, 2, 2, 4, 4),
    512: (1, 1, 1, 2, 2, 4, 4),
}


def architecture(preset: str, image_shape: tuple[int, int, int]) -> "Architecture":
    """Return the architecture of a preset for images (h, w, c).

    The original's multipliers for 512 pixels begin with a half, which gives widths that
    do not fit together; the line-clearance fork's stand here.
    """
    from .unet import Architecture

    return Architecture(**arguments(preset, image_shape))


def arguments(preset: str, image_shape: tuple[int, int, int]) -> dict[str, Any]:
    """Return the arguments of the `Architecture` of a preset."""
    if preset not in PRESETS:
        raise UsageError(
            f"unknown preset {preset!r}: expected one of {', '.join(sorted(PRESETS))}"
        )
    side = max(image_shape[:2])
    known = [largest for largest in MULTIPLIERS if side <= largest]
    multipliers = MULTIPLIERS[known[0] if known else max(MULTIPLIERS)]
    return {"multipliers": multipliers, **PRESETS[preset]}
