"""What all architectures share: shape checks and the output layer."""

from keras import layers


class ShapeError(ValueError):
    """The image shape or the code size does not suit the network."""


def grid_of(name: str, image_shape: tuple, factor: int) -> tuple[int, int]:
    """Return (h / factor, w / factor), or raise `ShapeError` if it is not whole."""
    height, width, _ = image_shape
    if min(height, width) < factor or height % factor or width % factor:
        raise ShapeError(
            f"{name} needs image sides that are multiples of {factor} pixels. "
            f"Received: {height}x{width}"
        )
    return height // factor, width // factor


def values_per_cell(name: str, latent: int | None, grid: tuple, default: int) -> int:
    """Return how many of the `latent` values of the code each grid cell holds.

    `latent=None` gives `default`. Raises `ShapeError` unless the cells share the
    values evenly.
    """
    cells = grid[0] * grid[1]
    if latent is None:
        return default
    if latent < cells or latent % cells:
        raise ShapeError(
            f"{name} needs a latent size that is a multiple of {cells} (its code has "
            f"{grid[0]}x{grid[1]} cells at this image size). Received: {latent}"
        )
    return latent // cells


def sigmoid_output(x):
    """Squash to [0, 1] in float32, whatever the compute precision."""
    return layers.Activation("sigmoid", dtype="float32", name="reconstruction")(x)
