"""Draw a small synthetic data set in MVTec AD layout, to try the toolkit.

Run as `python -m processing.samples DIR`. Each picture is a surface (colour and height)
under one light; a defect changes the surface. Lengths are in image widths.
"""

import argparse
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from .errors import UsageError, UserError

Array = np.ndarray
Rng = np.random.Generator
Surface = tuple[Array, Array, Array]  # colour (h, w, 3), height (h, w), part (h, w)

NOTICEABLE = 12  # grey levels of 255; pixels that change less are not in the mask
OPTIONS = {  # default, least, help
    "seed": (0, 0, "the same seed gives the same files"),
    "train": (60, 0, "good images to train on"),
    "good": (20, 0, "good images to test on"),
    "defects": (8, 0, "test images with each kind of defect"),
    "size": (256, 32, "height and width in pixels"),
}
SPOTS = {  # smallest and largest radius, stretch, unevenness
    "good": (-1, -1, 1, 0),  # nothing lies inside
    "hole": (0.02, 0.036, 1.3, 0.12),
    "missing": (0.06, 0.085, 1.2, 0.1),
    "misweave": (0.045, 0.08, 3.0, 0.1),
    "scratch": (0.0025, 0.0045, 24.0, 0.2),
    "stain": (0.045, 0.08, 1.6, 0.3),
    "tear": (0.016, 0.026, 5.0, 0.15),
}
DEFECTS = {
    "fabric": ("hole", "misweave", "stain", "tear"),
    "washer": ("hole", "missing", "scratch", "stain"),
}


class Sample(NamedTuple):
    """An image, the same image without its defect, and the mask of their difference."""

    image: Array  # (h, w, 3) uint8 RGB
    clean: Array  # (h, w, 3) uint8 RGB
    mask: Array  # (h, w) uint8, 0 or 255


def _mottle(rng: Rng, size: int, cells: int) -> Array:
    """Return smooth noise of shape (size, size), zero mean, blotches 1 / cells wide."""
    coarse = rng.standard_normal((cells, cells), np.float32)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def _pose(rng: Rng, size: int) -> tuple[Array, Array]:
    """Return x, y in [-0.5, 0.5], moved by <= 1 % and turned by <= 1.5 degrees."""
    line = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    right, down, turn = (rng.uniform(-1, 1, 3) * (0.01, 0.01, 0.026)).astype(np.float32)
    x, y = np.meshgrid(line - right, line - down)
    return np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x


def _spot(rng: Rng, x: Array, y: Array, defect: str) -> Array:
    """Return the signed distance to the outline of a defect around (0, 0)."""
    low, high, stretch, rough = SPOTS[defect]
    radius = rng.uniform(low, high)
    turn = np.pi / 2 if defect == "misweave" else rng.uniform(0, np.pi)
    along = np.cos(turn) * x + np.sin(turn) * y
    across = np.cos(turn) * y - np.sin(turn) * x
    across = across - rng.uniform(-1.5, 1.5) * along**2  # bent
    outline = _mottle(rng, len(x), 16) + 0.5 * _mottle(rng, len(x), 48)
    return np.hypot(along / stretch, across) - radius * (1 + rough * outline)


def _inside(distance: Array) -> Array:
    """Return the share of each pixel where distance < 0: an anti-aliased shape."""
    steep = np.hypot(*np.gradient(distance))
    return np.clip(0.5 - distance / np.maximum(steep, 0.3 / len(distance)), 0, 1)


def _blend(below: Array, above: Array | Sequence[float], share: Array) -> Array:
    """Lay `above` over `below`, both (h, w, 3), with an opacity (h, w)."""
    return below + (np.asarray(above, np.float32) - below) * share[..., None]


