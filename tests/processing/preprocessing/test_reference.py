import cv2
import numpy as np
import pytest

from processing.data.image_set import ImageSet
from processing.errors import UsageError, UserError
from processing.preprocessing.preparation import Preparation
from processing.preprocessing.reference import learn, registrable, typical

SIDE = 64


def part(x=0, y=0, size=(SIDE, SIDE)):
    """Return a dark part without symmetry before a bright background."""
    image = np.full(size, 220, np.uint8)
    cv2.rectangle(image, (18 + x, 14 + y), (34 + x, 50 + y), 60, -1)
    cv2.rectangle(image, (18 + x, 40 + y), (48 + x, 50 + y), 90, -1)
    return image


def image_set(folder, images):
    paths = [folder / f"{i:03}.png" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        cv2.imwrite(str(path), image)
    return ImageSet(
        paths,
        names=[path.name for path in paths],
        labels=[0] * len(paths),
        classes=["good"] * len(paths),
        image_shape=(SIDE, SIDE, 1),
    )


@pytest.fixture
def images(tmp_path):
    return image_set(tmp_path, [part(x, 0) for x in (-6, -3, 0, 2, 7)])


def test_the_typical_image_is_nearest_to_the_mean(images):
    assert typical(images) == images.paths[2]
    assert typical(images.subset([4])) == images.paths[4]


def test_nothing_is_learned_where_nothing_is_asked_for(images):
    preparation = Preparation((SIDE, SIDE), 1, pad=True, crop=(32, 32))
    assert learn(preparation, images) is preparation


def test_the_reference_of_a_registration(images):
    plain = Preparation((SIDE, SIDE), 1, register="ecc")
    learned = learn(plain, images)
    assert set(learned.arrays) == {"reference"}
    assert learned.reference == str(images.paths[2])
    np.testing.assert_array_equal(learned.arrays["reference"], part())
    given = learn(
        Preparation((SIDE, SIDE), 1, register="ecc", reference=str(images.paths[0])),
        images,
    )
    np.testing.assert_array_equal(given.arrays["reference"], part(-6))


def test_a_mask_is_given_in_pixels_of_the_reference(tmp_path):
    """A larger, wide image: the mask goes through the same resizing and padding."""
    large = cv2.resize(part(), (4 * SIDE, 2 * SIDE), interpolation=cv2.INTER_NEAREST)
    images = image_set(tmp_path, [large])
    options = {"mask": "64,32,128,64"}
    mask = learn(Preparation((SIDE, SIDE), 1, **options), images).arrays["mask"]
    expected = np.ones((SIDE, SIDE), bool)
    expected[16:48, 16:48] = False
    np.testing.assert_array_equal(mask, expected)
    padded = learn(Preparation((SIDE, SIDE), 1, pad=True, **options), images)
    expected = np.ones((SIDE, SIDE), bool)
    expected[24:40, 16:48] = False
    np.testing.assert_array_equal(padded.arrays["mask"], expected)


def test_the_core_is_foreground_in_half_of_the_images(images):
    learned = learn(Preparation((SIDE, SIDE), 1, mask="foreground"), images)
    assert set(learned.arrays) == {"core"}
    core = learned.arrays["core"]
    assert core[14:51, 20:34].all()
    assert not core[:, :10].any()
    assert not core[14:38, 40:].any()
    assert learned.reference is None


def test_the_core_of_registered_images(images):
    """All lie where the reference does, so that the core is its foreground."""
    options = {"register": "ecc", "mask": "foreground", "crop": (32, 32), "tile": 16}
    options |= {"stride": 8, "blank": True}
    learned = learn(Preparation((SIDE, SIDE), 1, **options), images)
    assert set(learned.arrays) == {"core", "reference"}
    core = learned.arrays["core"]
    assert core.shape == (SIDE, SIDE)
    assert (core == (part() < 150)).mean() > 0.97


def test_textures_have_no_foreground(tmp_path, rng):
    noise = [rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8) for _ in range(3)]
    with pytest.raises(UserError, match="even background .* Found: .* 0.85 is needed"):
        learn(
            Preparation((SIDE, SIDE), 1, mask="foreground"), image_set(tmp_path, noise)
        )


def test_training_images_that_cannot_be_registered(tmp_path, rng):
    noise = [rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8) for _ in range(2)]
    images = image_set(tmp_path, [part(x, 0) for x in range(-2, 3)] + noise)
    preparation = learn(Preparation((SIDE, SIDE), 1, register="ecc"), images)
    with pytest.warns(UserWarning, match="left out 1 of 6 .* registered: 005.png"):
        kept = registrable(images.subset(range(6)), preparation)
    assert kept.names == images.names[:5]
    with pytest.raises(UserError, match="2 of 7 .*005.png, 006.png; expected another"):
        registrable(images, preparation)
    assert registrable(images, Preparation((SIDE, SIDE), 1)) is images


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"register": "orb", "reference": "gone.png"}, "--reference: gone.png: not a"),
        ({"reference": "000.png"}, "--reference goes with --register"),
        ({"mask": "60,60,9,9"}, "60,60,9,9 lies outside .* 64x64"),
        ({"mask": "front"}, "expected foreground, an image file"),
    ],
)
def test_options_that_cannot_be_met(images, options, message):
    with pytest.raises(UsageError, match=message):
        learn(Preparation((SIDE, SIDE), 1, **options), images)
