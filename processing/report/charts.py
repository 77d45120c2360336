"""Layout of curves and histograms on a page; a template draws the SVG."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from processing.decision.search import SearchResult

WIDTH, HEIGHT = 360, 250
LEFT, RIGHT, TOP, BOTTOM = 42, 352, 10, 210  # of the plotted area
BINS = 30
STEPS = (1, 2, 2.5, 5, 10)  # times a power of ten, from tick to tick
DECADES = 4  # powers of ten on a logarithmic axis with ticks between them
CROWDED = 0.2  # share of a linear axis that the good scores have at least


@dataclass(frozen=True, eq=False)
class CurvePlot:
    """Curves in the unit square, to draw on a page or as PNG.

    Attributes:
        name: of the file.
        title: of the plot.
        x_label: of the x axis.
        y_label: of the y axis.
        curves: style -> ((k, 2) points, text of the legend).
        limit: where the x axis ends, at most 1.
        marks: (x, y, text) of single points.
        note: a sentence below.
    """

    name: str
    title: str
    x_label: str
    y_label: str
    curves: Mapping[str, tuple[np.ndarray, str]]
    limit: float = 1.0
    marks: Sequence[tuple[float, float, str]] = ()
    note: str = ""


@dataclass(frozen=True)
class ScorePlot:
    """Histograms of the image scores of each group, and the threshold."""

    title: str
    groups: Mapping[str, Sequence[float]]
    threshold: float
    note: str = ""

    def edges(self) -> tuple[np.ndarray, bool]:
        """Return the limits (BINS + 1,) of the bins, and whether they grow.

        They do, by a factor, where the scores below the threshold would share less
        than `CROWDED` of a linear axis.
        """
        scores = [score for group in self.groups.values() for score in group]
        low, high = min(*scores, self.threshold), max(*scores, self.threshold)
        if low == high:
            return np.linspace(low - 0.5, high + 0.5, BINS + 1), False
        if low > 0 and (self.threshold - low) / (high - low) < CROWDED:
            return np.geomspace(low, high, BINS + 1), True
        return np.linspace(low, high, BINS + 1), False


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` on positions from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False
    whole: bool = False  # ticks at whole numbers alone

    def at(self, value: float) -> float:
        """Return the position of a value, in tenths of a unit."""
        low, high, value = (self._scaled(x) for x in (self.low, self.high, value))
        share = (value - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, most: int = 5) -> list[tuple[float, str]]:
        """Return (position, text) of round values, at most about `most`."""
        values = (
            _decades(self.low, self.high) if self.logarithmic else self._round(most)
        )
        slack = 1e-9 * (self.high - self.low)
        return [
            (self.at(value), f"{value:g}")
            for value in values
            if self.low - slack <= value <= self.high + slack
        ]

    def _round(self, most: int) -> list[float]:
        """Return multiples of the smallest round step that fits, around the axis."""
        rough = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        steps = (x * power for x in STEPS if not self.whole or x * power % 1 == 0)
        step = next(x for x in steps if x >= rough * (1 - 1e-9))
        first, last = math.floor(self.low / step), math.ceil(self.high / step)
        return [round(i * step, 12) for i in range(first, last + 1)]

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.logarithmic else value


def _decades(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times each power of ten; of many powers these alone."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(powers) <= DECADES else (1,)
    return [float(f"{factor}e{power}") for power in powers for factor in factors]


@dataclass(frozen=True)
class Line:
    """A curve: SVG points, and their values for a tooltip."""

    name: str
    style: str
    points: str
    values: str


@dataclass(frozen=True)
class Chart:
    """One plot; `bars` are (style, x, y, width, height, title)."""

    name: str
    title: str
    x_label: str
    y_label: str
    x: Axis
    y: Axis
    lines: list[Line] = field(default_factory=list)
    bars: list[tuple[str, float, float, float, float, str]] = field(
        default_factory=list
    )
    marks: list[tuple[float, float, str]] = field(default_factory=list)  # x, y, name
    verticals: list[tuple[float, str]] = field(default_factory=list)  # x, name
    legend: list[tuple[str, str]] = field(default_factory=list)  # style, text
    note: str = ""


def curve_chart(plot: CurvePlot) -> Chart:
    """Lay out a plot of curves."""
    x, y = Axis(0, plot.limit, LEFT, RIGHT), Axis(0, 1, BOTTOM, TOP)
    legend = [(style, name) for style, (_, name) in plot.curves.items()]
    return Chart(
        plot.name,
        plot.title,
        plot.x_label,
        plot.y_label,
        x,
        y,
        lines=[
            _line(x, y, upto(points, plot.limit), style, name)
            for style, (points, name) in plot.curves.items()
        ],
        marks=[(x.at(a), y.at(b), name) for a, b, name in plot.marks],
        legend=legend + [("mark", name) for *_, name in plot.marks],
        note=plot.note,
    )


def upto(points: np.ndarray, limit: float) -> np.ndarray:
    """Return a curve with ascending x cut at x = `limit`, its end interpolated."""
    points = np.asarray(points, float)
    if points[-1, 0] < points[0, 0]:
        points = points[::-1]
    inside = points[points[:, 0] <= limit]
    if len(inside) == len(points):
        return points
    end = np.interp(limit, points[:, 0], points[:, 1])
    return np.vstack([inside, [limit, end]])


def _line(x: Axis, y: Axis, points: np.ndarray, style: str, name: str) -> Line:
    """Return the points that differ on the page."""
    kept: list[tuple[str, str]] = []
    for a, b in points.tolist():
        position = f"{x.at(a)},{y.at(b)}"
        if not kept or kept[-1][0] != position:
            kept.append((position, f"{a:.4g},{b:.4g}"))
    return Line(name, style, *(" ".join(column) for column in zip(*kept, strict=True)))


def histogram_chart(plot: ScorePlot) -> Chart:
    """Lay out a histogram."""
    edges, logarithmic = plot.edges()
    x = Axis(edges[0], edges[-1], LEFT, RIGHT, logarithmic)
    counts = {name: np.histogram(s, edges)[0] for name, s in plot.groups.items()}
    highest = max(int(c.max()) for c in counts.values())
    y = Axis(0, highest, BOTTOM, TOP, whole=True)
    legend = [(name, f"{name} ({len(s)})") for name, s in plot.groups.items()]
    return Chart(
        "histogram",
        plot.title,
        "image score (log scale)" if logarithmic else "image score",
        "images",
        x,
        y,
        bars=[
            bar
            for i, (name, c) in enumerate(counts.items())
            for bar in _bars(x, y, (name, i, len(counts)), edges, c)
        ],
        verticals=[(x.at(plot.threshold), f"threshold {plot.threshold:.4g}")],
        legend=[*legend, ("threshold", f"threshold {plot.threshold:.4g}")],
        note=plot.note,
    )


def _bars(
    x: Axis, y: Axis, group: tuple[str, int, int], edges: np.ndarray, counts: np.ndarray
) -> list[tuple[str, float, float, float, float, str]]:
    """Return a bar for each bin of a group (name, its place, number of groups)."""
    name, place, groups = group
    bars = []
    for left, right, number in zip(edges, edges[1:], counts.tolist(), strict=False):
        if number:
            width = (x.at(right) - x.at(left)) / groups
            start, top = x.at(left) + place * width, y.at(number)
            text = f"{number} {name}, score {left:.3g} to {right:.3g}"
            size = (round(width, 2), round(BOTTOM - top, 1))
            bars.append((name, round(start, 2), top, *size, text))
    return bars


def search_charts(search: SearchResult) -> tuple[Chart, Chart]:
    """Lay out the threshold of each minimum area, and the rates that it gives."""
    threshold, values = search.decision.threshold, search.thresholds
    low, high = min(values.min(), threshold), max(values.max(), threshold)
    pad = 0.05 * (high - low) or 0.5
    rates = {
        "found": (search.tprs, "TPR (defects found)"),
        "passed": (search.tnrs, "TNR (good passed)"),
        "score": (search.scores, "score: (TPR + TNR) / 2"),
    }
    return (
        _chart_of_areas(
            "The best threshold of each minimum area",
            "threshold",
            Axis(low - pad, high + pad, BOTTOM, TOP),
            {"image": (values, "best threshold")},
            (search, threshold),
        ),
        _chart_of_areas(
            "The images that decided",
            "rate",
            Axis(0, 1, BOTTOM, TOP),
            rates,
            (search, search.score),
        ),
    )


def _chart_of_areas(
    title: str,
    label: str,
    y: Axis,
    curves: Mapping[str, tuple[np.ndarray, str]],
    chosen: tuple[SearchResult, float],
) -> Chart:
    """Return steps over the areas of a search; `chosen` is it, and y of its best."""
    search, height = chosen
    areas, area = search.min_areas, search.decision.min_area
    x = Axis(areas[0], max(areas[-1], areas[0] + 1), LEFT, RIGHT, logarithmic=True)
    across = np.repeat(areas, 2)[1:]
    lines = [
        _line(x, y, np.stack([across, np.repeat(values, 2)[:-1]], 1), style, name)
        for style, (values, name) in curves.items()
    ]
    text = f"chosen: {height:.4g} at {area} pixels"
    legend = [(line.style, line.name) for line in lines] + [("mark", text)]
    marks = [(x.at(area), y.at(height), text)]
    labels = title, "minimum area (pixels)", label
    return Chart(label, *labels, x, y, lines=lines, marks=marks, legend=legend)
