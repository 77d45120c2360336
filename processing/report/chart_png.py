"""Charts as PNG files, for papers.

Pillow draws them: Matplotlib takes longer to start than a decision from what is kept.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from processing.decision.search import SearchResult

from .charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, search_charts
from .overlays import write_png

SCALE, FINE = 3.2, 2  # pixels in a unit of the page; steps in a pixel, for smooth lines
TITLE, ROW, LETTERS = 20, 14, 9.5  # units: heights of title and row, size of letters
SAMPLE, GAP = 18, 6  # units: width of a sample in the legend, space around it
BLUE, ORANGE, GREEN, RED = "#1f77b4", "#e07b00", "#2a9d4a", "#d62728"
GREY, INK, GRID = "#888888", "#202020", "#e4e4e4"
COLOURS = {  # of styles
    **dict.fromkeys(("image", "good", "score"), BLUE),
    **dict.fromkeys(("defective", "found"), ORANGE),
    **dict.fromkeys(("pixel", "passed"), GREEN),
    **{"mark": RED, "images": GREY, "threshold": INK},
}
DASHES = {"pixel": (6, 3), "threshold": (3, 3)}  # units on and off
BARS = ("good", "defective", "images")

Point = tuple[float, float]


def write_chart(path: Path, chart: Chart) -> None:
    """Write a chart below its title and its legend."""
    legend = list(_legend(chart.legend))
    page = _Page(TITLE + ROW * (1 + max((row for row, *_ in legend), default=0)))
    page.text(((LEFT + RIGHT) / 2, TITLE / 2 - page.above), chart.title, "mm")
    for row, x, style, text in legend:
        y = TITLE + ROW * (row + 0.5) - page.above
        page.sample((x, y), style)
        page.text((x + SAMPLE + GAP, y), text, "lm")
    _draw_axes(page, chart)
    for style, x, y, width, height, _ in chart.bars:
        page.box((x, y), (x + width, y + height), style)
    for x, _ in chart.verticals:
        page.line([(x, TOP), (x, BOTTOM)], "threshold")
    for line in chart.lines:
        page.line([_point(text) for text in line.points.split()], line.style)
    for x, y, _ in chart.marks:
        page.dot((x, y), "mark")
    write_png(path, np.asarray(page.image.reduce(FINE)))


def write_search(folder: Path, search: SearchResult) -> None:
    """Write the charts of a search for a threshold and a minimum area."""
    names = "min_area_threshold_plot.png", "scores_plot.png"
    for name, chart in zip(names, search_charts(search), strict=True):
        write_chart(folder / name, chart)


def _draw_axes(page: "_Page", chart: Chart) -> None:
    for x, text in chart.x.ticks():
        page.rule((x, TOP), (x, BOTTOM))
        page.text((x, BOTTOM + 10), text, "mm")
    for y, text in chart.y.ticks():
        page.rule((LEFT, y), (RIGHT, y))
        page.text((LEFT - 5, y), text, "rm")
    page.text(((LEFT + RIGHT) / 2, HEIGHT - 9), chart.x_label, "mm")
    page.upright((9, (TOP + BOTTOM) / 2), chart.y_label)


def _legend(
    entries: Sequence[tuple[str, str]],
) -> Iterator[tuple[int, float, str, str]]:
    """Yield row, x, style and text of each entry of a legend."""
    row, x = 0, float(LEFT)
    for style, text in entries:
        width = SAMPLE + 2 * GAP + _font(1).getlength(text)
        if x > LEFT and x + width > WIDTH:
            row, x = row + 1, float(LEFT)
        yield row, x, style, text
        x += width + GAP


def _point(text: str) -> Point:
    x, y = map(float, text.split(","))
    return x, y


def _font(steps: float) -> ImageFont.FreeTypeFont:
    """Return the font of all letters, with so many steps in a unit."""
    font = ImageFont.load_default(LETTERS * steps)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


class _Page:
    """What is drawn, at positions in units of a `Chart`.

    Args:
        above: units above the chart.
    """

    def __init__(self, above: float) -> None:
        self.above = above
        self.steps = SCALE * FINE
        size = round(SCALE * WIDTH) * FINE, round(SCALE * (above + HEIGHT)) * FINE
        self.image = Image.new("RGB", size, "white")
        self._draw = ImageDraw.Draw(self.image)
        self._font = _font(self.steps)

    def _at(self, point: Point) -> Point:
        x, y = point
        return x * self.steps, (y + self.above) * self.steps

    def text(self, point: Point, text: str, anchor: str) -> None:
        """Write text; `anchor`, Pillow's, says where it has the point."""
        self._draw.text(self._at(point), text, INK, self._font, anchor)

    def upright(self, middle: Point, text: str) -> None:
        """Write text from bottom to top."""
        font = ImageFont.TransposedFont(self._font, Image.Transpose.ROTATE_90)
        x, y = self._at(middle)
        _, _, width, height = font.getbbox(text)
        self._draw.text((x - width / 2, y - height / 2), text, INK, font)

    def rule(self, start: Point, end: Point) -> None:
        """Draw a thin line behind all others."""
        self._draw.line([self._at(start), self._at(end)], GRID, FINE)

    def line(self, points: Sequence[Point], style: str) -> None:
        """Draw a curve."""
        width = round(1.6 * self.steps)
        for part in _dashes(np.array(points), DASHES.get(style)):
            places = [self._at(point) for point in part.tolist()]
            self._draw.line(places, COLOURS[style], width, "curve")

    def box(self, corner: Point, opposite: Point, style: str) -> None:
        """Fill a rectangle."""
        self._draw.rectangle([self._at(corner), self._at(opposite)], COLOURS[style])

    def dot(self, point: Point, style: str) -> None:
        """Draw a point."""
        radius, width = 4 * self.steps, round(1.2 * self.steps)
        self._draw.circle(self._at(point), radius, COLOURS[style], "white", width)

    def sample(self, left: Point, style: str) -> None:
        """Draw what a legend shows of a style."""
        x, y = left
        if style in BARS:
            self.box((x + 4, y - 4), (x + SAMPLE - 4, y + 4), style)
        elif style == "mark":
            self.dot((x + SAMPLE / 2, y), style)
        else:
            self.line([left, (x + SAMPLE, y)], style)


def _dashes(
    points: npt.NDArray[np.float64], dash: tuple[float, float] | None
) -> Iterator[npt.NDArray[np.float64]]:
    """Yield the parts of a curve (k, 2) that are drawn: all of it, or dashes."""
    if not dash:
        yield points
        return
    on, off = dash
    lengths = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate([[0], np.cumsum(lengths)])
    for start in np.arange(0, along[-1], on + off):
        end = min(start + on, along[-1])
        inside = along[(along > start) & (along < end)]
        places = np.concatenate([[start], inside, [end]])
        yield np.stack([np.interp(places, along, side) for side in points.T], axis=1)
