import numpy as np
import pytest

from processing.samples import draw_sample
from processing.synthetic import KINDS, synthesise
from processing.synthetic.synthesis import NOTICEABLE, part_of


@pytest.fixture(scope="module")
def good():
    """Return good washers, uint8 (12, 64, 64, 3)."""
    drawn = (draw_sample("washer", "train/good", i, size=64) for i in range(12))
    return np.stack([sample.image for sample in drawn])


def whole(image):
    return np.ones(image.shape[:2], bool)


def test_every_image_gets_one_visible_defect_on_the_part(good):
    changed, masks, names = synthesise(good, 0)
    assert changed.shape == good.shape
    assert changed.dtype == np.float32
    assert masks.shape == good.shape[:3]
    assert masks.dtype == bool
    assert len(names) == len(good)
    assert set(names) <= set(KINDS)
    assert len(set(names)) > 3
    clean = good / np.float32(255)
    np.testing.assert_array_equal(changed[~masks], clean[~masks])
    for before, after, mask in zip(clean, changed, masks, strict=True):
        assert np.abs(after - before).max() > NOTICEABLE
        assert not mask[~part_of(before)].any()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(32, 32), (48, 200), (300, 260)])
def test_the_part_is_found_at_any_size(shape, channels):
    y, x = np.indices(shape)
    part = np.hypot(y - shape[0] / 2, x - shape[1] / 3) < 0.4 * shape[0]
    image = np.where(part, 0.8, 0.3)[..., None].repeat(channels, axis=-1)
    mask = part_of(image.astype(np.float32))
    assert mask.shape == shape
    assert mask.dtype == bool
    assert mask[part].all()
    assert (mask & part).sum() / mask.sum() > 0.75


def test_a_surface_that_fills_the_image_is_all_part():
    fabric = draw_sample("fabric", "train/good", 0, size=64).image
    assert part_of(fabric / np.float32(255)).all()
    assert part_of(np.full((32, 48, 1), 0.5, np.float32)).all()


@pytest.mark.parametrize("size", [1, 5])
def test_the_batch_size_changes_nothing(good, size):
    whole_batch = synthesise(good, (3, 1), sources=good)
    parts = [
        synthesise(good[i : i + size], (3, 1), start=i, sources=good)
        for i in range(0, len(good), size)
    ]
    for k in (0, 1):
        joined = np.concatenate([part[k] for part in parts])
        np.testing.assert_array_equal(joined, whole_batch[k])
    assert [name for part in parts for name in part[2]] == whole_batch[2]


@pytest.mark.parametrize("other", [(4, 1), (3, 2), 3])
def test_each_seed_gives_other_defects(good, other):
    one, two = (synthesise(good, seed) for seed in ((3, 1), other))
    assert all((a != b).any() for a, b in zip(one[1], two[1], strict=True))


def test_equal_images_get_different_defects(good):
    _, masks, _ = synthesise(np.stack([good[0]] * 6), 0)
    assert len({mask.tobytes() for mask in masks}) == 6


def test_bytes_and_floats_are_treated_alike(good):
    as_bytes, as_floats = (
        synthesise(images, 1) for images in (good, good / np.float32(255))
    )
    for one, other in zip(as_bytes, as_floats, strict=True):
        np.testing.assert_array_equal(one, other)


def test_patches_come_from_the_sources():
    grey, white = (np.full((8, 48, 48, 1), value, np.float32) for value in (0.5, 1))
    changed, masks, names = synthesise(grey, 0, sources=white, kinds=["cut-paste"])
    assert names == ["cut-paste"] * 8
    assert changed[masks].mean() > 0.8


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_defect_shows_on_a_constant_image(kind, channels, value):
    images = np.full((4, 32, 32, channels), value, np.float32)
    changed, masks, names = synthesise(images, 0, kinds=[kind], foreground=whole)
    assert masks.any(axis=(1, 2)).all()
    assert np.abs(changed - value).max(axis=(1, 2, 3)).min() > NOTICEABLE
    if kind in ("bend", "blur"):  # cannot show
        assert names == ["stain"] * 4


def test_the_smallest_foreground_is_enough(good):
    def dot(image):
        place = np.zeros(image.shape[:2], bool)
        place[30, 40] = True
        return place

    changed, masks, names = synthesise(good[:3], 0, foreground=dot)
    np.testing.assert_array_equal(masks, np.stack([dot(image) for image in good[:3]]))
    assert names == ["stain"] * 3


def test_wrong_arguments_are_told(good):
    with pytest.raises(ValueError, match="`kinds`.*'scratch'"):
        synthesise(good, 0, kinds=["scar", "scratch"])
    with pytest.raises(ValueError, match="`kinds`"):
        synthesise(good, 0, kinds=[])
    for shape in ((1, 31, 64, 3), (1, 64, 64, 4), (64, 64, 3)):
        with pytest.raises(ValueError, match="`images`"):
            synthesise(np.zeros(shape, np.float32), 0)
    with pytest.raises(ValueError, match="`foreground`.*image 0"):
        synthesise(good, 0, foreground=lambda image: ~whole(image))
