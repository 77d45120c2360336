import base64

import cv2
import numpy as np
import pytest

from processing.errors import UserError
from processing.report.gallery import (
    FOLDER,
    INSIDE,
    LARGEST,
    MASK_COLOUR,
    OVERLAY,
    THUMBNAIL,
    ColourScale,
    Gallery,
    draw,
    scaled,
)


def decoded(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


@pytest.fixture
def image():
    return np.full((60, 40, 3), 90, np.uint8)


@pytest.mark.parametrize(
    ("threshold", "typical", "limits"),
    [
        (3.0, 1.0, (1.0, 5.0)),
        (-2.0, -5.0, (-5.0, 1.0)),
        (3.0, None, (0.0, 6.0)),  # a finetuning result of an earlier version
        (3.0, 4.0, (0.0, 6.0)),
        (0.0, 0.0, (-1.0, 1.0)),
        (-3.0, -1.0, (-6.0, 0.0)),
    ],
)
def test_threshold_is_in_the_middle_of_the_colours(threshold, typical, limits):
    scale = ColourScale.around(threshold, typical)
    assert (scale.low, scale.high) == limits
    painted = scale.paint(np.array([[limits[0] - 9, *limits, limits[1] + 9]]))
    assert painted.shape == (1, 4, 3)
    assert painted[0, :2].max() < 10  # black
    assert painted[0, 2:].min() > 150  # light
    middle = scale.paint(np.array([[threshold]]))[0, 0]
    ramp = cv2.applyColorMap(np.arange(256, dtype="uint8")[None], cv2.COLORMAP_INFERNO)
    assert middle.tolist() == ramp[0, 128].tolist()


def test_pictures_have_the_proportions_of_the_image(image):
    regions = np.zeros((16, 16), bool)
    regions[4:8, 4:8] = True
    painted = np.zeros((16, 16, 3), np.uint8)
    nothing = np.zeros((16, 16), bool)
    pictures = draw(image, painted, regions, nothing, None)
    assert set(pictures) == {"image", "map", "mask"}
    assert decoded(pictures["image"]).shape == (60, 40, 3)
    assert decoded(pictures["map"]).shape == (16, 11, 3)
    mask = decoded(pictures["mask"])
    assert mask.shape == (OVERLAY, OVERLAY * 2 // 3, 4)
    middle = mask[OVERLAY * 6 // 16, OVERLAY * 2 // 3 * 6 // 16]
    assert middle[2::-1].tolist() == list(MASK_COLOUR)
    assert 0 < middle[3] < 255
    assert not mask[OVERLAY // 8, :, 3].any()
    assert mask[..., 3].max() == 255


def test_large_images_are_shrunk_and_get_a_thumbnail():
    image = np.full((400, 1000, 3), 90, np.uint8)
    nothing, painted = np.zeros((16, 16), bool), np.zeros((16, 16, 3), np.uint8)
    pictures = draw(image, painted, nothing, nothing, nothing)
    assert set(pictures) == {"image", "map", "thumbnail"}
    assert decoded(pictures["image"]).shape == (256, LARGEST, 3)
    assert decoded(pictures["thumbnail"]).shape == (102, THUMBNAIL, 3)


def test_the_smallest_region_of_a_large_mask_is_drawn(image):
    truth = np.zeros((2000, 1300), bool)
    truth[1001, 601] = True
    nothing = truth[:8, :8]
    pictures = draw(image, np.zeros((8, 8, 3), np.uint8), nothing, nothing, truth)
    assert (decoded(pictures["truth"])[..., 3] > 0).sum() >= 9


def test_regions_that_do_not_count_are_outlined_thinly(image, tmp_path):
    anomaly_map, mask = np.zeros((16, 16)), np.zeros((16, 16), bool)
    anomaly_map[2:14, 2:6] = anomaly_map[2:14, 10:14] = 2
    mask[2:14, 2:6] = True
    with Gallery(tmp_path / "report", ColourScale.around(1, 0)) as gallery:
        gallery.add(image, anomaly_map, mask)
    opacity = decoded(base64.b64decode(gallery.urls[0]["mask"].split(",")[1]))[..., 3]
    left, right = np.array_split(opacity, 2, axis=1)
    assert (left == 255).mean() > 1.5 * (right == 255).mean() > 0
    assert set(np.unique(left)) == {0, INSIDE, 255}
    assert set(np.unique(right)) == {0, 255}


def test_scaled_keeps_a_pixel():
    assert scaled((1000, 1), 10) == (10, 1)


def test_few_pictures_are_data_uris(image, tmp_path):
    folder = tmp_path / "report"
    old = folder / FOLDER / "map/000000.jpg"
    old.parent.mkdir(parents=True)
    old.touch()
    with Gallery(folder, ColourScale.around(1, 0)) as gallery:
        gallery.add(image, np.zeros((8, 8)), np.zeros((8, 8), bool))
    [pictures] = gallery.urls
    head, data = pictures["image"].split(",")
    assert head == "data:image/jpeg;base64"
    assert decoded(base64.b64decode(data)).shape == (60, 40, 3)
    assert list(folder.iterdir()) == []


def test_many_pictures_are_files(image, tmp_path):
    folder = tmp_path / "report"
    killed = folder / f".{FOLDER}/map/000009.jpg"  # of a process that was killed
    killed.parent.mkdir(parents=True)
    killed.touch()
    with Gallery(folder, ColourScale.around(1, 0), embedded=3000) as gallery:
        for _ in range(5):
            gallery.add(image, np.zeros((8, 8)), np.ones((8, 8), bool))
    assert [path.name for path in folder.iterdir()] == [FOLDER]
    assert [set(urls) for urls in gallery.urls] == [{"image", "map", "mask"}] * 5
    files = [url for urls in gallery.urls for url in urls.values()]
    assert len(set(files)) == 15
    assert sum(path.is_file() for path in folder.rglob("*")) == 15
    for file in files:
        assert decoded((folder / file).read_bytes()) is not None


def test_small_maps_count_among_what_a_page_holds(image, tmp_path, rng):
    anomaly_map, mask = rng.random((64, 64)), np.zeros((64, 64), bool)

    def drawn(embedded, min_area):
        scale = ColourScale.around(1, 0)
        with Gallery(tmp_path, scale, embedded, min_area) as gallery:
            gallery.add(image, anomaly_map, mask)
        return gallery.urls[0].values()

    pictures = sum(map(len, drawn(10**6, None)))
    assert all(url.startswith("data:") for url in drawn(pictures, None))
    assert all(url.startswith(FOLDER) for url in drawn(pictures, 1))


def test_nothing_is_left_of_a_gallery_that_failed(image, tmp_path):
    folder = tmp_path / "report"
    kept = folder / FOLDER / "map/000000.jpg"
    kept.parent.mkdir(parents=True)
    kept.touch()

    def fail():
        with Gallery(folder, ColourScale.around(1, 0), embedded=0) as gallery:
            gallery.add(image, np.zeros((8, 8)), np.zeros((8, 8), bool))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [path.name for path in folder.iterdir()] == [FOLDER]
    assert kept.exists()


def test_a_folder_that_cannot_be_written(image, tmp_path):
    (tmp_path / "report").touch()
    with (
        pytest.raises(UserError, match="cannot write .*report_files"),
        Gallery(tmp_path / "report", ColourScale.around(1, 0), embedded=0) as gallery,
    ):
        gallery.add(image, np.zeros((8, 8)), np.zeros((8, 8), bool))
