import numpy as np

from methods.components.synthetic_training import Taken
from methods.engine.batches import Batches


def test_batches_have_their_images_replaced_in_every_epoch():
    images = np.arange(6.0)
    batches = Batches(
        lambda chosen: images[chosen], 6, 3, 0, transform=lambda x, *_: (x, -x)
    )
    taken = Taken(batches, lambda x: (x + 1, x + 2))
    assert len(taken) == len(batches)
    orders = []
    for epoch in (0, 1):
        taken.start(epoch)
        (one, two), masks = taken[0]
        np.testing.assert_array_equal(one, 1 - masks)
        np.testing.assert_array_equal(two, 2 - masks)
        orders.append(one.tolist())
    assert orders[0] != orders[1]
