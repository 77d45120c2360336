import numpy as np
import pytest

from methods.backbones.swin import (
    MASKED,
    WINDOW,
    partition,
    relative_positions,
    reverse,
    window_mask,
)

TORCHVISION = pytest.param("swin_tiny_torchvision", marks=pytest.mark.nightly)


@pytest.mark.parametrize("file", ["swin_tiny", TORCHVISION])
def test_equals_timm_where_windows_fit_and_torchvision_where_not(file, errors):
    assert max(errors(file, "swin_tiny")) < 1e-4


def test_windows_go_together_again(rng):
    maps = rng.random((2, 14, 21, 5), np.float32)
    windows = np.asarray(partition(maps))
    assert windows.shape == (2, 6, 49, 5)
    np.testing.assert_array_equal(windows[1, 4].reshape(7, 7, 5), maps[1, 7:14, 7:14])
    np.testing.assert_array_equal(np.asarray(reverse(windows, (14, 21))), maps)


def test_pairs_of_equal_displacement_share_a_bias():
    positions = relative_positions().reshape(WINDOW, WINDOW, WINDOW, WINDOW)
    assert positions[2, 3, 1, 5] == positions[4, 1, 3, 3]  # one up, two to the right
    assert len(np.unique(positions)) == (2 * WINDOW - 1) ** 2
    assert positions[0, 0, 6, 6] == 0
    assert positions[3, 3, 3, 3] == 6 * 13 + 6


def test_only_windows_that_wrap_around_are_masked():
    mask = window_mask((14, 14), (3, 3))
    assert mask.shape == (4, 1, 49, 49)
    assert not mask[0].any()
    last = mask[3, 0].reshape(7, 7, 7, 7)
    assert last[0, 0, 3, 3] == 0  # both lay at the lower right
    assert last[0, 0, 4, 0] == MASKED  # this one came from the top
    assert not window_mask((7, 7), (0, 0)).any()
