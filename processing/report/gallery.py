"""Pictures of judged images for the report: image, anomaly map, mask, ground truth."""

import base64
import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from processing.decision.regions import AreaCurve
from processing.decoding.decode import resize
from processing.errors import UserError
from processing.files import temporary_path

from .operating import Operating, Point

LARGEST = 640  # pixels, the longer side of a picture
THUMBNAIL = 256  # pixels, the longer side of a thumbnail
OWN_THUMBNAIL = 384  # up to this many pixels a picture is its own thumbnail
EMBEDDED = 14_000_000  # bytes of pictures and maps that a report holds, as base64
FOLDER = "report_files"
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 80]
MASK_COLOUR = (255, 96, 0)
TRUTH_COLOUR = (0, 214, 170)
OVERLAY = 512  # pixels, the longer side of drawn regions
OUTLINE, THIN = 4, 1  # pixels of `OVERLAY`; thin: regions that do not count
INSIDE = 80  # opacity of 255 inside a region, whose outline is opaque
_SUFFIXES = {
    "image": "jpg",
    "thumbnail": "jpg",
    "map": "jpg",
    "mask": "png",
    "truth": "png",
}
_TYPES = {"jpg": "image/jpeg", "png": "image/png"}

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Drawn = tuple[dict[str, bytes], Point | None]  # pictures as files, and for sliders


@dataclass(frozen=True)
class ColourScale:
    """The colours of all maps of a report: `low` is black, `high` is light yellow."""

    low: float
    threshold: float
    high: float

    @classmethod
    def around(cls, threshold: float, typical: float | None) -> "ColourScale":
        """Return the scale with the threshold in its middle.

        It starts at `typical`, a value that good images have in most places. Without
        one, or with one that is not below the threshold, it starts at 0.
        """
        span = threshold - (threshold if typical is None else typical)
        if span <= 0:
            span = abs(threshold) or 1.0
        return cls(threshold - span, threshold, threshold + span)

    def paint(self, anomaly_map: npt.NDArray) -> Pixels:
        """Return a map (h, w) in colours, BGR (h, w, 3)."""
        return coloured(self.steps(anomaly_map))

    def steps(self, anomaly_map: npt.NDArray) -> Pixels:
        """Return where on the scale a map (h, w) is: 0 at `low`, 255 at `high`."""
        share = (anomaly_map - self.low) / (self.high - self.low)
        return np.asarray(np.rint(255 * np.clip(share, 0, 1)), np.uint8)


def coloured(steps: Pixels) -> Pixels:
    """Return steps of a `ColourScale`, (h, w), in its colours, BGR (h, w, 3)."""
    return np.asarray(cv2.applyColorMap(steps, cv2.COLORMAP_INFERNO), np.uint8)


