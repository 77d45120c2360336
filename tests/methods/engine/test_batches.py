import numpy as np

from methods.engine.batches import Batches, InOrder, images_per_epoch


def test_epochs_of_small_sets_repeat_images():
    assert images_per_epoch(60, 8) == 1024
    assert images_per_epoch(2000, 8) == 2000
    assert images_per_epoch(3, 8) == 1026


def test_every_image_comes_once_before_any_comes_again():
    batches = Batches(lambda indices: indices, 10, 4, seed=1)
    seen = np.concatenate([batches[i] for i in range(5)])
    assert sorted(seen[:10]) == sorted(seen[10:20]) == list(range(10))
    again = Batches(lambda indices: indices, 10, 4, seed=1)
    batches.start(1)
    again.start(1)
    assert (batches[0] == again[0]).all()
    assert not (np.concatenate([again[i] for i in range(5)]) == seen).all()


def test_a_transform_gets_the_epoch_and_the_place():
    batches = Batches(
        lambda indices: indices, 10, 4, seed=1, transform=lambda *given: given
    )
    batches.start(3)
    images, seed, start = batches[2]
    assert (images == batches.order[8:12]).all()
    assert (seed, start) == ((1, 3), 8)


def test_in_order():
    batches = InOrder(lambda indices: indices, 5, 2)
    assert [list(batches[i]) for i in range(len(batches))] == [[0, 1], [2, 3], [4]]
