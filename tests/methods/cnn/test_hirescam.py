import math

import cv2
import keras
import numpy as np

from methods.cnn.classifier import classifier
from methods.cnn.hirescam import (
    CELL,
    FIRST,
    HiResCAM,
    Verdict,
    at_pixels,
    verdict_model,
)

SHAPE = (64, 64, 1)


def test_evidence_adds_up_to_the_logits(rng):
    """Without biases, a network of ReLUs is the sum of its inputs' shares."""
    network = classifier(SHAPE)
    for layer in network.layers:
        if isinstance(layer, keras.layers.Dense):
            layer.bias.assign(np.zeros(layer.bias.shape))
    cam = HiResCAM(network)
    images = rng.random((3, *SHAPE)).astype("float32")
    logits = np.asarray(network(images))
    evidence, differences = map(np.asarray, cam.predict_on_batch(images))
    np.testing.assert_allclose(differences, logits[:, 1] - logits[:, 0], atol=1e-5)
    assert evidence.shape == (3, 3, 3)
    # What is not evidence for a defect is evidence against it: swap the classes.
    last = network.layers[-1]
    last.kernel.assign(np.asarray(last.kernel)[:, ::-1])
    against, _ = map(np.asarray, HiResCAM(network).predict_on_batch(images))
    total = (evidence - against).sum(axis=(1, 2))
    np.testing.assert_allclose(total, differences, rtol=1e-3, atol=1e-5)


def test_a_cell_looks_at_the_pixels_it_is_put_at():
    """The middle of what changes a cell of the features is where the map has it."""
    network = classifier(SHAPE)
    features = HiResCAM(network).features
    base = np.full((1, *SHAPE), 0.5, "float32")
    images = np.repeat(base, 64, axis=0)
    images[np.arange(64), :, np.arange(64)] = 1.0  # one bright column each
    changed = np.abs(np.asarray(features(images)) - np.asarray(features(base)))
    columns = np.flatnonzero(changed[:, 1, 1].max(axis=-1) > 1e-6)
    middle = FIRST + CELL
    assert abs(columns.mean() - middle) <= 1
    assert math.isclose(CELL, 16)


def test_pixels_between_cells_are_interpolated(rng):
    """As OpenCV does, to its 32nd of a cell."""
    cells = rng.random((3, 4)).astype("float32")
    scale, shift = 1 / CELL, -FIRST / CELL
    expected = cv2.warpAffine(
        cells,
        np.array([[scale, 0, shift], [0, scale, shift]]),
        (80, 64),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    found = at_pixels(3, 64) @ cells @ at_pixels(4, 80).T
    np.testing.assert_allclose(found, expected, atol=1 / 32)
    np.testing.assert_allclose(at_pixels(2, 50).sum(axis=1), 1)


def test_scores_are_those_of_the_mean_logits_of_the_flips(rng):
    network = classifier(SHAPE)
    images = rng.random((3, *SHAPE)).astype("float32")
    views = [np.flip(images, axes) if axes else images for axes in ((), 1, 2, (1, 2))]
    logits = np.mean([network.predict_on_batch(x) for x in views], axis=0)
    good = 1 / (1 + np.exp(logits[:, 1] - logits[:, 0]))
    maps, scores = map(np.asarray, verdict_model(network).predict_on_batch(images))
    np.testing.assert_allclose(scores, -np.log(good), rtol=1e-4)
    np.testing.assert_allclose(maps.max(axis=(1, 2)), scores, rtol=1e-5)


def test_an_image_without_evidence_has_a_flat_map():
    def nothing(images):
        return np.zeros((1, 3, 3), "float32"), np.float32([2.0])

    maps, _ = Verdict(nothing)(np.zeros((1, *SHAPE), "float32"))
    np.testing.assert_allclose(maps, np.log1p(np.exp(2.0)), 1e-5)
