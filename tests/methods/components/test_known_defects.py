import logging
from dataclasses import replace

import numpy as np

from methods.components.known_defects import (
    defective_cells,
    defective_features,
    raised,
)
from methods.components.memory_bank import MemoryBank
from processing.data.prepared import Prepared, PreparedGeometry, pack

FRAME = (64, 64)


def test_only_what_is_nearer_to_defects_is_raised():
    distances = np.array([2.0, 2.0, 2.0, 0.0], np.float32)
    to_defects = np.array([3.0, 1.0, 0.0, 0.0], np.float32)
    np.testing.assert_allclose(raised(distances, to_defects, 0.5), [2, 2.5, 3, 0])
    np.testing.assert_array_equal(raised(distances, to_defects, 0), distances)


def test_cells_of_a_mask_and_without_one():
    mask, distances = np.zeros((8, 12), bool), np.arange(6.0)
    mask[:4, :6] = True  # of cells of 4 x 4 one and a half
    assert defective_cells(mask, distances, (2, 3)).tolist() == [0, 1]
    mask[:, 1:] = False  # a quarter of a cell
    mask[4, 0] = False
    assert defective_cells(mask, distances, (2, 3)).tolist() == [0]
    assert defective_cells(None, distances, (2, 3)).tolist() == [5]
    far = defective_cells(None, np.arange(1024.0)[::-1], (32, 32))
    assert far.tolist() == list(range(10))


class Defects:
    """Two images, of which the part at the left is seen; one has a mask.

    Of the other the upper half is judged.
    """

    mask_paths = (("mask.png",), ())

    def __len__(self):
        return 2

    def views(self, size):
        window = slice(16, 48), slice(0, 32)
        whole = Prepared(np.zeros((64, 64, 3), np.uint8), PreparedGeometry.whole(FRAME))
        upper = replace(whole.geometry, bits=pack(np.indices(FRAME)[0] < 32))
        yield [x.part(window) for x in (whole, Prepared(whole.pixels, upper))]

    def mask(self, index):
        assert index == 0
        mask = np.zeros(FRAME, bool)
        mask[20:40, 8:24] = True
        return mask


def test_features_of_masks_as_the_images_are_prepared(caplog):
    bank, maps = MemoryBank(1), np.zeros((2, 8, 8, 3), np.float32)
    bank.build((None, 3))
    maps[:, 1:6, 2:6] = 1  # of cells of 4 x 4 those that are marked
    maps[1, 4:] = 2  # not judged
    caplog.set_level(logging.INFO)
    [found] = defective_features(Defects(), lambda batch: [maps], [bank])
    np.testing.assert_array_equal(found, np.ones((5 * 4 + 1, 3)))
    assert "21 patches of 2 images, of 1 without a mask the 1 %" in caplog.text
