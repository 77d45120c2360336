"""The kinds of synthetic defects, each a function of an image and a source."""

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from .outlines import Array, Mask, Outline, Rng, draw_outline, perlin
from .pasting import cloned, merge, moved, recoloured

Defect = tuple[Array, Mask]  # the changed image, and where it is changed


def cut_paste(image: Array, source: Array, rng: Rng, foreground: Mask) -> Defect:
    """Paste a patch of the source elsewhere (CutPaste, Li et al. 2021, sec. 2.2).

    The paper's rectangles take 2 to 15 % of the image; these are of any form, from
    0.5 % on.
    """
    side = math.sqrt(_between(rng, 0.005, 0.15) * foreground.size)
    aspect = math.sqrt(_between(rng, 0.3, 3.3))
    outline = Outline(
        (side * aspect / 2, side / aspect / 2),
        turn=rng.integers(2) * rng.uniform(0, math.pi),
        square=float(rng.integers(2)),
        rough=rng.integers(2) * rng.uniform(0, 1),
    )
    return _paste(image, source, rng, foreground, outline)


def scar(image: Array, source: Array, rng: Rng, foreground: Mask) -> Defect:
    """Paste a thin strip, 2-16 x 10-25 pixels at 256 (CutPaste, sec. 2.2)."""
    unit = min(foreground.shape) / 512
    radii = max(2, unit * rng.uniform(10, 25)), max(1, unit * rng.uniform(2, 16))
    turn = math.radians(rng.uniform(45, 135))
    outline = Outline(radii, turn, square=float(rng.integers(2)))
    return _paste(image, source, rng, foreground, outline)


def _paste(
    image: Array, source: Array, rng: Rng, foreground: Mask, outline: Outline
) -> Defect:
    share, centre = draw_outline(rng, foreground, outline)
    return merge(image, recoloured(moved(source, rng, foreground, centre), rng), share)


def poisson(image: Array, source: Array, rng: Rng, foreground: Mask) -> Defect:
    """Blend a patch in by Poisson's equation (NSA, Schlüter et al. 2022)."""
    height, width = foreground.shape
    scale = rng.uniform(0.7, 1.3)
    across, down = (scale * min(0.03 + rng.gamma(2, 0.05), 0.25) for _ in range(2))
    outline = Outline(
        (max(5, across * width), max(5, down * height)), square=rng.uniform(0, 1)
    )
    share, centre = draw_outline(rng, foreground, outline)
    patch = moved(source, rng, foreground, centre, scale)
    mode = int(rng.choice((cv2.NORMAL_CLONE, cv2.MIXED_CLONE)))
    return merge(image, cloned(image, patch, share > 0.5, mode), share > 0.5)


def texture(image: Array, source: Array, rng: Rng, foreground: Mask) -> Defect:
    """Lay a foreign texture over, shaped by Perlin noise (DRAEM, Zavrtanik 2021).

    It is the source, turned, scaled and recoloured, or noise; 10 to 100 % opaque.
    """
    side = math.sqrt(_between(rng, 0.001, 0.03) * foreground.size)
    outline = Outline(
        (side, side), rough=rng.uniform(1, 3), cells=2 ** int(rng.integers(2, 6))
    )
    share, centre = draw_outline(rng, foreground, outline)
    foreign: NDArray[np.floating]
    if rng.random() < 0.5:
        foreign = _foreign(source, rng, foreground, centre)
    else:
        low, high = _colour(rng, image), _colour(rng, image)
        octaves = [perlin(rng, share.shape, 2**k) / (k - 2) for k in range(3, 7)]
        cloud = np.clip(0.5 + np.sum(octaves, axis=0), 0, 1)
        foreign = low + (high - low) * cloud[..., None]
    return merge(image, foreign, share * rng.uniform(0.1, 1))


