import numpy as np

from benchmarks.diffusion import Candidate, in_order, print_table
from methods.diffusion.unet import Architecture, unet


def test_weights_by_kind_in_the_order_they_were_made():
    network = unet((8, 8, 3), Architecture(8, (1, 2), (), 1, blocks=1, groups=2))
    weights = in_order(network)
    assert sum(w.size for w in weights) == network.count_params()
    kernels = [w.shape for w in weights if w.ndim == 4]
    assert kernels[0] == (3, 3, 3, 8)
    assert kernels[-1] == (3, 3, 8, 3)
    dense = [w.shape for w in weights if w.ndim == 2]
    assert dense[:3] == [(8, 32), (32, 32), (32, 8)]


def test_table_has_rates_and_ratios(capsys):
    times = {"ours": (0.5, 2.0), "PyTorch": (1.0, 4.0)}
    rows = [
        Candidate(name, "float32", lambda: None, lambda: None, [time])
        for name, time in times.items()
    ]
    print_table(rows, batch=16)
    printed = capsys.readouterr().out
    ours = next(line for line in printed.splitlines() if line.startswith("ours"))
    assert ours.split() == ["ours", "float32", "2.00", "8.00", "2.00", "/", "2.00"]
    np.testing.assert_allclose(rows[0].median, (0.5, 2.0))
