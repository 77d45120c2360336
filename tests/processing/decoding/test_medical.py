"""NIfTI and DICOM files drawn with nibabel and pydicom."""

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    generate_uid,
)

from processing.data.dataset import scan_category, scan_images
from processing.decoding import medical
from processing.decoding.decode import check_image, read_image, read_mask, read_size
from processing.errors import UserError

SHAPE = (5, 7, 4)  # x to the right, y to the front, z up


@pytest.fixture
def volume(rng):
    return rng.integers(-200, 800, SHAPE).astype(np.int16)


def write_nifti(path, volume, affine=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.eye(4) if affine is None else affine
    nibabel.save(nibabel.Nifti1Image(volume, affine), path)
    return path


def write_dicom(path, pixels, **tags):
    """Write frames (n, h, w), or a single one (h, w)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = pydicom.Dataset()
    data.file_meta = meta
    data.SOPClassUID = meta.MediaStorageSOPClassUID
    data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    data.Rows, data.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        data.NumberOfFrames = len(pixels)
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    for name, value in tags.items():
        setattr(data, name, value)
    data.PixelData = pixels.astype("<u2").tobytes()
    data.save_as(path, enforce_file_format=True)
    return path


def test_slices_of_a_volume(tmp_path, volume):
    path = write_nifti(tmp_path / "scan.nii.gz", volume)
    names = [part.name for part in medical.slices(path)]
    assert names == [f"scan.nii.gz#{i:03}" for i in range(4)]
    assert read_size(medical.slices(path)[2]) == (7, 5)
    other = tmp_path / "photo #1.png"
    assert medical.slices(other) == [other]
    assert not medical.is_medical(other)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".NII.GZ"])
def test_an_axial_slice_has_its_front_on_top(tmp_path, volume, suffix):
    path = write_nifti(tmp_path / f"scan{suffix}", volume)
    for z, part in enumerate(medical.slices(path)):
        pixels = medical.read_slice(part, (-200, 800))
        expected = (volume[:, ::-1, z].T + 200) / 1000
        np.testing.assert_allclose(pixels, expected, atol=1e-6)
        assert pixels.dtype == np.float32


def test_axes_in_another_order(tmp_path, volume):
    """The same volume, stored sagittal and from right to left."""
    stored = volume.transpose(1, 2, 0)[:, :, ::-1]
    affine = np.array([[0, 0, -1, 4], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]])
    a = write_nifti(tmp_path / "a.nii", volume)
    b = write_nifti(tmp_path / "b.nii", stored, affine)
    assert len(medical.slices(b)) == 4
    for one, other in zip(medical.slices(a), medical.slices(b), strict=True):
        assert read_size(other) == (7, 5)
        np.testing.assert_array_equal(
            medical.read_slice(one), medical.read_slice(other)
        )


def test_without_a_span_the_tails_of_the_volume_are_cut(tmp_path, volume):
    path = write_nifti(tmp_path / "scan.nii", volume)
    low, high = np.percentile(volume, (0.5, 99.5))
    expected = np.clip((volume[:, ::-1, 1].T - low) / (high - low), 0, 1)
    np.testing.assert_allclose(
        medical.read_slice(medical.slices(path)[1]), expected, atol=1e-5
    )


def test_scaled_values_of_a_volume(tmp_path, volume):
    path = tmp_path / "scan.nii.gz"
    image = nibabel.Nifti1Image(volume.astype(np.float64) / 7, np.eye(4))
    image.set_data_dtype(np.int16)
    nibabel.save(image, path)
    expected = np.clip(volume[:, ::-1, 0].T / 7 / 100, 0, 1)
    pixels = medical.read_slice(medical.slices(path)[0], (0, 100))
    np.testing.assert_allclose(pixels, expected, atol=0.001)


def test_a_constant_volume_is_black(tmp_path):
    path = write_nifti(tmp_path / "empty.nii", np.full(SHAPE, 7, np.int16))
    assert not medical.read_slice(medical.slices(path)[0]).any()


def test_a_dicom_frame_with_slope_and_window(tmp_path, rng):
    stored = rng.integers(0, 4096, (6, 8))
    tags = {"RescaleSlope": 2, "RescaleIntercept": -1024}
    path = write_dicom(tmp_path / "a.dcm", stored, **tags)
    values = stored * 2.0 - 1024
    assert medical.slices(path) == [path]
    assert read_size(path) == (6, 8)
    spanned = medical.read_slice(path, (-1000, 3000))
    np.testing.assert_allclose(
        spanned, np.clip((values + 1000) / 4000, 0, 1), atol=1e-5
    )
    low, high = np.percentile(values, (0.5, 99.5))
    expected = np.clip((values - low) / (high - low), 0, 1)
    np.testing.assert_allclose(medical.read_slice(path), expected, atol=1e-5)
    window = {"WindowCenter": [40, 500], "WindowWidth": [400, 1000]}
    path = write_dicom(tmp_path / "b.dcm", stored, **tags, **window)
    expected = np.clip((values + 160) / 400, 0, 1)
    np.testing.assert_allclose(medical.read_slice(path), expected, atol=1e-5)
    white = {"PhotometricInterpretation": "MONOCHROME1"}
    path = write_dicom(tmp_path / "c.dcm", stored, **tags, **window, **white)
    np.testing.assert_allclose(medical.read_slice(path), 1 - expected, atol=1e-5)


def test_frames_of_a_dicom_file(tmp_path, rng):
    stored = rng.integers(0, 1000, (3, 6, 8))
    path = write_dicom(tmp_path / "cine.dcm", stored)
    parts = medical.slices(path)
    assert [part.name for part in parts] == [f"cine.dcm#00{i}" for i in range(3)]
    for part, frame in zip(parts, stored, strict=True):
        pixels = read_image(part, shape=(6, 8, 3))
        for channel in range(3):
            low, high = np.percentile(stored, (0.5, 99.5))
            expected = np.clip((frame - low) / (high - low), 0, 1)
            np.testing.assert_allclose(pixels[..., channel], expected, atol=1e-5)


@pytest.mark.parametrize("syntax", ["RLELossless", "DeflatedExplicitVRLittleEndian"])
def test_compressed_frames(tmp_path, rng, syntax):
    plain = write_dicom(tmp_path / "a.dcm", rng.integers(0, 1000, (3, 6, 8)))
    data, path = pydicom.dcmread(plain), tmp_path / "b.dcm"
    if syntax == "RLELossless":
        data.compress(pydicom.uid.RLELossless)
    else:
        data.file_meta.TransferSyntaxUID = getattr(pydicom.uid, syntax)
    data.save_as(path)
    for part, other in zip(medical.slices(plain), medical.slices(path), strict=True):
        np.testing.assert_array_equal(
            medical.read_slice(other), medical.read_slice(part)
        )


def sequence(**tags):
    """Return a sequence with one item."""
    item = pydicom.Dataset()
    for name, value in tags.items():
        setattr(item, name, value)
    return pydicom.Sequence([item])


def scaling(slope, intercept):
    values = sequence(RescaleSlope=slope, RescaleIntercept=intercept)
    return {"PixelValueTransformationSequence": values}


def window(centre, width, **more):
    values = sequence(WindowCenter=centre, WindowWidth=width, **more)
    return {"FrameVOILUTSequence": values}


def shared(**tags):
    return {"SharedFunctionalGroupsSequence": sequence(**tags)}


def per_frame(*groups):
    items = [item for group in groups for item in sequence(**group)]
    return {"PerFrameFunctionalGroupsSequence": pydicom.Sequence(items)}


def test_scaling_in_functional_groups(tmp_path):
    """A frame's own group comes first, then the shared one, then the file."""
    frames = np.array([[[0, 500, 1000]]] * 2)
    top = {"RescaleSlope": 7, "RescaleIntercept": 7}
    path = tmp_path / "a.dcm"
    for tags, slopes, intercepts in (
        (top, (7, 7), (7, 7)),
        ({**top, **shared(**scaling(2, -1000))}, (2, 2), (-1000, -1000)),
        (per_frame(scaling(2, -1000), scaling(1, 100)), (2, 1), (-1000, 100)),
        (
            shared(**scaling(3, 5)) | per_frame({}, scaling(1, 100)),
            (3, 1),
            (5, 100),
        ),
        (shared(**window(0, 400)) | top, (7, 7), (7, 7)),
    ):
        write_dicom(path, frames, **tags)
        for part, slope, intercept in zip(
            medical.slices(path), slopes, intercepts, strict=True
        ):
            values = frames[0] * slope + intercept
            expected = np.clip((values + 1000) / 2000, 0, 1)
            pixels = medical.read_slice(part, (-1000, 1000))
            np.testing.assert_allclose(pixels, expected, atol=1e-6)


def test_windows_in_functional_groups(tmp_path):
    frames = np.array([[[0, 50, 100, 200]]] * 2)
    tags = per_frame(window(50, 100), window([100, 7], [200, 7]))
    write_dicom(tmp_path / "a.dcm", frames, **tags)
    first, second = map(medical.read_slice, medical.slices(tmp_path / "a.dcm"))
    np.testing.assert_allclose(first, [[0, 0.5, 1, 1]], atol=1e-6)
    np.testing.assert_allclose(second, [[0, 0.25, 0.5, 1]], atol=1e-6)
    tags = per_frame(window(50, 100), {})  # the other one has the tails of the file
    write_dicom(tmp_path / "b.dcm", frames, **tags)
    first, second = map(medical.read_slice, medical.slices(tmp_path / "b.dcm"))
    np.testing.assert_allclose(first, [[0, 0.5, 1, 1]], atol=1e-6)
    np.testing.assert_allclose(second, [[0, 0.25, 0.5, 1]], atol=1e-6)


def test_a_window_that_is_a_sigmoid(tmp_path):
    stored = np.array([[0, 40, 50, 60, 100]])
    tags = {"WindowCenter": 50, "WindowWidth": 40, "VOILUTFunction": "SIGMOID"}
    path = write_dicom(tmp_path / "a.dcm", stored, **tags)
    expected = 1 / (1 + np.exp(-4 * (stored - 50) / 40))
    np.testing.assert_allclose(medical.read_slice(path), expected, atol=1e-6)


def table(first, bits, *entries, kind="US", length=None):
    """Return a lookup table, its entries as numbers (US) or bytes (OW)."""
    [item] = items = sequence(LUTDescriptor=[length or len(entries), first, bits])
    data = np.array(entries, "<u2").tobytes() if kind == "OW" else list(entries)
    item.add_new("LUTData", kind, data)
    item["LUTDescriptor"].VR = "US"
    return items


@pytest.mark.parametrize("bits", [8, 16])
def test_a_modality_lookup_table(tmp_path, bits):
    tables = table(2, bits, 10, 50, 30)
    for item in tables:
        item.ModalityLUTType = "US"
    path = write_dicom(
        tmp_path / "a.dcm", np.array([[0, 2, 3, 4, 9]]), ModalityLUTSequence=tables
    )
    pixels = medical.read_slice(path, (0, 100))
    np.testing.assert_allclose(pixels, [[0.1, 0.1, 0.5, 0.3, 0.3]], atol=1e-6)


@pytest.mark.parametrize("kind", ["US", "OW"])
@pytest.mark.parametrize("group", [False, True])
def test_a_voi_lookup_table(tmp_path, group, kind):
    """It takes the values after slope and intercept."""
    frames = np.array([[[0, 1, 2, 3, 60000]]] * 2)
    tags = {"VOILUTSequence": table(10, 12, 0, 1024, 4095, kind=kind)}
    scale = {"RescaleSlope": 1, "RescaleIntercept": 10}
    if group:
        tags = per_frame(*[{"FrameVOILUTSequence": sequence(**tags)}] * 2)
    write_dicom(tmp_path / "a.dcm", frames, **tags, **scale)
    expected = np.array([[0, 1024, 4095, 4095, 4095]]) / 4095
    for part in medical.slices(tmp_path / "a.dcm"):
        np.testing.assert_allclose(medical.read_slice(part), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    ("tags", "padded"),
    [
        ({"PixelPaddingValue": 9000}, [0, 0, 0, 0, 1]),
        ({"PixelPaddingValue": 9000, "PixelPaddingRangeLimit": 300}, [0, 0, 0, 1, 1]),
        ({"PixelPaddingValue": 7}, [0, 0, 0, 0, 0]),
    ],
)
def test_padding_is_black_and_not_among_the_values(tmp_path, kind, tags, padded):
    stored = np.array([[100, 150, 200, 300, 9000]])
    tags |= {"PhotometricInterpretation": kind}
    pixels = medical.read_slice(write_dicom(tmp_path / "a.dcm", stored, **tags))
    padded = np.array([padded], bool)
    assert not pixels[padded].any()
    values = stored[~padded]
    expected = (values - values.min()) / (values.max() - values.min())
    expected = 1 - expected if kind == "MONOCHROME1" else expected
    np.testing.assert_allclose(pixels[~padded], expected, atol=0.03)


def test_an_image_of_nothing_but_padding_is_black(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", np.zeros((2, 3)), PixelPaddingValue=0)
    assert not medical.read_slice(path).any()


@pytest.mark.parametrize("value", ["", "abc", "1e999", "nan", "\\5", "abc\\5"])
@pytest.mark.parametrize(
    "tag", ["RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth"]
)
def test_elements_that_are_empty_or_no_numbers(tmp_path, tag, value):
    path = tmp_path / "a.dcm"
    tags = {"RescaleSlope": 1, "RescaleIntercept": 0, "WindowCenter": 200}
    write_dicom(path, np.array([[100, 200, 300]]), **tags, WindowWidth=200)
    data = pydicom.dcmread(path)
    number = pydicom.datadict.tag_for_keyword(tag)
    data[number] = pydicom.DataElement(number, "LO", value)  # as DS it is refused
    data.save_as(path)
    head = b"".join(int(x).to_bytes(2, "little") for x in divmod(number, 2**16))
    path.write_bytes(path.read_bytes().replace(head + b"LO", head + b"DS"))
    np.testing.assert_allclose(medical.read_slice(path), [[0, 0.5, 1]], atol=0.01)


def test_a_slope_or_a_width_of_zero_is_none(tmp_path):
    stored = np.array([[100, 200, 300]])
    for tags in ({"RescaleSlope": 0}, {"WindowCenter": 5, "WindowWidth": 0}):
        path = write_dicom(tmp_path / "a.dcm", stored, **tags)
        np.testing.assert_allclose(medical.read_slice(path), [[0, 0.5, 1]], atol=0.01)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_that_are_not_finite(tmp_path, rng, dtype):
    volume = rng.uniform(-5, 5, SHAPE).astype(dtype)
    clean = volume.copy()
    clean[0, 0, 0] = clean[1, 0, 0] = clean.min()
    clean[0, 1, 1] = clean.max()
    volume[0, 0, 0], volume[1, 0, 0], volume[0, 1, 1] = np.nan, -np.inf, np.inf
    a = write_nifti(tmp_path / "a.nii.gz", clean)
    b = write_nifti(tmp_path / "b.nii.gz", volume)
    for span in (None, (-4, 4)):
        for one, other in zip(medical.slices(a), medical.slices(b), strict=True):
            pixels = medical.read_slice(other, span)
            assert np.isfinite(pixels).all()
            np.testing.assert_allclose(pixels, medical.read_slice(one, span), atol=1e-6)


def test_values_beyond_float32_are_infinite(tmp_path):
    volume = np.linspace(0, 1, 140).reshape(SHAPE)
    volume[0, 0, 0] = 1e300
    path = write_nifti(tmp_path / "a.nii", volume)
    assert medical.read_slice(medical.slices(path)[0], (0, 1))[-1, 0] == 1


def test_labels_that_are_no_numbers_mark_nothing(tmp_path):
    labels = np.full(SHAPE, np.nan, np.float32)
    labels[0, 0, 0] = 2
    path = write_nifti(tmp_path / "mask.nii.gz", labels)
    assert read_mask(medical.slices(path)[0]).sum() == 1
    assert not read_mask(medical.slices(path)[1]).any()


def test_a_rewritten_file_is_read_again(tmp_path, volume):
    path = write_nifti(tmp_path / "scan.nii", volume)
    before = medical.read_slice(medical.slices(path)[0], (0, 800))
    write_nifti(path, volume[::-1].copy())
    after = medical.read_slice(medical.slices(path)[0], (0, 800))
    np.testing.assert_array_equal(after, before[:, ::-1])


def test_a_category_of_volumes(tmp_path, volume):
    """Slices get the label of their slice of the mask."""
    folder = tmp_path / "mri" / "brain"
    for i in range(2):
        write_nifti(folder / f"train/good/{i}.nii.gz", volume)
    write_nifti(folder / "test/good/0.nii.gz", volume)
    write_nifti(folder / "test/lesion/0.nii.gz", volume)
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:3, 2:4, 2] = 3
    write_nifti(folder / "ground_truth/lesion/0_mask.nii.gz", labels)
    category = scan_category(folder, image_shape=(14, 10, 1))
    assert len(category.train) == 8
    assert category.train.names[5] == "train/good/1.nii.gz#001"
    test = category.test
    assert len(test) == 8
    assert test.labels.tolist() == [0, 0, 0, 0, 0, 0, 1, 0]
    assert test.names[6] == "test/lesion/0.nii.gz#002"
    assert test.classes == ("good",) * 6 + ("lesion", "good")
    assert len(test.mask_paths[6]) == 1
    expected = np.zeros((7, 5), bool)
    expected[3:5, 1:3] = True  # rows from the front, which is the high end of y
    np.testing.assert_array_equal(test.mask(6, (7, 5)), expected)
    np.testing.assert_array_equal(test.mask(6)[::2, ::2], expected)
    assert not test.mask(5).any()
    assert category.train.load([0, 7]).shape == (2, 14, 10, 1)
    assert not category.train.unreadable()


def test_volumes_without_masks_are_of_their_folder(tmp_path, volume):
    write_nifti(tmp_path / "train/good/a.nii", volume)
    write_nifti(tmp_path / "test/lesion/a.nii", volume)
    test = scan_category(tmp_path, image_shape=(8, 8, 1)).test
    assert test.labels.tolist() == [1] * 4
    assert set(test.classes) == {"lesion"}


def test_new_volumes(tmp_path, volume):
    path = write_nifti(tmp_path / "new/a.nii.gz", volume)
    write_dicom(tmp_path / "new/b.dcm", np.ones((6, 8)))
    names = scan_images(tmp_path / "new", (8, 8, 1)).names
    assert names == (*(f"a.nii.gz#00{i}" for i in range(4)), "b.dcm")
    assert len(scan_images(path, (8, 8, 1))) == 4


def test_a_volume_that_cannot_be_read_is_one_unreadable_image(tmp_path, volume):
    write_nifti(tmp_path / "train/good/a.nii", volume)
    text(tmp_path / "train/good/b.nii.gz", None)
    colours(tmp_path / "train/good/c.dcm", None)
    train = scan_category(tmp_path, image_shape=(8, 8, 1)).train
    assert train.names[4:] == ("train/good/b.nii.gz", "train/good/c.dcm")
    assert list(train.unreadable()) == [4, 5]
    assert list(train.uncached().unreadable()) == [4, 5]


def test_a_mask_of_another_length(tmp_path, volume):
    write_nifti(tmp_path / "train/good/a.nii", volume)
    write_nifti(tmp_path / "test/lesion/a.nii", volume)
    labels = np.ones((5, 7, 3), np.uint8)
    write_nifti(tmp_path / "ground_truth/lesion/a_mask.nii", labels)
    with pytest.raises(UserError, match="a_mask.nii has 3 slices, expected 4"):
        scan_category(tmp_path, image_shape=(8, 8, 1))


def check_slices(path):
    for part in medical.slices(path):
        check_image(part)


def cut_off(path, volume):
    write_nifti(path, volume)
    path.write_bytes(path.read_bytes()[:-20])


def four_dimensions(path, volume):
    write_nifti(path, volume[..., None].repeat(2, axis=3))


def damaged(path, volume):
    """Keep the header in the first blocks, and break a later one."""
    write_nifti(path, np.random.default_rng(0).random((30, 30, 30)))
    data = bytearray(path.read_bytes())
    data[-9000:-8000] = b"\xff" * 1000
    path.write_bytes(data)


def rgb_volume(path, _):
    write_nifti(path, np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")]))


def complex_volume(path, volume):
    write_nifti(path, volume.astype(np.complex64))


def no_numbers(path, _):
    write_nifti(path, np.full(SHAPE, np.nan, np.float32))


def no_voxels(path, _):
    write_nifti(path, np.zeros((4, 0, 3), np.float32))


def no_axes(path, volume):
    write_nifti(path, volume)
    data = bytearray(path.read_bytes())
    data[280:312] = bytes(32)  # two rows of the affine matrix
    path.write_bytes(data)


def palette(path, _):
    write_dicom(path, np.ones((6, 8)), PhotometricInterpretation="PALETTE COLOR")


def no_size(path, _):
    write_dicom(path, np.ones((6, 8)))
    data = pydicom.dcmread(path)
    del data.Rows
    data.save_as(path)


def many_frames(path, _):
    write_dicom(path, np.ones((6, 8)), NumberOfFrames=2_000_000_000)


def huge(path, _):
    write_dicom(path, np.ones((6, 8)), Rows=65535, Columns=65535)


def no_syntax(path, _):
    """Declare JPEG 2000, which is not there."""
    write_dicom(path, np.ones((6, 8)))
    data = path.read_bytes()
    old, new = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"
    path.write_bytes(data.replace(old, new))


def cut_table(path, _):
    lut = table(0, 16, 1, 2, length=9)
    write_dicom(path, np.ones((6, 8)) * 8, VOILUTSequence=lut)


def text(path, _):
    path.write_text("no volume")


def colours(path, _):
    write_dicom(path, np.ones((6, 8)), SamplesPerPixel=3)


def unknown_pixels(path, _):
    write_dicom(path, np.ones((6, 8)), Rows=600)


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("a.nii.gz", cut_off, "a.nii.gz: not a readable image"),
        ("a.nii", cut_off, "not a readable image"),
        ("a.nii", four_dimensions, "expected 3 dimensions, found 4"),
        ("a.nii", text, "not a readable image"),
        ("a.dcm", text, "not a readable image"),
        ("a.dcm", colours, "expected grey pixels"),
        ("a.dcm", unknown_pixels, "not a readable image"),
        ("a.nii.gz", damaged, "not a readable image .CRC check failed"),
        ("a.nii", rgb_volume, "colours or complex, expected real numbers"),
        ("a.nii", complex_volume, "colours or complex, expected real numbers"),
        ("a.nii", no_numbers, "none of its values is a finite number"),
        ("a.nii", no_voxels, "a.nii: not a readable image .*pixels"),
        ("a.nii", no_axes, "does not say where its axes point"),
        ("a.dcm", palette, "expected grey pixels, found a palette"),
        ("a.dcm", no_size, "a.dcm: not a readable image"),
        ("a.dcm", many_frames, "2000000000 slices"),
        ("a.dcm", huge, "65535x65535 pixels, expected at most"),
        ("a.dcm", no_syntax, "a.dcm: not a readable image"),
        ("a.dcm", cut_table, "a.dcm: not a readable image"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, volume, name, write, message):
    path = tmp_path / name
    write(path, volume)
    with pytest.raises(UserError, match=message):
        check_slices(path)


def test_a_damaged_volume_is_read_once(tmp_path, volume, monkeypatch):
    path = tmp_path / "a.nii.gz"
    damaged(path, volume)
    calls = []
    read = medical._nifti_values
    monkeypatch.setattr(
        medical, "_nifti_values", lambda path: calls.append(path) or read(path)
    )
    for part in medical.slices(path):
        with pytest.raises(UserError, match="a.nii.gz: not a readable image"):
            medical.read_slice(part)
    assert len(calls) == 1
    write_nifti(path, volume)
    assert medical.read_slice(medical.slices(path)[0]).any()


def test_a_failure_of_the_machine_may_pass(tmp_path, volume, monkeypatch):
    path = write_nifti(tmp_path / "a.nii", volume)

    def stale(path):
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr(medical, "_nifti_values", stale)
        with pytest.raises(UserError, match=r"a.nii: .*\(Stale file handle\)"):
            medical.read_slice(path)
    assert medical.read_slice(path).any()


@pytest.mark.parametrize(
    ("name", "package"), [("a.nii.gz", "nibabel"), ("a.dcm", "pydicom")]
)
def test_the_extra_is_named_where_it_is_missing(tmp_path, name, package, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(medical.importlib, "import_module", missing)
    with pytest.raises(UserError, match=rf"{package}: pip install .*\[medical\]"):
        medical.slices(tmp_path / name)


def test_labels_of_any_number_mark_a_pixel(tmp_path):
    labels = np.zeros(SHAPE, np.int16)
    labels[0, 0, 0], labels[1, 1, 0] = 1, 250
    path = write_nifti(tmp_path / "mask.nii.gz", labels)
    mask = read_mask(medical.slices(path)[0])
    assert mask.shape == (7, 5)
    assert mask.sum() == 2
    assert mask[6, 0]
    assert mask[5, 1]


def test_a_deflated_file_is_measured_before_it_is_inflated(tmp_path, rng, monkeypatch):
    path = tmp_path / "a.dcm"
    write_dicom(path, rng.integers(0, 9, (8, 8)).astype(np.uint16))
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data.add_new(0x00204000, "LT", "a" * 9000)
    data.save_as(path)
    monkeypatch.setenv("KERAS_ANOMALY_MAX_PIXELS", "8000")
    assert read_size(path) == (8, 8)
    monkeypatch.setattr(pydicom, "dcmread", None)
    monkeypatch.setenv("KERAS_ANOMALY_MAX_PIXELS", "1000")
    with pytest.raises(UserError, match="bytes or more once inflated"):
        medical._dicom(path, True)
