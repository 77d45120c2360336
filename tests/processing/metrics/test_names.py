from processing.metrics.names import METRICS


def test_metrics_of_one_group_stand_together():
    groups = [kind.group for kind in METRICS.values()]
    changes = sum(a != b for a, b in zip(groups, groups[1:], strict=False))
    assert changes == len(set(groups)) - 1