def _washer(rng: Rng, x: Array, y: Array, spot: Array, defect: str) -> Surface:
    """Draw a toothed steel washer on a dark mat."""
    size, radius, angle = len(x), np.hypot(x, y), np.arctan2(y, x)
    rim = 0.372 + 0.026 * np.tanh(2.5 * np.cos(12 * angle))
    metal = np.maximum(radius - rim, 0.15 - radius)
    if defect in ("hole", "missing"):
        metal = np.maximum(metal, -spot)
    part = _inside(metal)
    mat = 0.17 * (1 + 0.05 * _mottle(rng, size, 64) + 0.06 * _mottle(rng, size, 9))
    step = max(1, round(0.018 * size))
    shadow = cv2.GaussianBlur(np.roll(part, (step, step), (0, 1)), (0, 0), 0.014 * size)
    ground = (mat * (1 - 0.65 * shadow))[..., None] * (0.92, 1, 1.1)
    rings = np.interp(radius, np.linspace(0, 0.75, 190), rng.normal(size=190))
    glint = np.abs(np.cos(angle - 0.7)) ** 6  # a turned face shines in two fans
    tone = 0.58 + 0.02 * rings + 0.17 * glint + 0.012 * _mottle(rng, size, 24)
    bevel = np.clip(-metal / 0.016, 0, 1)
    collar = np.clip((0.205 - radius) / 0.01, 0, 1)  # raised around the bore
    height = 0.013 * (1 - (1 - bevel) ** 2) + 0.005 * collar**2 * (3 - 2 * collar)
    return _blend(ground, tone[..., None] * (0.98, 1, 1.03), part), height, part


