"""Plots of training runs, decisions and single images, as PNG files."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from processing.files import replacing
from processing.wording import printable

from .charts import CurvePlot, ScorePlot, upto

BLUE, ORANGE, GREEN, RED, GREY = "#1f77b4", "#e07b00", "#2a9d4a", "#d62728", "#888888"
PAPER, DPI = (4.6, 3.6), 250  # inches and dots per inch of what papers print
# Margins, in inches: those of a layout that is computed take a quarter of a second.
LEFT, RIGHT, BOTTOM, TOP = 0.75, 0.15, 0.5, 0.35
GROUPS = {"good": BLUE, "defective": ORANGE, "images": GREY}
STYLES: dict[str, dict[str, Any]] = {
    "image": {"color": BLUE},
    "pixel": {"color": GREEN, "linestyle": "--"},
}


def _plot(
    path: Path,
    draw: Callable[[Axes], Any],
    *,
    size: tuple[float, float] = (7, 4.2),
    dpi: int = 120,
    **labels: str,
) -> None:
    """Draw on one pair of axes and save; no state of pyplot is touched."""
    figure = Figure(figsize=size)
    FigureCanvasAgg(figure)
    width, height = size
    left, bottom = LEFT / width, BOTTOM / height
    axes = figure.add_axes(
        (left, bottom, 1 - left - RIGHT / width, 1 - bottom - TOP / height)
    )
    draw(axes)
    axes.set(**labels)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=dpi)


def _whole_epochs(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _logarithmic(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")


def losses(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Plot training and validation loss against the epoch, the best one marked.

    Other columns whose name ends in "_loss" are plotted thinly.
    """
    epochs = [row["epoch"] for row in history]
    best = min(history, key=lambda row: row["val_loss"])
    keys = dict.fromkeys(key for row in history for key in row)
    parts = [key for key in keys if key.endswith("_loss") and key != "val_loss"]

    def draw(axes: Axes) -> None:
        axes.plot(epochs, [row["loss"] for row in history], BLUE, label="training")
        values = [row["val_loss"] for row in history]
        axes.plot(epochs, values, ORANGE, label="validation")
        for part in parts:
            values = [row.get(part, np.nan) for row in history]
            axes.plot(epochs, values, lw=0.8, label=part.replace("_", " "))
        label = f"best: {best['val_loss']:.4f} in epoch {best['epoch']}"
        axes.plot(best["epoch"], best["val_loss"], "o", color=RED, label=label)
        _whole_epochs(axes)

    _plot(path, draw, xlabel="epoch", ylabel="loss", title="Loss")


def learning_rate(path: Path, curve: Any) -> None:
    """Plot the smoothed losses of a learning-rate curve, the chosen rate marked."""

    def draw(axes: Axes) -> None:
        axes.semilogx(curve.rates, curve.losses, BLUE)
        label = f"chosen: {curve.chosen:.2g}"
        axes.axvline(curve.chosen, color=RED, linestyle="--", label=label)

    _plot(
        path,
        draw,
        xlabel="learning rate",
        ylabel="smoothed loss",
        title="Learning rate search",
    )


