"""Medical images: the slices of NIfTI volumes and the frames of DICOM files.

A slice goes by the path of its file with its number: `scan.nii.gz#012`. The packages
nibabel and pydicom are imported when a file needs them.
"""

import gzip
import importlib
import math
import re
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from processing.errors import UserError

from .integrity import naming_file, unreadable
from .limits import check_deflated, check_inflated, check_volume

NIFTI = (".nii", ".nii.gz")
SUFFIXES = (*NIFTI, ".dcm")
TAILS = (0.5, 99.5)  # percentiles that become black and white without a window

_SLICE = re.compile(r"(.+(?:\.nii|\.nii\.gz|\.dcm))#(\d+)", re.IGNORECASE)
_loading = threading.Lock()

View = Callable[[NDArray[Any]], NDArray[Any]]  # values to shades, 0 black and 1 white


class _Volume(NamedTuple):
    """The slices of a file, and how each is shown.

    Attributes:
        values: (n, h, w), after slope and intercept; not finite where there are none.
        bounds: lowest and highest finite value.
        views: one for each slice.
        inverted: whether low values are white.
    """

    values: NDArray[Any]
    bounds: tuple[float, float]
    views: list[View]
    inverted: bool


def is_medical(path: Path) -> bool:
    """Return whether a path is that of a medical file, or of a slice of one."""
    return file_of(path).name.lower().endswith(SUFFIXES)


def slices(path: Path) -> list[Path]:
    """Return the paths of all slices of a file; of any other file, itself.

    Only the header is read. The slices of a NIfTI volume are axial, from below. A file
    that cannot be read stays one path: reading that says why.
    """
    if not is_medical(path):
        return [path]
    _package(path)
    try:
        count = _header(path)[0]
    except UserError:
        count = 1
    if count == 1:
        return [path]
    digits = max(3, len(str(count - 1)))
    return [path.with_name(f"{path.name}#{i:0{digits}}") for i in range(count)]


@naming_file
def slice_size(path: Path) -> tuple[int, int]:
    """Return the (h, w) of a slice, from the header alone."""
    return _header(file_of(path))[1:]


@naming_file
def read_slice(
    path: Path, span: tuple[float, float] | None = None
) -> NDArray[np.float32]:
    """Return a slice as float32 (h, w) in [0, 1].

    A NIfTI slice is seen from below, its front on top, the left of the patient left.
    NaN and minus infinity are the lowest finite value of the file, infinity is the
    highest. The padding of a DICOM file is black.

    Args:
        path: of a slice, or of a file with a single one.
        span: stored values, after a file's slope and intercept (or its modality lookup
            table), that become 0 and 1. Default: the first window or VOI lookup table
            of a DICOM file; else the percentiles `TAILS` of the whole file. A frame of
            an enhanced DICOM file has its own ones, or those that the frames share.
    """
    file, index = _split(path)
    volume = _volume(file)
    view = _linear(*span) if span else volume.views[index]
    shades = view(_filled(volume.values[index], volume.bounds, volume.inverted))
    pixels = np.clip(shades, 0, 1).astype(np.float32)
    return 1 - pixels if volume.inverted else pixels


@naming_file
def read_labels(path: Path) -> NDArray[np.bool_]:
    """Return where a slice (h, w) of a volume of labels is above 0."""
    file, index = _split(path)
    return np.asarray(_volume(file).values[index] > 0)


def file_of(path: Path) -> Path:
    """Return the file that a slice lies in; of any other path, itself."""
    return _split(path)[0]


def _split(path: Path) -> tuple[Path, int]:
    match = _SLICE.fullmatch(path.name)
    if not match:
        return path, 0
    return path.with_name(match[1]), int(match[2])


def _package(path: Path) -> Any:
    """Return the package that reads a file."""
    name = "nibabel" if _is_nifti(path) else "pydicom"
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"{path} needs the package {name}: pip install 'keras-anomaly[medical]'"
        ) from error


def _is_nifti(path: Path) -> bool:
    return path.name.lower().endswith(NIFTI)


@naming_file
def _header(path: Path) -> tuple[int, int, int]:
    """Return the number of slices of a file, and their height and width."""
    if _is_nifti(path):
        return _nifti(path)[2]
    return _dicom(path, stop_before_pixels=True)[1]


def _volume(path: Path) -> _Volume:
    with _loading:  # several threads ask for the slices of one volume
        volume = _load(path, path.stat().st_mtime_ns)
    if isinstance(volume, UserError):
        raise volume
    return volume


