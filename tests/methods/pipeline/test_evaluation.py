import cv2
import numpy as np
import pytest

from methods.detector.judge import Verdict
from methods.pipeline.evaluation import (
    all_metrics,
    known_mask,
    locate,
    metric_curves,
    native_mask,
    pixel_metrics,
    warn_of_masks,
)
from processing.data.image_set import ImageSet
from processing.metrics.localisation import Localisation
from processing.metrics.pixel_metrics import PIXEL_METRICS, PixelMetrics

CLASSES = ["good", "good", "hole", "hole", "scratch"]


@pytest.fixture
def rows():
    """Return rows in which the hole images are told apart and the scratch is not."""
    scores = [1.0, 2.0, 3.0, 4.0, 1.5]
    verdicts = ["good", "defective", "defective", "defective", "good"]
    return [
        {
            "class": name,
            "label": "good" if name == "good" else "defective",
            "verdict": verdict,
            "score": score,
        }
        for name, verdict, score in zip(CLASSES, verdicts, scores, strict=True)
    ]


@pytest.fixture
def make_set(tmp_path):
    """Return a function that makes an image set of 12x10 files, with masks for some."""
    image, mask = np.zeros((12, 10), np.uint8), np.zeros((12, 10), np.uint8)
    mask[2:5, 3:9] = 255
    cv2.imwrite(str(tmp_path / "image.png"), image)
    cv2.imwrite(str(tmp_path / "mask.png"), mask)

    def make(classes, masked=(), label=lambda name: int(name != "good")):
        return ImageSet(
            [tmp_path / "image.png"] * len(classes),
            names=[f"{i}" for i in range(len(classes))],
            labels=[label(name) for name in classes],
            classes=classes,
            image_shape=(4, 4, 1),
            mask_paths=[
                [tmp_path / "mask.png"] if x in masked else [] for x in classes
            ],
        )

    return make


def test_metrics_of_all_and_of_classes(rows):
    result = all_metrics(rows, "because of a test", seed=1)
    assert result["TPR"] == pytest.approx(2 / 3)
    assert result["TNR"] == 0.5
    assert result["score"] == pytest.approx(7 / 12)
    assert result["image_auroc"] == pytest.approx(5 / 6)
    assert result["confusion"]["false_positives"] == 1
    low, high = result["intervals_95"]["image_auroc"]
    assert low < 5 / 6 <= high
    assert result["undefined"] == dict.fromkeys(PIXEL_METRICS, "because of a test")
    classes = result["classes"]
    assert list(classes) == ["good", "hole", "scratch"]
    assert classes["good"] == {"images": 2, "called_defective": 1}
    assert classes["hole"]["images"] == classes["hole"]["called_defective"] == 2
    assert classes["hole"]["image_auroc"] == classes["hole"]["image_f1max"] == 1
    assert classes["scratch"]["image_auroc"] == 0.5
    assert classes["scratch"]["pixel_auroc"] is None
    assert set(metric_curves(rows, "because of a test")) == {"image_roc", "image_pr"}


def test_metrics_without_good_images(rows):
    result = all_metrics(rows[2:], "because of a test", seed=1)
    missing = {"TNR", "score", "image_auroc", "image_ap", "image_f1max"}
    reasons = {key: result["undefined"][key] for key in missing}
    assert set(reasons.values()) == {"because there are no good images"}
    assert all(result[key] is None for key in missing)
    assert result["TPR"] == pytest.approx(2 / 3)
    assert result["intervals_95"].keys() == {"TPR"}
    assert metric_curves(rows[2:], "because of a test") == {}


def test_metrics_of_images_without_labels(rows):
    unlabelled = [{**row, "label": "", "class": "unknown"} for row in rows]
    result = all_metrics(unlabelled, "because no image has a label", seed=1)
    assert result["image_auroc"] is result["score"] is result["pixel_auroc"] is None
    assert set(result["undefined"].values()) == {"because no image has a label"}
    assert result["classes"] == {"unknown": {"images": 5, "called_defective": 3}}
    assert result["intervals_95"] == {}