def learning_rates(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Plot the peak learning rate of every epoch."""

    def draw(axes: Axes) -> None:
        epochs = [row["epoch"] for row in history]
        axes.plot(epochs, [row["learning_rate"] for row in history], BLUE, marker=".")
        axes.set_ylim(bottom=0)
        _whole_epochs(axes)

    _plot(
        path, draw, xlabel="epoch", ylabel="peak learning rate", title="Learning rate"
    )


def thresholds(path: Path, result: Any) -> None:
    """Plot the threshold against the minimum area of a `SearchResult`."""
    decision = result.decision

    def draw(axes: Axes) -> None:
        axes.step(result.min_areas, result.thresholds, BLUE, where="post")
        label = f"chosen: {decision.threshold:.4g} at {decision.min_area} pixels"
        axes.plot(decision.min_area, decision.threshold, "o", color=RED, label=label)
        _logarithmic(axes)

    _plot(
        path,
        draw,
        xlabel="minimum area (pixels)",
        ylabel="threshold",
        title="Smallest threshold without a false alarm on good validation images",
    )


def scores(path: Path, result: Any) -> None:
    """Plot TPR, TNR and balanced score against the minimum area."""

    def draw(axes: Axes) -> None:
        for values, colour, label in (
            (result.tprs, ORANGE, "TPR (defects found)"),
            (result.tnrs, GREEN, "TNR (good passed)"),
            (result.scores, BLUE, "score: (TPR + TNR) / 2"),
        ):
            axes.step(result.min_areas, values, colour, where="post", label=label)
        best = f"chosen: {result.score:.3f} at {result.decision.min_area} pixels"
        axes.plot(result.decision.min_area, result.score, "o", color=RED, label=best)
        _logarithmic(axes)
        axes.set_ylim(-0.03, 1.03)

    _plot(
        path,
        draw,
        xlabel="minimum area (pixels)",
        ylabel="rate",
        title="Finetuning images",
    )


def curves(path: Path, plot: CurvePlot) -> None:
    """Plot curves in the unit square, for a paper."""

    def draw(axes: Axes) -> None:
        for style, (points, label) in plot.curves.items():
            axes.plot(*upto(points, plot.limit).T, **STYLES[style], label=label)
        for x, y, label in plot.marks:
            axes.plot(x, y, "o", color=ORANGE, label=label, zorder=3)
        axes.set(xlim=(-0.01 * plot.limit, plot.limit), ylim=(0, 1.01))

    labels = {"xlabel": plot.x_label, "ylabel": plot.y_label, "title": plot.title}
    _plot(path, draw, size=PAPER, dpi=DPI, **labels)


def histogram(path: Path, plot: ScorePlot) -> None:
    """Plot the image scores of each group and the threshold, for a paper."""
    edges, logarithmic = plot.edges()

    def draw(axes: Axes) -> None:
        axes.hist(
            list(plot.groups.values()),
            edges.tolist(),
            color=[GROUPS[name] for name in plot.groups],
            label=[f"{name} ({len(scores)})" for name, scores in plot.groups.items()],
        )
        label = f"threshold {plot.threshold:.4g}"
        axes.axvline(plot.threshold, color="black", linestyle="--", label=label)
        if logarithmic:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))

    across = f"image score{' (log scale)' if logarithmic else ''}"
    labels = {"xlabel": across, "ylabel": "images", "title": plot.title}
    _plot(path, draw, size=PAPER, dpi=DPI, **labels)


def _show(image: np.ndarray) -> np.ndarray:
    """Return an (h, w, c) image in [0, 1] as (h, w, 3)."""
    return np.clip(np.broadcast_to(image, (*image.shape[:2], 3)), 0, 1)


def inspection(
    path: Path,
    image: np.ndarray,
    reconstruction: np.ndarray | None,
    anomaly_map: np.ndarray,
    title: str,
    limits: tuple[float, float],
) -> None:
    """Write image, reconstruction (if any) and anomaly map side by side.

    Both images are (h, w, c) in [0, 1], the map is (h, w), shown over `limits`.
    """
    pictures = {"image": image}
    if reconstruction is not None:
        pictures["reconstruction"] = reconstruction
    figure = Figure(figsize=(3.6 * len(pictures) + 4, 3.9), layout="constrained")
    FigureCanvasAgg(figure)
    *left, right = figure.subplots(1, len(pictures) + 1)
    for axis, (name, picture) in zip(left, pictures.items(), strict=True):
        axis.imshow(_show(picture))
        axis.set_title(name)
    low, high = limits
    map_image = right.imshow(anomaly_map, cmap="inferno", vmin=low, vmax=high)
    right.set_title("anomaly map")
    figure.colorbar(map_image, ax=right, fraction=0.046)
    for axis in (*left, right):
        axis.axis("off")
    figure.suptitle(printable(title), parse_math=False)  # it names a file
    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # of the name's script
        figure.savefig(temporary, dpi=100)
