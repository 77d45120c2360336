import cv2
import numpy as np
import pytest

from processing.decision.decision import Decision
from processing.decision.search import SearchResult
from processing.report.chart_png import COLOURS, SCALE, write_chart, write_search
from processing.report.charts import (
    WIDTH,
    CurvePlot,
    ScorePlot,
    curve_chart,
    histogram_chart,
)


def pixels_of(path, *styles):
    """Return how many pixels have the colour of each style."""
    image = cv2.imread(str(path))[..., ::-1]
    assert image.shape[1] == round(SCALE * WIDTH)
    colours = [[int(COLOURS[x][i : i + 2], 16) for i in (1, 3, 5)] for x in styles]
    return [int((image == rgb).all(axis=-1).sum()) for rgb in colours]


@pytest.mark.parametrize(
    "groups", [{"good": [1, 1.2], "defective": [2, 90]}, {"images": [0.5, 0.5]}]
)
def test_histograms(tmp_path, groups):
    path = tmp_path / "plot.png"
    write_chart(path, histogram_chart(ScorePlot("scores", groups, 1.5)))
    assert min(pixels_of(path, *groups)) > 500
    assert pixels_of(path, "threshold") > [500]


def test_curves_and_their_dashes(tmp_path):
    points = np.array([[0, 0.2], [0.1, 0.8], [1, 1]])
    path, seen = tmp_path / "plot.png", []
    for style in ("image", "pixel"):
        curves = {style: (points, "a name of some length that takes a row")}
        plot = CurvePlot("pro", "PRO", "x", "y", curves, 0.3, [(0.1, 0.5, "here")])
        write_chart(path, curve_chart(plot))
        assert pixels_of(path, "mark") > [300]
        seen += pixels_of(path, style)
    assert 0.5 < seen[1] / seen[0] < 0.8  # dashes of 6, with gaps of 3
    assert [file.name for file in tmp_path.iterdir()] == ["plot.png"]


def test_charts_of_a_search(tmp_path):
    rates = np.array([0.5, 0.8, 1.0])
    search = SearchResult(
        decision=Decision(0.5, 3),
        **{"score": 0.9, "tpr": 1.0, "tnr": 0.8, "margin": 0.0},
        verdicts=np.array([True, False]),
        min_areas=np.array([1, 3, 9]),
        thresholds=np.array([0.7, 0.5, 0.2]),
        **{"tprs": rates[::-1], "tnrs": rates, "scores": rates / 2},
    )
    write_search(tmp_path, search)
    assert min(pixels_of(tmp_path / "min_area_threshold_plot.png", "image")) > 500
    styles = "found", "passed", "score", "mark"
    assert min(pixels_of(tmp_path / "scores_plot.png", *styles)) > 300
