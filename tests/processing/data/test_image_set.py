import errno
import threading
import time

import cv2
import numpy as np
import pytest

from processing.data import image_set as module
from processing.data.image_set import ImageSet
from processing.errors import UserError

SHAPE = (8, 10, 3)
COUNT = 7


@pytest.fixture
def pixels(rng):
    return rng.integers(0, 256, (COUNT, *SHAPE), dtype=np.uint8)


@pytest.fixture
def paths(tmp_path, pixels):
    paths = [tmp_path / f"{i:03}.png" for i in range(COUNT)]
    for path, image in zip(paths, pixels, strict=True):
        cv2.imwrite(str(path), image[..., ::-1])
    return paths


def image_set(paths, **changes):
    arguments = {
        "names": [path.name for path in paths],
        "labels": [i % 2 for i in range(len(paths))],
        "classes": [("good", "scratch")[i % 2] for i in range(len(paths))],
        "image_shape": SHAPE,
    }
    return ImageSet(paths, **(arguments | changes))


@pytest.fixture
def reads(monkeypatch):
    """Return the paths decoded so far."""
    seen = []
    read_image = module.read_image

    def read(path, *, shape):
        seen.append(path)
        return read_image(path, shape=shape)

    monkeypatch.setattr(module, "read_image", read)
    return seen


def test_what_is_given_is_kept(paths):
    images = image_set(paths)
    assert len(images) == COUNT
    assert images.paths == tuple(paths)
    assert images.names[1] == "001.png"
    assert images.classes[:2] == ("good", "scratch")
    assert images.mask_paths == ((),) * COUNT
    assert images.groups == images.files == images.paths
    assert images.image_shape == SHAPE
    assert images.labels.dtype == np.int8
    with pytest.raises(ValueError, match="read-only"):
        images.labels[0] = 1


def test_batches_hold_the_images_in_order(paths, pixels):
    batches = list(image_set(paths).batches(3))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert all(batch.dtype == np.float32 for batch in batches)
    np.testing.assert_array_equal(
        np.concatenate(batches), pixels.astype(np.float32) / np.float32(255)
    )


@pytest.mark.parametrize("size", [2, COUNT, 100])
def test_a_batch_of_n_equals_n_batches_of_one(paths, size):
    images = image_set(paths)
    single = np.concatenate(list(images.batches(1)))
    np.testing.assert_array_equal(np.concatenate(list(images.batches(size))), single)


def test_cached_and_streamed_images_are_equal(paths, reads):
    cached, streamed = image_set(paths), image_set(paths, cache_bytes=0)
    first = np.concatenate(list(cached.batches(2)))
    assert len(reads) == COUNT
    np.testing.assert_array_equal(np.concatenate(list(cached.batches(2))), first)
    assert len(reads) == COUNT  # from memory
    for _ in range(2):
        np.testing.assert_array_equal(np.concatenate(list(streamed.batches(2))), first)
    assert len(reads) == 3 * COUNT
    np.testing.assert_array_equal(
        cached.load(range(COUNT)), streamed.load(range(COUNT))
    )


@pytest.mark.parametrize(("spare", "again"), [(0, 0), (-1, COUNT)])
def test_the_cache_takes_a_set_that_fits_as_a_whole(paths, reads, spare, again):
    images = image_set(paths, cache_bytes=COUNT * np.prod(SHAPE) + spare)
    images.load(range(COUNT))
    images.load(range(COUNT))
    assert len(reads) == COUNT + again


def test_the_cache_holds_no_more_than_its_limit(tmp_path, rng):
    paths = [tmp_path / f"{i}.png" for i in range(COUNT)]
    for path in paths:
        deep = rng.integers(0, 65536, SHAPE, dtype=np.uint16)
        path.write_bytes(cv2.imencode(".png", deep)[1].tobytes())
    limit = int(COUNT * np.prod(SHAPE) * 2)  # enough as uint8, half of it as float32
    images = image_set(paths, cache_bytes=limit)
    first = np.concatenate(list(images.batches(2)))
    held = sum(image.nbytes for image in images._cache.images.values())
    assert 0 < held <= limit
    np.testing.assert_array_equal(np.concatenate(list(images.batches(3))), first)
    assert len(np.unique(first)) > 256
    np.testing.assert_array_equal(images.load([0])[0], first[0])


def test_reading_ahead_is_bounded(paths, reads, monkeypatch):
    monkeypatch.setattr(module, "WORKERS", 1)
    many = [paths[i % COUNT] for i in range(100)]
    images = image_set(many, names=[str(i) for i in range(100)], cache_bytes=0)
    batches, before = images.batches(4), set(threading.enumerate())
    next(batches)
    time.sleep(0.1)
    assert len(reads) <= 4 + 4 + 1 + 1
    assert set(threading.enumerate()) - before
    batches.close()
    assert not set(threading.enumerate()) - before


def test_load_picks_in_the_order_asked(paths, pixels):
    images = image_set(paths)
    loaded = images.load([4, 0, 4, -1])
    assert loaded.dtype == np.float32
    unit = pixels / np.float32(255)
    np.testing.assert_array_equal(loaded, unit[[4, 0, 4, -1]])
    loaded[:] = 0  # a copy: the cache is not changed
    np.testing.assert_array_equal(images.load(np.array([4])), unit[[4]])
    assert images.load([]).shape == (0, *SHAPE)
    with pytest.raises(IndexError):
        images.load([COUNT])


