"""Medical images: the slices of NIfTI volumes and the frames of DICOM files.

A slice goes by the path of its file with its number: `scan.nii.gz#012`. The packages
nibabel and pydicom are imported when a file needs them.
"""

import importlib
import re
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processing.errors import UserError

from .integrity import unreadable

NIFTI = (".nii", ".nii.gz")
SUFFIXES = (*NIFTI, ".dcm")
TAILS = (0.5, 99.5)  # percentiles that become black and white without a window

_SLICE = re.compile(r"(.+(?:\.nii|\.nii\.gz|\.dcm))#(\d+)", re.IGNORECASE)
_loading = threading.Lock()


def is_medical(path: Path) -> bool:
    """Return whether a path is that of a medical file, or of a slice of one."""
    return file_of(path).name.lower().endswith(SUFFIXES)


def slices(path: Path) -> list[Path]:
    """Return the paths of all slices of a file; of any other file, itself.

    Only the header is read. The slices of a NIfTI volume are axial, from below.
    """
    if not is_medical(path):
        return [path]
    count = _header(path)[0]
    if count == 1:
        return [path]
    digits = max(3, len(str(count - 1)))
    return [path.with_name(f"{path.name}#{i:0{digits}}") for i in range(count)]


def slice_size(path: Path) -> tuple[int, int]:
    """Return the (h, w) of a slice, from the header alone."""
    return _header(file_of(path))[1:]


def read_slice(
    path: Path, span: tuple[float, float] | None = None
) -> NDArray[np.float32]:
    """Return a slice as float32 (h, w) in [0, 1].

    A NIfTI slice is seen from below, its front on top, the left of the patient left.

    Args:
        path: of a slice, or of a file with a single one.
        span: stored values, after a file's slope and intercept, that become 0 and 1.
            Default: the window of a DICOM file; else the percentiles `TAILS` of the
            whole file.
    """
    file, index = _split(path)
    volume, window, inverted = _volume(file)
    low, high = span or window
    scaled = (volume[index].astype(np.float32) - low) / max(high - low, 1e-6)
    pixels = np.clip(scaled, 0, 1).astype(np.float32)
    return 1 - pixels if inverted else pixels


def read_labels(path: Path) -> NDArray[np.bool_]:
    """Return where a slice (h, w) of a volume of labels is above 0."""
    file, index = _split(path)
    return np.asarray(_volume(file)[0][index] > 0)


def file_of(path: Path) -> Path:
    """Return the file that a slice lies in; of any other path, itself."""
    return _split(path)[0]


def _split(path: Path) -> tuple[Path, int]:
    match = _SLICE.fullmatch(path.name)
    if not match:
        return path, 0
    return path.with_name(match[1]), int(match[2])


def _package(name: str, path: Path) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"{path} needs the package {name}: pip install 'keras-anomaly[medical]'"
        ) from error


def _is_nifti(path: Path) -> bool:
    return path.name.lower().endswith(NIFTI)


def _header(path: Path) -> tuple[int, int, int]:
    """Return the number of slices of a file, and their height and width."""
    if _is_nifti(path):
        image, orientation = _nifti(path)
        shape = [0, 0, 0]
        for axis, length in enumerate(image.shape):
            shape[int(orientation[axis, 0])] = length
        return shape[2], shape[1], shape[0]
    data = _dicom(path, stop_before_pixels=True)
    return int(data.get("NumberOfFrames") or 1), int(data.Rows), int(data.Columns)


def _volume(path: Path) -> tuple[NDArray[Any], tuple[float, float], bool]:
    """Return the slices (n, h, w) of a file, its window, and whether 0 is white."""
    with _loading:  # several threads ask for the slices of one volume
        return _load(path, path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=2)  # where one volume ends, the next has begun
def _load(path: Path, _: int) -> tuple[NDArray[Any], tuple[float, float], bool]:
    if _is_nifti(path):
        volume = _nifti_volume(path)
        return volume, _tails(volume), False
    data = _dicom(path, stop_before_pixels=False)
    try:
        pixels = data.pixel_array.reshape(-1, data.Rows, data.Columns)
    except (AttributeError, RuntimeError, ValueError, NotImplementedError) as error:
        raise unreadable(path, error) from error
    slope, intercept = data.get("RescaleSlope", 1), data.get("RescaleIntercept", 0)
    volume = pixels * np.float32(slope) + np.float32(intercept)
    inverted = data.get("PhotometricInterpretation") == "MONOCHROME1"
    return volume, _window(data) or _tails(volume), inverted


def _tails(volume: NDArray[Any]) -> tuple[float, float]:
    low, high = np.percentile(volume, TAILS)
    return float(low), float(high)


def _nifti(path: Path) -> tuple[Any, NDArray[np.float64]]:
    """Return a volume without its data, and which axes point where."""
    nibabel = _package("nibabel", path)
    try:
        image = nibabel.load(path)
        if len(image.shape) != 3:
            raise ValueError(f"expected 3 dimensions, found {len(image.shape)}")
        return image, nibabel.io_orientation(image.affine)
    except (nibabel.filebasedimages.ImageFileError, OSError, ValueError) as error:
        raise unreadable(path, error) from error


def _nifti_volume(path: Path) -> NDArray[Any]:
    """Return the axial slices (n, h, w) of a volume."""
    image, orientation = _nifti(path)
    try:
        array = np.asanyarray(image.dataobj)
    except (OSError, EOFError, ValueError) as error:
        raise unreadable(path, error) from error
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    array = _package("nibabel", path).apply_orientation(array, orientation)
    return np.rot90(array).transpose(2, 0, 1)  # (x, y, z) to (y, x, z), front first


def _dicom(path: Path, stop_before_pixels: bool) -> Any:
    pydicom = _package("pydicom", path)
    try:
        data = pydicom.dcmread(path, stop_before_pixels=stop_before_pixels)
    except (pydicom.errors.InvalidDicomError, OSError, EOFError) as error:
        raise unreadable(path, error) from error
    if int(data.get("SamplesPerPixel") or 0) != 1:
        raise unreadable(path, "expected grey pixels, one sample a pixel")
    return data


def _window(data: Any) -> tuple[float, float] | None:
    """Return the first window of a DICOM file as lowest and highest value."""
    centre, width = data.get("WindowCenter"), data.get("WindowWidth")
    if centre is None or width is None:
        return None
    centre, width = (float(np.ravel(value)[0]) for value in (centre, width))
    return centre - width / 2, centre + width / 2