class Gallery:
    """The pictures of one report: held in memory while they are few, else on disk.

    `add` each image in order, or `take` what was `drawn` elsewhere; then read `urls`:
    what to put into an <img>, a data URI or a path relative to `folder`. A gallery is a
    context manager; the folder of pictures appears, or an older one disappears, when
    its block ends without an error.

    Args:
        folder: where the report will be.
        scale: of the maps.
        embedded: bytes of pictures and small maps to put into the report at most, as
            base64; pictures of more images become files.
        min_area: of the decision, to judge at other thresholds and areas, too; None
            where that is not possible, as borders are cleared.
    """

    def __init__(
        self,
        folder: Path,
        scale: ColourScale,
        embedded: int = EMBEDDED,
        min_area: int | None = None,
    ):
        self.folder = folder
        self.scale = scale
        self.embedded = embedded
        self.operating = Operating(min_area) if min_area else None
        self.urls: list[dict[str, str]] = []
        self._held: list[dict[str, bytes]] = []
        self._bytes = 0
        self._temporary = temporary_path(folder, FOLDER)

    def add(
        self,
        image: Pixels,
        anomaly_map: npt.NDArray,
        mask: Mask,
        truth: Mask | None = None,
        curve: AreaCurve | None = None,
    ) -> None:
        """Draw the pictures of one image, and take them; see `drawn`."""
        self.take(self.drawn(image, anomaly_map, mask, truth, curve))

    def drawn(
        self,
        image: Pixels,
        anomaly_map: npt.NDArray,
        mask: Mask,
        truth: Mask | None = None,
        curve: AreaCurve | None = None,
    ) -> Drawn:
        """Return the pictures of one image, in any thread.

        Args:
            image: RGB (H, W, 3), at its own size.
            anomaly_map: (h, w) as the decision sees it.
            mask: (h, w) decided.
            truth: ground truth mask, of any size, or None.
            curve: of the map, if it is known.
        """
        shape = image.shape[0], image.shape[1]
        page = self.operating
        point = page.of(anomaly_map, shape, curve) if page else None
        dropped = (anomaly_map > self.scale.threshold) & ~mask
        return draw(image, self.scale.paint(anomaly_map), mask, dropped, truth), point

    def take(self, drawn: Drawn) -> None:
        """Put in the pictures of the next image."""
        pictures, point = drawn
        if self.operating and point:
            self.operating.take(point)
        self._bytes += sum(4 * (len(data) + 2) // 3 for data in pictures.values())
        self._held.append(pictures)
        maps = self.operating.bytes if self.operating else 0
        if self._bytes + maps > self.embedded:
            self._spill()

    def __enter__(self) -> "Gallery":
        # What a kill left of an earlier version, which gave it this name.
        shutil.rmtree(self.folder / f".{FOLDER}", ignore_errors=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        final = self.folder / FOLDER
        try:
            if kind is None:
                self.urls += [
                    {kind: _data_uri(kind, data) for kind, data in pictures.items()}
                    for pictures in self._held
                ]
                shutil.rmtree(final, ignore_errors=True)
                if self._temporary.exists():
                    self._temporary.replace(final)
        except OSError as failure:
            raise UserError(f"cannot write {final}: {failure.strerror}") from failure
        finally:
            self._held.clear()
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _spill(self) -> None:
        """Write what is held to disk."""
        try:
            self._temporary.mkdir(parents=True, exist_ok=True)
            for pictures in self._held:
                self.urls.append(self._write(pictures, len(self.urls)))
        except OSError as failure:
            raise UserError(
                f"cannot write {self.folder / FOLDER}: {failure.strerror}"
            ) from failure
        self._held.clear()

    def _write(self, pictures: Mapping[str, bytes], number: int) -> dict[str, str]:
        urls = {}
        for kind, data in pictures.items():
            (self._temporary / kind).mkdir(exist_ok=True)
            file = f"{kind}/{number:06d}.{_SUFFIXES[kind]}"
            (self._temporary / file).write_bytes(data)
            urls[kind] = f"{FOLDER}/{file}"
        return urls


def draw(
    image: Pixels, painted: Pixels, mask: Mask, dropped: Mask, truth: Mask | None
) -> dict[str, bytes]:
    """Return the pictures of one image as files, by kind.

    "image" and "map", "thumbnail" unless the image is small, and "mask" and "truth",
    transparent but for their regions, unless they are empty.

    Args:
        image: RGB (H, W, 3), at its own size.
        painted: its anomaly map in colours, BGR (h, w, 3).
        mask: (h, w) decided.
        dropped: (h, w) regions that do not count; only their outlines are drawn.
        truth: ground truth mask, of any size, or None.
    """
    shape = (image.shape[0], image.shape[1])
    size = scaled(shape, min(LARGEST, max(shape)))
    image = resize(image, *size)[..., ::-1]
    # Maps are as long as they were computed, in the proportions of their image.
    like_image = scaled(shape, min(LARGEST, max(painted.shape[:2])))
    pictures = {"image": _jpeg(image), "map": _jpeg(resized(painted, like_image))}
    if max(size) > OWN_THUMBNAIL:
        pictures["thumbnail"] = _jpeg(resized(image, scaled(shape, THUMBNAIL)))
    drawn = scaled(shape, OVERLAY)
    if mask.any() or dropped.any():
        pictures["mask"] = _overlay(mask, drawn, MASK_COLOUR, dropped)
    if truth is not None and truth.any():
        pictures["truth"] = _overlay(truth, drawn, TRUTH_COLOUR)
    return pictures


def scaled(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Return (h, w) in the same proportions, its longer side `longest`."""
    factor = longest / max(size)
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def resized(pixels: npt.NDArray, size: tuple[int, int]) -> npt.NDArray:
    """Return an image (H, W, c) at another (h, w), for display."""
    smaller = size[0] < pixels.shape[0] or size[1] < pixels.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, size[::-1], interpolation=how))


def _jpeg(pixels: Pixels) -> bytes:
    return cv2.imencode(".jpg", pixels, QUALITY)[1].tobytes()


def _overlay(
    regions: Mask,
    size: tuple[int, int],
    colour: tuple[int, int, int],
    dropped: Mask | None = None,
) -> bytes:
    """Return regions as a transparent PNG of three colours: none, inside, outline.

    Pillow, since OpenCV writes no palettes: a quarter of the time, a third of the size.
    """
    indices = _regions_at(regions, size)
    _outline(indices, indices.copy(), OUTLINE)
    if dropped is not None:
        _outline(indices, _regions_at(dropped, size), THIN)
    picture = Image.fromarray(indices)
    picture.putpalette([0, 0, 0, *colour, *colour])
    file = io.BytesIO()
    picture.save(file, "PNG", transparency=bytes([0, INSIDE, 255]))
    return file.getvalue()


def _outline(indices: Pixels, regions: Pixels, width: int) -> None:
    """Draw the outlines of regions (h, w) into `indices`."""
    outlines, _ = cv2.findContours(regions, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(indices, outlines, -1, (2,), width)


def _regions_at(regions: Mask, size: tuple[int, int]) -> Pixels:
    """Return regions at another (h, w) as 0 and 1; none is too small to be left."""
    smaller = size[0] < regions.shape[0] or size[1] < regions.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_NEAREST_EXACT
    shares = regions.astype("float32")
    return (cv2.resize(shares, size[::-1], interpolation=how) > 0).astype("uint8")


def _data_uri(kind: str, data: bytes) -> str:
    text = base64.b64encode(data).decode("ascii")
    return f"data:{_TYPES[_SUFFIXES[kind]]};base64,{text}"
