"""NIfTI and DICOM files drawn with nibabel and pydicom."""

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

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
    ],
)
def test_files_that_cannot_be_read(tmp_path, volume, name, write, message):
    path = tmp_path / name
    write(path, volume)
    with pytest.raises(UserError, match=message):
        check_slices(path)


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
