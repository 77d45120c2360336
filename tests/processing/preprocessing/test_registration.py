import cv2
import numpy as np
import pytest

from processing.geometry import warped
from processing.preprocessing.registration import MIN_CORRELATION, correlation, register
from processing.samples import draw_sample

SIDE = 160
CORNERS = np.array([[20, 20, 1], [140, 20, 1], [140, 140, 1], [20, 140, 1]]).T


def bracket(size=(SIDE, SIDE), seed=0):
    """Return a grey part without symmetry, noisy, in front of a dark background."""
    image = np.full((SIDE, SIDE), 40, np.uint8)
    outline = [[45, 37], [83, 37], [88, 96], [121, 100], [121, 125], [50, 125]]
    cv2.fillPoly(image, [np.array(outline)], 170)
    cv2.circle(image, (65, 54), 8, 40, -1)
    cv2.circle(image, (106, 112), 6, 40, -1)
    noise = np.random.default_rng(seed).normal(0, 4, image.shape)
    image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)


def marked(seed=0):
    """Return a surface with marks of its own, whatever its outline."""
    image = draw_sample("fabric", "train/good", 0, size=SIDE).image
    image = np.ascontiguousarray(image[..., 0])
    rng = np.random.default_rng(seed)
    for x, y in rng.integers(10, 150, (40, 2)).tolist():
        colour = int(rng.integers(0, 256))
        cv2.circle(image, (x, y), int(rng.integers(2, 9)), colour, -1)
    return image


def moved(image, angle, shift, scale=1.0):
    """Return an image turned, moved and scaled, and the matrix that does it."""
    height, width = image.shape
    middle = ((width - 1) / 2, (height - 1) / 2)
    matrix = np.vstack([cv2.getRotationMatrix2D(middle, angle, scale), [0, 0, 1]])
    matrix[:2, 2] += shift
    return warped(image, matrix), matrix


def error(matrix):
    """Return how far, at most, a matrix moves the corners of the part."""
    points = matrix @ CORNERS
    return np.abs(points[:2] / points[2] - CORNERS[:2]).max()


@pytest.mark.parametrize(
    ("way", "draw", "angle", "limit"),
    [
        ("ecc", bracket, 6, 0.5),
        ("ecc", bracket, 130, 0.5),
        ("orb", marked, 6, 1.5),
        ("orb", marked, -130, 1.5),
    ],
)
def test_a_moved_image_is_moved_back(way, draw, angle, limit):
    reference = draw()
    image, matrix = moved(reference, angle, (7, -5), scale=0.97)
    homography = register(image, reference, way)
    assert error(homography @ matrix) < limit
    assert correlation(image, reference, homography) > 0.9


def test_a_tilted_image_needs_the_homography():
    reference = marked()
    corners = np.float32([[0, 0], [160, 0], [160, 160], [0, 160]])
    tilted = corners + np.float32([[6, 2], [-3, 8], [2, -5], [4, 1]])
    matrix = cv2.getPerspectiveTransform(corners, tilted)
    homography = register(warped(reference, matrix), reference, "orb")
    assert error(homography @ matrix) < 2
    assert abs(homography[2, :2]).max() > 1e-5


def test_a_defect_does_not_lead_astray():
    reference = bracket()
    image, matrix = moved(bracket(seed=1), 5, (4, 3))
    image[70:95, 60:85] = 10
    assert error(register(image, reference, "ecc") @ matrix) < 2


@pytest.mark.parametrize("size", [(SIDE, 240), (1100, 800)])
def test_frames_of_any_size(size):
    """Large images are registered small; the homography is one of their own pixels."""
    reference = bracket(size)
    image, matrix = moved(reference, 8, (size[1] / 30, 0))
    homography = register(image, reference, "ecc") @ matrix
    points = np.array([[0.2, 0.2, 1], [0.8, 0.8, 1]]).T * [[size[1]], [size[0]], [1]]
    moves = (homography @ points)[:2] / (homography @ points)[2] - points[:2]
    assert np.abs(moves).max() < max(size) / 200


@pytest.mark.parametrize("way", ["orb", "ecc"])
@pytest.mark.parametrize("content", ["empty", "noise", "another"])
def test_what_is_not_the_part_is_not_registered(way, content, rng):
    reference = bracket()
    image = {
        "empty": np.full((SIDE, SIDE), 40, np.uint8),
        "noise": rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8),
        "another": marked(),
    }[content]
    assert register(image, reference, way) is None


def test_too_little_left_in_the_image_is_not_registered():
    image, _ = moved(bracket(), 0, (0.6 * SIDE, 0))
    assert register(image, bracket(), "orb") is None


def test_correlation_is_that_of_numpy(rng):
    a, b = rng.integers(0, 256, (2, 20, 30), dtype=np.uint8)
    expected = np.corrcoef(a.ravel(), b.ravel())[0, 1]
    assert correlation(a, b, np.eye(3)) == pytest.approx(expected)
    assert correlation(a, a, np.eye(3)) == pytest.approx(1)
    brighter = (a // 2 + 90).astype(np.uint8)
    assert correlation(brighter, a, np.eye(3)) > 0.99
    assert correlation(np.full_like(a, 5), b, np.eye(3)) == 0 < MIN_CORRELATION


def test_what_lies_right_already_stays(monkeypatch):
    """Also where no features are found, or the search does not converge."""
    flat = cv2.GaussianBlur(bracket(), (0, 0), 5)
    for way in ("orb", "ecc"):
        assert error(register(bracket(seed=1), bracket(), way)) < 0.5
        assert error(register(flat, flat, way)) < 0.1
    monkeypatch.setattr("processing.preprocessing.registration._ecc", lambda *_: [])
    assert error(register(flat, flat, "ecc")) == 0
