import cv2
import numpy as np
import pytest

from processing.decision.decision import Decision
from processing.report.binding import GAP, LINE, SIDE, BindingImage, write_binding
from processing.report.gallery import ColourScale

TOP = 2 * LINE  # where the pictures begin
SCALE = ColourScale(0, 2, 4)


@pytest.fixture
def drawn(tmp_path):
    """Return what draws images of a critical threshold and a picture's shape."""

    def draw(*images):
        decided_map = np.zeros((16, 16), np.float32)
        decided_map[4:8, 4:8] = 1.5
        decided_map[12:14, 12:14] = 3  # too small
        shown = [
            BindingImage(name, critical, np.full((*shape, 3), 200, np.uint8), one)
            for name, critical, shape, one in (
                (*image, decided_map + image[1] - 1.5) for image in images
            )
        ]
        write_binding(tmp_path / "binding.png", shown, Decision(2, 9), SCALE)
        return cv2.imread(str(tmp_path / "binding.png"))[..., ::-1]

    return draw


def test_the_region_that_binds_is_outlined_and_red_if_it_counts(drawn):
    picture = drawn(("a.png", 1.5, (64, 64)), ("b.png", 2.5, (64, 64)))
    assert picture.shape == (TOP + 2 * (SIDE + GAP), 2 * (SIDE + GAP), 3)
    for column, counts in enumerate((False, True)):
        left = column * (SIDE + GAP)
        image = picture[TOP : TOP + SIDE, left : left + SIDE].astype(int)
        painted = picture[TOP + SIDE + GAP :, left : left + SIDE]
        inside, beside = image[SIDE * 3 // 8, SIDE * 3 // 8], image[5, 5]
        assert (inside[0] > inside[2] + 20) == counts
        assert beside.tolist() == [200] * 3
        for part in (image, painted):
            white = (part == 255).all(axis=2)[:SIDE]
            rows, columns = np.nonzero(white)
            for places in (rows, columns):
                low, high = places.min(), places.max() + 1
                assert (low, high) == (SIDE // 4, SIDE // 2)


def test_names_of_any_length_and_pictures_of_any_shape(drawn):
    names = ("train/good/" + "x" * 300 + ".png", "\x1b[31mä.png")
    picture = drawn((names[0], 1.5, (90, 30)), (names[1], 1.5, (10, 200)))
    assert picture.shape == (TOP + 2 * (SIDE + GAP), 2 * (SIDE + GAP), 3)
    for left in (0, SIDE + GAP):
        text = picture[:TOP, left : left + SIDE + GAP]
        assert (text < 128).any()
        assert (text[:, -GAP:] == 255).all()  # no name runs into the next