@lru_cache(maxsize=2)  # where one volume ends, the next has begun
def _load(path: Path, _: int) -> _Volume | UserError:
    """Return a volume or, not to read it anew for each slice, why it has none."""
    try:
        return _read_volume(path)
    except UserError as error:
        if getattr(error.__cause__, "errno", None):  # of the machine: it may pass
            raise
        return error


@naming_file
def _read_volume(path: Path) -> _Volume:
    read = _nifti_values if _is_nifti(path) else _dicom_values
    values, views, inverted = read(path)
    bounds = _bounds(values)
    low, high = bounds
    if not all(views):
        low, high = map(float, np.percentile(_filled(values, bounds, inverted), TAILS))
    shown = [view or _linear(low, high) for view in views]
    return _Volume(values, bounds, shown, inverted)


def _bounds(values: NDArray[Any]) -> tuple[float, float]:
    """Return the lowest and the highest finite value."""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not finite.size:
        raise ValueError("none of its values is a finite number")
    return float(finite.min()), float(finite.max())


def _filled(
    values: NDArray[Any], bounds: tuple[float, float], inverted: bool
) -> NDArray[Any]:
    """Return values with finite ones wherever there were none, NaN being black."""
    low, high = bounds
    black = high if inverted else low
    filled = values.astype(np.float32)
    return np.nan_to_num(filled, copy=False, nan=black, posinf=high, neginf=low)


def _linear(low: float, high: float) -> View:
    return lambda values: (values - low) / max(high - low, 1e-6)


