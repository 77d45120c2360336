import keras
import numpy as np
from keras import ops

from methods.components import info_nce as module
from methods.components.info_nce import info_nce, on_cells


def unit(features):
    return features / np.linalg.norm(features, axis=-1, keepdims=True)


def written_out(queries, negatives):
    """Return the loss of one image, as FOCAL's code has it: a loop over queries."""
    losses = []
    for i, query in enumerate(queries):
        others = np.delete(queries, i, axis=0)
        positive = (others @ query).mean() / 0.1
        logits = np.concatenate([[positive], negatives @ query / 0.1])
        losses.append(np.log(np.exp(logits).sum()) - positive)
    return np.mean(losses)


def test_by_hand():
    """Two equal good pixels; one defective at a right angle, one opposite."""
    queries = np.array([[[1, 0], [1, 0]]], np.float32)
    negatives = np.array([[[0, 1], [-1, 0]]], np.float32)
    loss = info_nce(queries, negatives, np.ones((1, 2)), np.ones((1, 2)))
    # e^10 against e^0 + e^-10
    expected = np.log(1 + np.exp(-10) + np.exp(-20))
    np.testing.assert_allclose(loss, expected, rtol=1e-3)
    swapped = info_nce(negatives, queries, np.ones((1, 2)), np.ones((1, 2)))
    # queries at right angles, 0; the negatives are at 0 twice, or at -10 twice
    expected = (np.log(3) + np.log(1 + 2 * np.exp(-10))) / 2
    np.testing.assert_allclose(swapped, expected, rtol=1e-4)


def test_images_count_the_same_and_padding_does_not(rng):
    queries = unit(rng.normal(size=(3, 6, 4))).astype(np.float32)
    negatives = unit(rng.normal(size=(3, 5, 4))).astype(np.float32)
    good, defective = np.zeros((3, 6)), np.zeros((3, 5))
    good[0, :4] = good[1, :6] = good[2, :3] = 1
    defective[0, :2] = defective[1, :5] = 1  # the third image is clean
    expected = [
        written_out(queries[0, :4], negatives[0, :2]),
        written_out(queries[1], negatives[1]),
    ]
    loss = info_nce(queries, negatives, good, defective)
    np.testing.assert_allclose(loss, np.mean(expected), rtol=1e-4)


def test_clean_images_alone_give_no_loss(rng):
    queries = unit(rng.normal(size=(2, 6, 4))).astype(np.float32)
    loss = info_nce(queries, queries, np.ones((2, 6)), np.zeros((2, 6)))
    assert float(loss) == 0


def test_cells():
    masks = np.zeros((1, 4, 8), bool)
    masks[0, :2, :2] = True  # a whole cell
    masks[0, 2, 2] = True  # a quarter
    masks[0, 0, 6] = masks[0, 2, 7] = True
    good, defective = on_cells(masks, (2, 4))
    np.testing.assert_array_equal(good[0], [0, 1, 1, 0, 1, 0, 1, 0])
    np.testing.assert_array_equal(defective[0], [1, 0, 0, 1, 0, 1, 0, 1])
    good, defective = on_cells(masks, (1, 2))
    np.testing.assert_array_equal(good[0], [0, 0])
    np.testing.assert_array_equal(defective[0], [1, 0])


def test_draws_are_of_their_kind(rng, monkeypatch):
    monkeypatch.setattr(module, "SAMPLES", 5)
    draws = keras.random.SeedGenerator(0)
    kind = np.zeros((2, 30), np.float32)
    kind[0, 3:20] = kind[1, 4:6] = 1
    pixels = np.broadcast_to(np.arange(30.0)[:, None], (2, 30, 1)).astype(np.float32)
    found, counted = map(
        np.asarray, module.draw_pixels(pixels, ops.convert_to_tensor(kind), draws)
    )
    assert found.shape == (2, 5, 1)
    assert ((found[0] >= 3) & (found[0] < 20)).all()
    assert len(np.unique(found[0])) == 5
    assert sorted(found[1][counted[1] > 0, 0]) == [4, 5]
