import cv2
import numpy as np
import pytest

from processing.data.image_set import ImageSet
from processing.data.tiling import TileSet, Tiling


def windows(tiling):
    return [tiling.window(i) for i in range(len(tiling))]


def test_tiles_cover_all_and_stay_inside():
    tiling = Tiling((10, 23), (4, 5), 3)
    covered = np.zeros(tiling.shape, int)
    for rows, columns in windows(tiling):
        assert (rows.stop - rows.start, columns.stop - columns.start) == (4, 5)
        assert rows.stop <= 10
        assert columns.stop <= 23
        covered[rows, columns] += 1
    assert covered.min() == 1
    assert len(set(map(str, windows(tiling)))) == len(tiling) == 3 * 7


@pytest.mark.parametrize("stride", [1, 3, 4])
def test_an_image_of_one_tile(stride, rng):
    tiling = Tiling((4, 5), (4, 5), stride)
    values = rng.random((4, 5), np.float32)
    assert len(tiling) == 1
    assert tiling.window(0) == (slice(0, 4), slice(0, 5))
    assert tiling.stitch([values]) is values


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_stitching_undoes_cutting(channels, rng):
    image = rng.random((10, 23, *channels), np.float32)
    tiling = Tiling((10, 23), (4, 5), 3)
    stitched = tiling.stitch([image[window] for window in windows(tiling)])
    np.testing.assert_allclose(stitched, image, rtol=1e-6)
    assert stitched.dtype == np.float32


def test_stitching_weighs_pixels_by_their_distance_from_the_edge(rng):
    """Against the weighted mean written out pixel by pixel."""
    tiling = Tiling((6, 9), (4, 4), 2)
    tiles = [rng.random((4, 4), np.float32) for _ in range(len(tiling))]
    stitched = tiling.stitch(tiles)
    for y in range(6):
        for x in range(9):
            values, weights = [], []
            for tile, (rows, columns) in zip(tiles, windows(tiling), strict=True):
                i, j = y - rows.start, x - columns.start
                if 0 <= i < 4 and 0 <= j < 4:
                    values.append(tile[i, j])
                    weights.append(min(i + 1, 4 - i) * min(j + 1, 4 - j))
            expected = np.average(values, weights=weights)
            assert stitched[y, x] == pytest.approx(expected, rel=1e-5)


@pytest.fixture
def images(tmp_path, rng):
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path in paths:
        cv2.imwrite(str(path), rng.integers(0, 256, (6, 9), dtype=np.uint8))
    return ImageSet(
        paths,
        names=[path.name for path in paths],
        labels=[0, 1, 0],
        classes=["good", "bad", "good"],
        image_shape=(6, 9, 1),
    )


def test_a_set_of_tiles(images):
    tiling = Tiling((6, 9), (4, 4), 2)
    tiles = TileSet(images, tiling)
    assert len(tiles) == 3 * len(tiling)
    assert tiles.image_shape == (4, 4, 1)
    assert tiles.labels.tolist() == [0] * 8 + [1] * 8 + [0] * 8
    whole = images.load(range(3))
    expected = [image[window] for image in whole for window in windows(tiling)]
    np.testing.assert_array_equal(tiles.load(range(len(tiles))), expected)
    np.testing.assert_array_equal(
        tiles.load([9, 0, 9]), [expected[i] for i in (9, 0, 9)]
    )
    batches = list(tiles.batches(7))
    assert [len(batch) for batch in batches] == [7, 7, 7, 3]
    np.testing.assert_array_equal(np.concatenate(batches), expected)
    subset = tiles.subset([17, 2])
    np.testing.assert_array_equal(subset.load([0, 1]), [expected[17], expected[2]])
    assert subset.names == (tiles.names[17], tiles.names[2])


def test_an_image_is_read_once_for_all_its_tiles(images, monkeypatch):
    images = ImageSet(
        images.paths,
        names=images.names,
        labels=images.labels,
        classes=images.classes,
        image_shape=images.image_shape,
        cache_bytes=0,
    )
    reads = []
    read = ImageSet._resized
    monkeypatch.setattr(
        ImageSet, "_resized", lambda self, path: reads.append(path) or read(self, path)
    )
    for _ in TileSet(images, Tiling((6, 9), (4, 4), 2)).batches(5):
        pass
    assert sorted(reads) == sorted(images.paths)
