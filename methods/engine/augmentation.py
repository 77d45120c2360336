"""Small random shifts, rotations and brightness changes of good images."""

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_anomaly")
class Augmentation(keras.layers.Layer):
    """Rotate, shift and brighten each image a little; identity at inference.

    Args:
        rotation: largest angle, in degrees, either way.
        shift: largest shift, as a share of each side, either way.
        brightness: largest relative change of all pixels, either way.
        seed: integer.

    Takes and returns images in [0, 1], shape (n, h, w, c). What comes into view at
    the border repeats the edge pixels.
    """

    def __init__(
        self,
        rotation: float = 5.0,
        shift: float = 0.05,
        brightness: float = 0.05,
        *,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.rotation = rotation
        self.shift = shift
        self.brightness = brightness
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images: Any, training: bool = False) -> Any:
        """Return the images, changed at random where `training`."""
        if not training:
            return images
        draws = keras.random.uniform(
            (ops.shape(images)[0], 4), -1, 1, seed=self.generator
        )
        moved = ops.image.affine_transform(
            images, self._transforms(draws, images.shape[1:3]), fill_mode="nearest"
        )
        factors = 1 + self.brightness * draws[:, 3]
        return ops.clip(moved * factors[:, None, None, None], 0, 1)

    def _transforms(self, draws: Any, sides: Any) -> Any:
        """Return (n, 8) maps from output to input coordinates about the centre."""
        angles = draws[:, 0] * (self.rotation * math.pi / 180)
        middle_y, middle_x = ((side - 1) / 2 for side in sides)
        cos, sin = ops.cos(angles), ops.sin(angles)
        shift_x = middle_x + draws[:, 1] * self.shift * sides[1]
        shift_y = middle_y + draws[:, 2] * self.shift * sides[0]
        offset_x = shift_x - cos * middle_x + sin * middle_y
        offset_y = shift_y - sin * middle_x - cos * middle_y
        zero = ops.zeros_like(cos)
        rows = [cos, -sin, offset_x, sin, cos, offset_y, zero, zero]
        return ops.stack(rows, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "rotation": self.rotation,
            "shift": self.shift,
            "brightness": self.brightness,
            "seed": self.seed,
        }
