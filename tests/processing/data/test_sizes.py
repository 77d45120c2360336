from pathlib import Path

import pytest

from processing.data.sizes import (
    SEEN,
    describe_sizes,
    is_squeezed,
    side_for,
    size_for,
    spread,
    training_sizes,
)
from processing.data.tree import FoundImage
from tests.folders import make


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], (256, 256)),
        ([(384, 384)], (256, 256)),
        ([(1000, 1090)], (256, 256)),  # nearly square
        ([(1263, 500)], (416, 160)),
        ([(500, 1263)], (160, 416)),
        ([(480, 640)], (224, 288)),
        ([(4000, 100)], (512, 128)),  # no longer than 4:1
        ([(100, 4000)], (128, 512)),
        ([(400, 200)] * 9 + [(200, 400)], (352, 192)),  # the median
        ([(400, 200)] * 5 + [(200, 400)] * 5, (256, 256)),  # upright and lying
        ([(400, 300), (400, 200), (400, 100)], (352, 192)),  # all upright
    ],
)
def test_the_size_follows_the_aspect(sizes, expected):
    assert size_for(sizes, 256, 32) == expected


@pytest.mark.parametrize("multiple", [8, 14, 32, 64, 128, 256])
@pytest.mark.parametrize("aspect", [1.2, 1.5, 2.0, 2.5, 4.0, 9.0])
def test_sides_are_multiples_with_about_the_pixels_of_the_square(aspect, multiple):
    height, width = size_for([(round(1000 * aspect), 1000)], 256, multiple)
    assert height % multiple == width % multiple == 0
    assert height >= width
    assert 1 / 1.5 <= height * width / 256**2 <= 1.5
    assert size_for([(1000, round(1000 * aspect))], 256, multiple) == (width, height)


def test_large_images_are_judged_larger():
    few, many = [(300, 400)] * 3, [(384, 384)] * 4
    assert [side_for(x, 256, 384) for x in ([], few, few + many)] == [256, 256, 384]


def test_a_multiple_too_coarse_for_the_aspect_keeps_the_square():
    assert size_for([(1263, 500)], 256, 256) == (256, 256)
    assert size_for([(1263, 500)], 64, 32) == (96, 32)


@pytest.mark.parametrize(
    ("size", "sizes", "squeezed"),
    [
        ((416, 160), [(640, 256)], False),
        ((256, 256), [(640, 256)], True),
        ((512, 128), [(4000, 100)], True),
        ((256, 256), [(300, 300)], False),
        ((352, 192), [(400, 300), (400, 200), (400, 100)], True),
    ],
)
def test_squeezed(size, sizes, squeezed):
    assert is_squeezed(size, sizes) == squeezed


def test_sizes_come_from_good_training_images(tmp_path):
    make(tmp_path, "a.png", "b.png")
    (tmp_path / "broken.png").write_bytes(b"no image")

    def image(name, kind="good", split="train"):
        return FoundImage(tmp_path / name, name, kind, split)

    images = [image("a.png"), image("b.png", split=""), image("broken.png")]
    images += [image("a.png", split="test"), image("a.png", "hole")]
    assert training_sizes(images) == [(12, 10), (12, 10)]


def test_of_many_images_some_are_looked_at():
    paths = [Path(str(i)) for i in range(10 * SEEN)]
    assert len(spread(paths, SEEN)) == SEEN
    assert spread(paths, 3) == [paths[0], paths[round(len(paths) / 2 - 0.5)], paths[-1]]
    assert spread([], 3) == []


def test_description_of_sizes():
    assert describe_sizes([(5, 7), (5, 7)]) == "5x7"
    assert describe_sizes([(5, 7), (6, 2)]) == "5-6x2-7"