def _fabric(rng: Rng, x: Array, y: Array, spot: Array, defect: str) -> Surface:
    """Draw a plain weave with blue warp and pale weft."""
    size, threads = len(x), 2 * max(3, min(12, len(x) // 10))
    u, v = (threads * (w + 1) + 0.07 * _mottle(rng, size, 5) for w in (x, y))
    i, j = np.floor(u).astype(int), np.floor(v).astype(int)  # the thread's number
    a, b = 2 * (u - i) - 1, 2 * (v - j) - 1  # the place in its width, -1 to 1
    warp = 0.8 * np.sqrt(1 - 0.95 * a**2) - 0.35 * np.sin(np.pi * (v + i))
    weft = 0.8 * np.sqrt(1 - 0.95 * b**2) + 0.35 * np.sin(np.pi * (u + j))
    if defect == "misweave":  # the warp dives under the weft
        warp = warp - 0.77 * np.clip(0.5 - threads * spot, 0, 1)
    height, upper = np.maximum(warp, weft), warp > weft
    plies = np.where(upper, np.sin(4 * a + 9 * v), np.sin(4 * b + 9 * u))
    warps, wefts = rng.normal(size=(2, 3 * threads))
    dye = np.where(upper, warps[i], wefts[j])  # no two threads are alike
    tone = 0.62 + 0.38 * height + 0.03 * (dye + plies) + 0.02 * _mottle(rng, size, 12)
    pale = np.full((size, size, 3), (0.66, 0.66, 0.62), np.float32)
    colour = _blend(pale, (0.30, 0.42, 0.54), np.clip(0.5 + 6 * (warp - weft), 0, 1))
    colour, cloth = colour * tone[..., None], np.ones_like(x)
    if defect in ("hole", "tear"):  # each thread breaks where it likes
        cloth = _inside(-spot - 0.006 * dye)
        colour = _blend(0.1 * pale, colour, cloth)
    return colour, 0.35 / threads * height * cloth, cloth


def _surface(scene: Rng, fault: Rng, category: str, defect: str, size: int) -> Surface:
    """Draw a surface; only `fault` decides on the defect."""
    x, y = _pose(scene, size)
    place, reach = fault.uniform(-np.pi, np.pi), fault.uniform(0.21, 0.29)
    draw = _fabric if category == "fabric" else _washer
    if category == "fabric":  # anywhere, not between bore and rim
        reach = fault.uniform(0, 0.38)
    if defect == "missing":  # at a tooth
        place, reach = np.round(place * 6 / np.pi) * np.pi / 6, 0.4
    spot = _spot(fault, x - reach * np.cos(place), y - reach * np.sin(place), defect)
    colour, height, part = draw(scene, x, y, spot, defect)
    if defect == "stain":
        share = part * np.clip(0.5 - spot / fault.uniform(0.025, 0.05), 0, 1) ** 1.5
        cloud = fault.uniform(0.5, 0.8) * (1 + 0.18 * _mottle(fault, size, 56))
        colour = _blend(colour, (0.22, 0.12, 0.06), np.clip(share * cloud, 0, 0.9))
    if defect == "scratch":
        groove = part * np.clip(0.8 - spot * min(size, 300), 0, 1)
        colour = _blend(colour, (0.95, 0.95, 0.97), fault.uniform(0.45, 0.85) * groove)
        height = height - 0.003 * groove
    return colour, height, part


def _photograph(rng: Rng, colour: Array, height: Array) -> Array:
    """Light a surface from the upper left and return the photo, uint8 RGB."""
    down, right = np.gradient(height * len(height))
    lit = (0.8 + 0.45 * right + 0.45 * down) / (0.8 * np.sqrt(1 + right**2 + down**2))
    line = np.linspace(-0.5, 0.5, len(height))
    slope_x, slope_y, gain = rng.normal((0.08, 0.1, 1), (0.02, 0.02, 0.015))
    lamp = gain - (slope_x + 0.12 * line) * line  # a lens darkens the corners
    lamp = lamp - ((slope_y + 0.12 * line) * line)[:, None]
    photo = colour * (lamp * np.clip(0.2 + 0.8 * lit, 0, None))[..., None]
    photo = cv2.GaussianBlur(photo.astype(np.float32), (0, 0), 0.55)
    photo += 0.014 * np.sqrt(photo) * rng.standard_normal(photo.shape, np.float32)
    return np.clip(255 * photo, 0, 255).astype(np.uint8)


def draw_sample(
    category: str, folder: str, index: int, *, seed: int = 0, size: int = 256
) -> Sample:
    """Draw image `index` of a folder such as "test/hole", with and without defect.

    Equal arguments give equal bytes, whatever else is drawn; `size` is in pixels.
    """
    defect = folder.rpartition("/")[2]
    key = (seed, zlib.crc32(f"{category}/{folder}".encode()), index)
    pictures = []
    for flaw in dict.fromkeys((defect, "good")):
        scene, fault, camera = np.random.default_rng(key).spawn(3)
        surface = _surface(scene, fault, category, flaw, size)
        pictures.append(_photograph(camera, *surface[:2]))
    image, clean = pictures[0], pictures[-1]
    changed = (cv2.absdiff(image, clean).max(axis=-1) > NOTICEABLE).astype(np.uint8)
    near = np.ones((size // 20 | 1,) * 2, np.uint8)  # one region, not specks
    return Sample(image, clean, cv2.morphologyEx(255 * changed, cv2.MORPH_CLOSE, near))


def _write_png(path: Path, pixels: Array) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def write_samples(
    root: Path,
    *,
    seed: int = 0,
    train: int = 60,
    good: int = 20,
    defects: int = 8,
    size: int = 256,
    categories: Sequence[str] = ("washer", "fabric"),
) -> list[Path]:
    """Write the categories, names in `DEFECTS`, under `root`; return their folders.

    The numbers are those of `OPTIONS`. Images of the same name are replaced.
    """
    values = (seed, train, good, defects, size)
    for value, (name, (_, least, _)) in zip(values, OPTIONS.items(), strict=True):
        if value < least:
            raise UsageError(f"`{name}` must be >= {least}. Received: {value}")
    if unknown := set(categories) - set(DEFECTS):
        raise UsageError(f"no category {sorted(unknown)}; there are {sorted(DEFECTS)}")
    for category in categories:
        counts = {"train/good": train, "test/good": good}
        counts |= {f"test/{defect}": defects for defect in DEFECTS[category]}
        for folder, index in ((f, i) for f, n in counts.items() for i in range(n)):
            image, _, mask = draw_sample(category, folder, index, seed=seed, size=size)
            path = root / category / folder / f"{index:03d}.png"
            _write_png(path, image[..., ::-1])
            if path.parent.name != "good":
                truth = root / category / "ground_truth" / path.parent.name
                _write_png(truth / f"{path.stem}_mask.png", mask)
    return [root / category for category in categories]


def main(argv: Sequence[str] | None = None) -> int:
    """Write the data set that the command line asks for and print its folders."""
    parser = argparse.ArgumentParser(description="Draw a data set in MVTec AD layout.")
    parser.add_argument("root", metavar="DIR", type=Path, help="the folder to write to")
    for name, (default, _, text) in OPTIONS.items():
        text = f"{text} (default: {default})"
        parser.add_argument(f"--{name}", type=int, default=default, help=text)
    try:
        folders = write_samples(**vars(parser.parse_args(argv)))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    print(*folders, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