def test_subset_shares_what_is_decoded(paths, pixels, reads):
    images = image_set(paths)
    images.load(range(COUNT))
    subset = images.subset([5, 2])
    assert subset.names == ("005.png", "002.png")
    assert subset.labels.tolist() == [1, 0]
    assert subset.classes == ("scratch", "good")
    np.testing.assert_array_equal(subset.load([0, 1]), pixels[[5, 2]] / np.float32(255))
    assert len(reads) == COUNT


def test_subset_by_mask_and_empty_subset(paths):
    images = image_set(paths)
    assert images.subset(images.labels == 1).names == ("001.png", "003.png", "005.png")
    empty = images.subset([])
    assert len(empty) == 0
    assert list(empty.batches(2)) == []


def test_with_shape_resizes(paths, pixels):
    images = image_set(paths)
    images.load([0])
    other = images.with_shape((4, 5, 1))
    assert other.names == images.names
    assert other.load([0]).shape == (1, 4, 5, 1)
    np.testing.assert_array_equal(images.load([0])[0], pixels[0] / np.float32(255))


def test_masks(tmp_path, paths):
    mask_path = tmp_path / "mask.png"
    drawn = np.zeros((16, 20), np.uint8)
    drawn[:8] = 255
    cv2.imwrite(str(mask_path), drawn)
    images = image_set(paths[:3], mask_paths=[[], [mask_path], []])
    good, anomalous = images.mask(0), images.mask(1)
    assert good.shape == anomalous.shape == SHAPE[:2]
    assert good.dtype == anomalous.dtype == bool
    assert not good.any()
    assert anomalous[:4].all()
    assert not anomalous[4:].any()
    np.testing.assert_array_equal(images.mask(1, (16, 20)), drawn > 0)
    assert images.mask(0, (3, 4)).shape == (3, 4)


def test_several_masks_of_an_image_are_merged(tmp_path, paths):
    masks = []
    for row in (0, 10):
        drawn = np.zeros((16, 20), np.uint8)
        drawn[row : row + 2] = 255
        masks.append(tmp_path / f"mask_{row}.png")
        cv2.imwrite(str(masks[-1]), drawn)
    images = image_set(paths[:2], mask_paths=[(), masks])
    assert images.mask(1, (16, 20)).any(axis=1).nonzero()[0].tolist() == [0, 1, 10, 11]


def test_groups_stay_with_their_images(paths):
    images = image_set(paths[:3], groups=["a", "", "a"])
    assert images.groups == ("a", paths[1], "a")
    assert images.subset([1, 2]).groups == (paths[1], "a")
    assert images.with_good([paths[4]]).groups[2:] == ("a", paths[4])


@pytest.mark.parametrize("label", [1, -1])
def test_no_mask(paths, label):
    images = image_set(paths[:2], labels=[0, label])
    with pytest.raises(UserError, match="001.png has no ground truth mask"):
        images.mask(1)


def test_unreadable_images(paths):
    paths[2].write_text("not an image")
    paths[5].write_bytes(paths[5].read_bytes()[:50])
    images = image_set(paths)
    assert list(images.unreadable()) == [2, 5]
    with pytest.raises(UserError, match=r"002.png: not a readable image"):
        list(images.batches(2))
    with pytest.raises(UserError, match=r"005.png: not a readable image"):
        images.load([5])


def test_a_file_that_shrinks_and_a_drive_that_vanishes(paths, monkeypatch):
    images = image_set(paths, cache_bytes=0)
    monkeypatch.setattr(module, "WORKERS", 1)
    assert not images.unreadable()
    batches = images.batches(1)
    next(batches)
    paths[6].write_bytes(paths[6].read_bytes()[:60])
    with pytest.raises(UserError, match=r"006.png: .*the file is cut off or damaged"):
        list(batches)
    batches = images.batches(1)
    next(batches)

    def stale(path):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr("pathlib.Path.read_bytes", stale)
    with pytest.raises(
        UserError, match=r"png: not a readable image .Stale file handle"
    ):
        list(batches)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ["a"]}, "must have one length. Received: .*'names': 1"),
        ({"labels": [0]}, "must have one length. Received: .*'labels': 1"),
        ({"classes": []}, "must have one length. Received: .*'classes': 0"),
        ({"mask_paths": [[]]}, "must have one length. .*'mask_paths': 1"),
        ({"names": ["a", "a"]}, "`names` must be unique. Received twice: 'a'"),
        ({"labels": [0, 2]}, "`labels` must be 0, 1 or -1"),
        ({"image_shape": (8, 8, 2)}, "`image_shape` must be .* Received: .*8, 8, 2"),
        ({"image_shape": (0, 8, 1)}, "`image_shape` must be"),
    ],
)
def test_arguments_that_do_not_fit(paths, changes, message):
    with pytest.raises(ValueError, match=message):
        image_set(paths[:2], **changes)


def test_batch_size_is_checked_at_once(paths):
    with pytest.raises(ValueError, match="`size` must be >= 1 image. Received: size=0"):
        image_set(paths).batches(0)