def _is_gzip(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _stream(path: Path) -> BinaryIO:
    """Open a NIfTI file."""
    return gzip.open(path) if _is_gzip(path) else path.open("rb")  # type: ignore


def _nifti(path: Path) -> tuple[Any, NDArray[np.float64], tuple[int, int, int]]:
    """Return the header of a volume, which axes point where, and its (n, h, w).

    What lies behind the header is not read: nibabel would read extensions of any size,
    and parse those of CIFTI.
    """
    nibabel = _package(path)
    with _stream(path) as stream:
        start = stream.read(nibabel.Nifti2Header.sizeof_hdr)
    kinds = (nibabel.Nifti1Header, nibabel.Nifti2Header)
    kind = next((x for x in kinds if x.may_contain_header(start)), None)
    if kind is None:
        raise ValueError("it has no header of NIfTI")
    header = kind(start[: kind.sizeof_hdr])
    shape = header.get_data_shape()
    if len(shape) != 3:
        raise ValueError(f"expected 3 dimensions, found {len(shape)}")
    dtype = header.get_data_dtype()
    if dtype.kind not in "iuf":
        raise ValueError("its values are colours or complex, expected real numbers")
    with np.errstate(all="ignore"):
        orientation = nibabel.io_orientation(header.get_best_affine())
    if not np.isfinite(orientation).all():
        raise ValueError("its affine matrix does not say where its axes point")
    [width, height, count] = np.take(shape, np.argsort(orientation[:, 0]))
    sizes = int(count), int(height), int(width)
    check_volume(path, sizes, 8 * dtype.itemsize, compressed=_is_gzip(path))
    check_inflated(path, header.get_data_offset())  # for where the values begin
    return header, orientation, sizes


def _nifti_values(path: Path) -> tuple[NDArray[Any], list[View | None], bool]:
    """Return the axial slices (n, h, w) of a volume, without views."""
    header, orientation, (count, _, _) = _nifti(path)
    nibabel = _package(path)
    with _stream(path) as stream:
        array = np.asanyarray(nibabel.arrayproxy.ArrayProxy(stream, header))
        behind = 0
        while _is_gzip(path) and (left := stream.read(2**20)):  # to the checksum
            behind += len(left)
            check_inflated(path, behind)
    if array.dtype.kind == "f" and array.dtype.itemsize > 4:
        with np.errstate(over="ignore"):  # it is infinity, which has its rule
            array = array.astype(np.float32)
    array = nibabel.apply_orientation(array, orientation)
    # (x, y, z) to (y, x, z), front first
    return np.rot90(array).transpose(2, 0, 1), [None] * count, False


def _dicom(path: Path, stop_before_pixels: bool) -> tuple[Any, tuple[int, int, int]]:
    """Return a file, and the (n, h, w) of its frames."""
    pydicom = _package(path)
    meta = pydicom.filereader.read_file_meta_info(path)
    if meta.get("TransferSyntaxUID") == pydicom.uid.DeflatedExplicitVRLittleEndian:
        # pydicom inflates all of it at once, behind a preamble of 132 bytes and the
        # meta information, whose first element, of 12 bytes, has the length of the rest
        check_deflated(path, 132 + 12 + int(meta.FileMetaInformationGroupLength))
    data = pydicom.dcmread(path, stop_before_pixels=stop_before_pixels)
    if int(data.get("SamplesPerPixel") or 0) != 1:
        raise unreadable(path, "expected grey pixels, one sample a pixel")
    if data.get("PhotometricInterpretation") == "PALETTE COLOR":
        raise unreadable(path, "expected grey pixels, found a palette")
    shape = int(data.get("NumberOfFrames") or 1), int(data.Rows), int(data.Columns)
    syntax = data.file_meta.TransferSyntaxUID
    compressed = syntax.is_compressed or syntax.is_deflated
    check_volume(path, shape, int(data.BitsAllocated), compressed)
    return data, shape


def _dicom_values(path: Path) -> tuple[NDArray[Any], list[View | None], bool]:
    """Return the frames (n, h, w) of a file, the view of each, and if 0 is white."""
    data, shape = _dicom(path, stop_before_pixels=False)
    stored = data.pixel_array.reshape(shape)
    values = np.empty(shape, np.float32)
    for index, frame in enumerate(stored):
        values[index] = _rescaled(frame, data, index)
    values[_padding(stored, data)] = np.nan
    views = [_view(data, index) for index in range(len(values))]
    return values, views, data.get("PhotometricInterpretation") == "MONOCHROME1"


def _rescaled(frame: NDArray[Any], data: Any, index: int) -> NDArray[Any]:
    """Return a frame after its modality lookup table, or its slope and intercept."""
    if data.get("ModalityLUTSequence"):
        pixels = importlib.import_module("pydicom.pixels")
        return pixels.apply_modality_lut(frame.astype(np.int64), data)
    groups = list(_groups(data, index, "PixelValueTransformationSequence"))
    slopes = (_number(group, "RescaleSlope") for group in groups)
    intercepts = (_number(group, "RescaleIntercept") for group in groups)
    slope = next(filter(None, slopes), 1.0)  # with a slope of 0 there is no image
    intercept = next((x for x in intercepts if x is not None), 0.0)
    return frame * np.float32(slope) + np.float32(intercept)


def _padding(stored: NDArray[Any], data: Any) -> NDArray[np.bool_]:
    """Return where pixels merely pad an image; nowhere if they all do."""
    value = _number(data, "PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, bool)
    limit = _number(data, "PixelPaddingRangeLimit")
    low, high = sorted((value, value if limit is None else limit))
    padding = (stored >= low) & (stored <= high)
    return padding & ~padding.all()


def _view(data: Any, index: int) -> View | None:
    """Return how the first window or VOI lookup table of a frame shows it, if any."""
    for group in _groups(data, index, "FrameVOILUTSequence"):
        centre, width = _number(group, "WindowCenter"), _number(group, "WindowWidth")
        if centre is not None and width is not None and width > 0:
            if group.get("VOILUTFunction") == "SIGMOID":
                return _sigmoid(centre, width)
            return _linear(centre - width / 2, centre + width / 2)
        if group.get("VOILUTSequence"):
            group.file_meta = data.file_meta  # says in which order its bytes are
            return _lookup_table(group)
    return None


def _sigmoid(centre: float, width: float) -> View:
    return lambda values: 1 / (1 + np.exp(-4 * (values - centre) / width))


def _lookup_table(group: Any) -> View:
    pixels = importlib.import_module("pydicom.pixels")
    _, first, bits = group.VOILUTSequence[0].LUTDescriptor
    white = 2**bits - 1

    def view(values: NDArray[Any]) -> NDArray[Any]:
        steps = np.rint(values).astype(np.int64)
        return pixels.apply_voi(np.clip(steps, first, first + 65535), group) / white

    return view


def _groups(data: Any, index: int, name: str) -> Iterator[Any]:
    """Yield where elements of a frame stand: in its group, the shared one, the file.

    Args:
        data: the file.
        index: of the frame.
        name: of the sequence that has the elements, in a functional group.
    """
    own = data.get("PerFrameFunctionalGroupsSequence") or []
    shared = data.get("SharedFunctionalGroupsSequence") or []
    for group in (*own[index : index + 1], *shared[:1]):
        yield from group.get(name) or []
    yield data


def _number(data: Any, name: str) -> float | None:
    """Return the first number of an element, None unless it is a finite one."""
    try:
        value = float(np.ravel(data.get(name))[0])
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return value if math.isfinite(value) else None
