import numpy as np
import pytest

from processing.report.charts import (
    BINS,
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Axis,
    CurvePlot,
    ScorePlot,
    curve_chart,
    histogram_chart,
    upto,
)


def test_axis_and_ticks():
    axis = Axis(0, 1, LEFT, RIGHT)
    assert (axis.at(0), axis.at(1)) == (LEFT, RIGHT)
    assert [text for _, text in axis.ticks()] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    grows = Axis(0.9, 60, LEFT, RIGHT, logarithmic=True)
    assert [text for _, text in grows.ticks()] == ["1", "2", "5", "10", "20", "50"]
    assert grows.at(np.sqrt(0.9 * 60)) == (LEFT + RIGHT) / 2
    far = Axis(1, 20000, LEFT, RIGHT, logarithmic=True)
    assert [text for _, text in far.ticks()] == ["1", "10", "100", "1000", "10000"]


@pytest.mark.parametrize(
    ("low", "high", "whole", "texts"),
    [
        (-0.31, 0.32, False, ["-0.2", "0", "0.2"]),
        (2, 4.4, False, ["2", "2.5", "3", "3.5", "4"]),
        (0, 3, True, ["0", "1", "2", "3"]),
        (0, 12, True, ["0", "5", "10"]),
        (0, 1, True, ["0", "1"]),
    ],
)
def test_ticks_are_round(low, high, whole, texts):
    assert [x for _, x in Axis(low, high, 0, 1, whole=whole).ticks()] == texts


def test_curves_are_cut_at_the_limit():
    points = np.array([[0, 0], [0.2, 0.4], [0.6, 0.8], [1, 1]])
    cut = upto(points, 0.3)
    np.testing.assert_allclose(cut, [[0, 0], [0.2, 0.4], [0.3, 0.5]])
    np.testing.assert_allclose(upto(points[::-1], 1), points)


def test_points_that_are_the_same_on_the_page_are_drawn_once():
    close = (
        np.repeat([[0.0, 0.0], [1, 1]], 500, axis=0)
        + np.linspace(0, 1e-5, 1000)[:, None]
    )
    plot = CurvePlot("roc", "ROC", "x", "y", {"image": (close, "image AUROC 0.9")})
    [line] = curve_chart(plot).lines
    assert line.points == f"{LEFT}.0,{BOTTOM}.0 {RIGHT}.0,{TOP}.0"
    assert line.values.split(" ")[0] == "0,0"


def test_histogram_counts_every_score():
    groups = {"good": [1.0, 2, 3], "defective": [2.5, 9, 30]}
    plot = ScorePlot("scores", groups, 4.0)
    chart = histogram_chart(plot)
    for name, scores in groups.items():
        bars = [bar for bar in chart.bars if bar[0] == name]
        assert sum(int(bar[-1].split()[0]) for bar in bars) == len(scores)
        assert all(bar[-1].split()[1] == f"{name}," for bar in bars)
        assert all(bar[2] + bar[4] == pytest.approx(BOTTOM) for bar in bars)
    [(x, name)] = chart.verticals
    assert name == "threshold 4"
    assert x == chart.x.at(4)


@pytest.mark.parametrize(
    ("scores", "threshold", "growing"),
    [([1, 40], 3, True), ([1, 4], 3, False), ([-1, 40], 3, False), ([2, 2], 2, False)],
)
def test_scores_below_the_threshold_keep_their_place(scores, threshold, growing):
    edges, logarithmic = ScorePlot("", {"good": scores}, threshold).edges()
    assert logarithmic == growing
    assert len(edges) == BINS + 1
    assert edges[0] <= min(scores)
    assert edges[-1] >= max(*scores, threshold)
    assert (np.diff(edges) > 0).all()
