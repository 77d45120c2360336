import numpy as np
import pytest

from processing.data.prepared import Prepared, PreparedGeometry, lowered, pack
from processing.geometry import scaling, shift

FRAME = (12, 16)


@pytest.mark.parametrize("shape", [(12, 16), (5, 7), (1, 1)])
def test_packed_masks_come_back(shape, rng):
    mask = rng.random(shape) > 0.5
    mask[0, 0] = False
    geometry = PreparedGeometry(np.eye(3), FRAME, shape, pack(mask))
    np.testing.assert_array_equal(geometry.judged, mask)
    assert geometry.judged.dtype == bool


def test_a_mask_of_all_is_none():
    assert pack(np.ones(FRAME, bool)) is None
    assert PreparedGeometry.whole(FRAME).judged is None


def test_a_whole_image_is_left_alone(rng):
    values = rng.random(FRAME, np.float32)
    geometry = PreparedGeometry.whole(FRAME)
    assert geometry.restore(values) is values
    assert geometry.restore_map(values) is values


def test_a_part_is_put_back_where_it_was(rng):
    image = rng.random((*FRAME, 3), np.float32)
    part = Prepared(image, PreparedGeometry.whole(FRAME)).part(
        (slice(2, 9), slice(5, 13))
    )
    np.testing.assert_array_equal(part.pixels, image[2:9, 5:13])
    values = part.pixels[..., 0]
    restored = part.geometry.restore_map(values)
    np.testing.assert_array_equal(restored[2:9, 5:13], values)
    outside = np.ones(FRAME, bool)
    outside[2:9, 5:13] = False
    assert (restored[outside] == values.min()).all()
    assert restored.dtype == np.float32


def test_a_part_of_a_part(rng):
    image = rng.random((*FRAME, 1), np.float32)
    mask = rng.random(FRAME) > 0.5
    whole = Prepared(image, PreparedGeometry(np.eye(3), FRAME, FRAME, pack(mask)))
    inner = whole.part((slice(2, 9), slice(5, 13))).part((slice(1, 3), slice(2, 6)))
    np.testing.assert_array_equal(inner.pixels, image[3:5, 7:11])
    np.testing.assert_array_equal(inner.geometry.judged, mask[3:5, 7:11])
    restored = inner.geometry.restore(inner.pixels)
    assert restored.shape == image.shape
    np.testing.assert_array_equal(restored[3:5, 7:11], image[3:5, 7:11])


def test_what_is_not_judged_has_the_lowest_judged_value(rng):
    values = rng.random(FRAME, np.float32)
    mask = values > 0.5
    geometry = PreparedGeometry(np.eye(3), FRAME, FRAME, pack(mask))
    restored = geometry.restore_map(values)
    np.testing.assert_array_equal(restored[mask], values[mask])
    assert (restored[~mask] == values[mask].min()).all()
    np.testing.assert_array_equal(restored, lowered(values, mask))


@pytest.mark.parametrize("matrix", [np.eye(3), shift(2, 1)])
def test_nothing_to_judge_gives_a_constant_map(rng, matrix):
    values = rng.random(FRAME, np.float32)
    geometry = PreparedGeometry(matrix, FRAME, FRAME, pack(np.zeros(FRAME, bool)))
    assert (geometry.restore_map(values) == values.min()).all()


def test_a_padded_map_is_stretched_back():
    """The middle half of the rows holds the image: each row becomes two."""
    matrix = shift(0, 3) @ scaling(1, 0.5)
    inside = np.zeros(FRAME, bool)
    inside[3:9] = True
    values = np.broadcast_to(np.arange(12, dtype=np.float32)[:, None], FRAME).copy()
    restored = PreparedGeometry(matrix, FRAME, FRAME, pack(inside)).restore_map(values)
    expected = 3 + (np.arange(12) + 0.5) / 2 - 0.5  # centres of rows
    np.testing.assert_allclose(restored[:, 4], expected, atol=0.02)


def test_memory_counts_the_mask():
    image, mask = np.zeros((*FRAME, 1), np.uint8), np.zeros(FRAME, bool)
    assert Prepared(image, PreparedGeometry.whole(FRAME)).nbytes == 192
    packed = PreparedGeometry(np.eye(3), FRAME, FRAME, pack(mask))
    assert Prepared(image, packed).nbytes == 192 + 24


def test_a_mask_is_seen_where_the_image_lies():
    mask = np.zeros(FRAME, bool)
    mask[3:6, 7:9] = True
    whole = PreparedGeometry.whole(FRAME)
    assert whole.seen(mask) is mask
    part = whole.part((slice(2, 9), slice(5, 13)))
    np.testing.assert_array_equal(part.seen(mask), mask[2:9, 5:13])
    wider = PreparedGeometry(scaling(2, 2), FRAME, (24, 32)).seen(mask)
    assert wider.shape == (24, 32)
    assert wider.sum() == pytest.approx(4 * mask.sum(), abs=8)
