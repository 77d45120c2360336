import numpy as np
import pytest

from processing.samples import draw_sample
from processing.synthetic.kinds import CORRUPTIONS, KINDS
from processing.synthetic.pasting import FAINT

SHAPES = [(64, 64, 3), (64, 64, 1), (32, 32, 3), (37, 150, 1), (150, 40, 3)]


@pytest.fixture(scope="module")
def good():
    """Return two good images of fabric, uncut, in [0, 1]."""
    drawn = [draw_sample("fabric", "train/good", i, size=150).image for i in (0, 1)]
    return np.float32(drawn) / 255


def draw(kind, images, seed=0, foreground=None):
    """Return an image, its defect and the mask, from the first draw that shows."""
    image, source = images
    place = np.ones(image.shape[:2], bool) if foreground is None else foreground
    rng = np.random.default_rng(seed)
    for _ in range(30):
        changed, mask = CORRUPTIONS[kind](image, source, rng, place)
        if mask.any():
            return image, changed, mask
    raise AssertionError(f"no {kind} shows")


def cut(images, shape):
    height, width, channels = shape
    return images[:, :height, :width, :channels]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_the_mask_is_where_the_image_changed(good, kind, shape):
    for seed in range(4):
        image, changed, mask = draw(kind, cut(good, shape), seed)
        assert changed.shape == image.shape
        assert changed.dtype == np.float32
        assert mask.shape == image.shape[:2]
        assert mask.dtype == bool
        assert changed.min() >= 0
        assert changed.max() <= 1
        np.testing.assert_array_equal(changed[~mask], image[~mask])
        noticed = np.abs(changed - image).max(axis=-1)[mask] > FAINT
        assert noticed.mean() > 0.6  # the rest are closed gaps


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_it_lies_on_the_part(good, kind):
    part = np.zeros((150, 150), bool)
    part[50:90, 60:140] = True
    for seed in range(4):
        _, _, mask = draw(kind, good, seed, foreground=part)
        assert not mask[~part].any()


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_it_depends_on_the_generator_alone_and_leaves_its_inputs(good, kind):
    before = good.copy()
    first, second, other = (draw(kind, good, seed)[1] for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    np.testing.assert_array_equal(good, before)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_defects_differ_in_size(good, kind):
    areas = [draw(kind, good, seed)[2].mean() for seed in range(12)]
    assert max(areas) > 2 * min(areas)
    assert max(areas) < 0.5


@pytest.mark.parametrize("kind", ["cut-paste", "scar", "poisson", "texture"])
def test_patches_come_from_the_source(kind):
    image = np.full((64, 64, 1), 0.5, np.float32)
    stripes = np.tile(np.float32([[[0.0], [0.1], [0.9], [1.0]]]), (64, 16, 1))
    draws = [draw(kind, (image, stripes), seed) for seed in range(6)]
    assert max(changed[mask].std() for _, changed, mask in draws) > 0.1


@pytest.mark.parametrize("kind", ["bend", "blur"])
def test_a_constant_surface_cannot_be_bent_or_blurred(kind):
    image = np.full((64, 64, 3), 0.5, np.float32)
    for seed in range(6):
        everywhere = np.ones((64, 64), bool)
        rng = np.random.default_rng(seed)
        changed, mask = KINDS[kind](image, image, rng, everywhere)
        assert not mask.any()
        np.testing.assert_array_equal(changed, image)


def test_a_blur_takes_contrast_and_keeps_the_mean(good):
    for seed in range(4):
        image, changed, mask = draw("blur", good, seed)
        assert changed[mask].std() < image[mask].std()
        assert abs(changed[mask].mean() - image[mask].mean()) < 0.05


def test_a_bend_moves_pixels_without_new_values(good):
    for seed in range(4):
        image, changed, mask = draw("bend", good, seed)
        assert changed[mask].min() >= image.min()
        assert changed[mask].max() <= image.max()
        assert abs(changed[mask].mean() - image[mask].mean()) < 0.1


def test_a_scar_is_as_large_as_in_the_paper():
    image = np.zeros((256, 256, 1), np.float32)
    areas = [draw("scar", (image, image + 1), seed)[2].sum() for seed in range(20)]
    assert min(areas) > 0
    assert max(areas) <= 16 * 25 * 1.2
    assert np.median(areas) > 40


def test_a_texture_is_transparent_at_times():
    image = np.zeros((96, 96, 1), np.float32)
    highest = [draw("texture", (image, image + 1), seed)[1].max() for seed in range(20)]
    assert min(highest) < 0.4
    assert max(highest) > 0.7


def test_stains_are_dark_and_bright():
    image = np.full((64, 64, 3), 0.5, np.float32)
    changes = [draw("stain", (image, image), seed)[1].sum() for seed in range(20)]
    assert min(changes) < image.sum() < max(changes)


def test_blocks_are_squares_of_a_grid_in_one_colour():
    image = np.full((64, 64, 1), 0.5, np.float32)
    for seed in range(6):
        _, changed, mask = draw("blocks", (image, image), seed)
        assert len(np.unique(changed[mask])) == 1
        drawn = [mask[::n, ::n].repeat(n, 0).repeat(n, 1) for n in range(2, 12)]
        assert any((squares[:64, :64] == mask).all() for squares in drawn)