def test_pixel_metrics_of_classes(rows, make_set):
    images = make_set(CLASSES, masked=("hole", "scratch"))
    pixels = pixel_metrics(images, exact=False)
    assert isinstance(pixels, PixelMetrics)
    for index, name in enumerate(CLASSES):
        mask = native_mask(images, index)
        assert mask.shape == (12, 10)
        assert mask.any() == (name != "good")
        predicted = mask if name == "hole" else np.zeros_like(mask)
        pixels.update(predicted.astype(np.float32), mask, predicted, name)
    result = all_metrics(rows, pixels, seed=1)
    assert result["undefined"] == {}
    for key in PIXEL_METRICS:
        assert result["classes"]["hole"][key] == 1
        assert result["classes"]["scratch"][key] < result[key] < 1
    assert set(metric_curves(rows, pixels)) >= {
        "image_roc",
        "pixel_roc",
        "pixel_pr",
        "pro",
    }


def test_a_class_whose_masks_are_empty_is_reported(rows):
    pixels = PixelMetrics()
    anomaly_map, mask = np.eye(4, dtype=np.float32), np.eye(4, dtype=bool)
    for name in CLASSES:
        pixels.update(anomaly_map, mask & (name == "hole"), mask, name)
    result = all_metrics(rows, pixels, seed=1)
    assert result["undefined"] == {
        f"scratch/{key}": "because no pixel is anomalous" for key in PIXEL_METRICS
    }


def test_a_class_without_masks_is_left_out_of_pixel_metrics(rows):
    """Its pixels are not those of good images, and its own metrics have a reason."""
    pixels = PixelMetrics()
    anomaly_map, mask = np.eye(4, dtype=np.float32), np.eye(4, dtype=bool)
    for name in CLASSES[:4]:
        pixels.update(anomaly_map, mask & (name == "hole"), mask, name)
    result = all_metrics(rows, pixels, seed=1)
    assert result["pixel_auroc"] == result["classes"]["hole"]["pixel_auroc"]
    assert result["undefined"] == {
        f"scratch/{key}": "because scratch has no masks that mark anything"
        for key in PIXEL_METRICS
    }


def test_one_warning_names_what_pixel_metrics_leave_out(tmp_path, make_set):
    images = make_set(CLASSES, masked=("hole",))
    cv2.imwrite(str(tmp_path / "mask.png"), np.zeros((12, 10), np.uint8))
    pixels = PixelMetrics()
    unknown = [i for i in range(5) if known_mask(images, i) is None]
    assert unknown == [2, 3, 4]
    message = "pixel metrics leave out 3 of 3 defective images: 2 .its mask marks noth"
    with pytest.warns(UserWarning, match=f"{message}.*4 .no mask") as seen:
        warn_of_masks(pixels, images, unknown)
    assert len(seen) == 1
    warn_of_masks("because of a test", images, unknown)
    warn_of_masks(pixels, images, [])


def test_pixels_are_counted_only_with_masks(make_set):
    reason = pixel_metrics(make_set(CLASSES), exact=False)
    assert reason == "because hole, scratch has no ground truth masks"
    images = make_set(CLASSES, masked=("hole",))
    assert isinstance(pixel_metrics(images, exact=False), PixelMetrics)
    assert [known_mask(images, i) is None for i in range(5)] == [False] * 4 + [True]
    reason = pixel_metrics(make_set(["good"]), exact=False)
    assert reason == "because there are no defective images"
    images = make_set(["unknown"], label=lambda _: -1)
    assert pixel_metrics(images, exact=False) == "because no image has a label"
    images = make_set(["hole"], masked=("hole",))
    assert isinstance(pixel_metrics(images, exact=False), PixelMetrics)


def test_places_are_columns_where_the_truth_is_known():
    decided = np.eye(4, dtype=bool)
    verdict = Verdict(1.0, decided * 1.0, decided * 1.0, decided, None, None)
    counts = Localisation()
    columns = [
        locate(counts, verdict, truth)
        for truth in (None, decided, decided & False, np.eye(4, k=3) > 0)
    ]
    assert [x["in_place"] for x in columns] == [None, 1, None, 0]
    assert [x["false_regions"] for x in columns] == [None, 0, 1, 1]
    assert (counts.images, counts.defects, counts.in_place) == (3, 2, 1)