def _foreign(
    source: Array, rng: Rng, foreground: Mask, centre: tuple[int, int]
) -> Array:
    """Return the source, turned, scaled and recoloured beyond recognition."""
    scale, turn = rng.uniform(0.5, 2), rng.uniform(0, 2 * math.pi)
    pixels = moved(source, rng, foreground, centre, scale, turn)
    pixels = rng.permutation(pixels, axis=-1)
    pixels = np.power(pixels, _between(rng, 0.4, 2.5), dtype=np.float32)
    return pixels if rng.random() < 0.5 else 1 - pixels


def bend(image: Array, source: Array, rng: Rng, foreground: Mask) -> Defect:
    """Bend the surface elastically."""
    side = min(foreground.shape)
    radius, stretch = side * _between(rng, 0.04, 0.2), _between(rng, 1, 2)
    outline = Outline(
        (radius * stretch, radius),
        turn=rng.uniform(0, math.pi),
        rough=0.5,
        soft=radius,
    )
    share, _ = draw_outline(rng, foreground, outline)
    cells = max(2, round(rng.uniform(0.3, 1) * side / radius))
    far = radius * rng.uniform(0.3, 1) * share
    y, x = np.indices(share.shape, np.float32)
    x, y = (line + far * perlin(rng, share.shape, cells) for line in (x, y))
    bent = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return merge(image, bent.reshape(image.shape), share > 0)


def blur(image: Array, source: Array, rng: Rng, foreground: Mask) -> Defect:
    """Wipe the details away."""
    side = min(foreground.shape)
    outline = Outline(
        (side * _between(rng, 0.03, 0.2), side * _between(rng, 0.03, 0.2)),
        turn=rng.uniform(0, math.pi),
        rough=0.3,
        soft=side * _between(rng, 0.01, 0.1),
    )
    share, _ = draw_outline(rng, foreground, outline)
    wiped = cv2.GaussianBlur(image, (0, 0), max(1, side * _between(rng, 0.006, 0.02)))
    return merge(image, wiped.reshape(image.shape), share)


def stain(image: Array, source: Array, rng: Rng, foreground: Mask) -> Defect:
    """Colour a blot, a speck or a scratch, dark or bright."""
    size = math.sqrt(_between(rng, 0.0002, 0.01) * foreground.size)
    stretch = math.sqrt(_between(rng, 1, 30))
    outline = Outline(
        (max(1, size * stretch), max(1, size / stretch)),
        turn=rng.uniform(0, math.pi),
        bow=rng.uniform(-0.5, 0.5),
        rough=rng.uniform(0, 0.8),
        soft=_between(rng, 1, max(2, size / stretch)),
    )
    share, _ = draw_outline(rng, foreground, outline)
    cloud = rng.uniform(0.15, 0.9) * (1 + 0.5 * perlin(rng, share.shape, 32))
    return merge(image, _colour(rng, image), share * np.clip(cloud, 0, 1))


def _colour(rng: Rng, image: Array) -> Array:
    """Draw any brightness with a slight, seldom a strong hue."""
    hue = rng.uniform(-1, 1, image.shape[-1]) * _between(rng, 0.02, 0.5)
    return np.clip(rng.uniform(0, 1) + hue, 0, 1).astype(np.float32)


def _between(rng: Rng, low: float, high: float) -> float:
    """Draw from a range in which every ratio is equally likely."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def blocks(image: Array, source: Array, rng: Rng, foreground: Mask) -> Defect:
    """Mask some squares of a grid with a colour (RIAD, Zavrtanik 2021)."""
    height, width = foreground.shape
    side = max(2, round(min(height, width) * _between(rng, 1 / 32, 1 / 6)))
    cells = rng.random((-(-height // side), -(-width // side)))
    chosen = cells < rng.uniform(0.05, 0.35)
    share = np.repeat(np.repeat(chosen, side, 0), side, 1)[:height, :width]
    return merge(image, _colour(rng, image), share & foreground)


KINDS: dict[str, Callable[[Array, Array, Rng, Mask], Defect]] = {
    "bend": bend,
    "blur": blur,
    "cut-paste": cut_paste,
    "poisson": poisson,
    "scar": scar,
    "stain": stain,
    "texture": texture,
}
CORRUPTIONS = {**KINDS, "blocks": blocks}  # what no defect looks like, too
