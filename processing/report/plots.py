"""Plots of training runs and single images, as PNG files."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from processing.files import replacing
from processing.wording import printable

from .chart_png import BLUE, ORANGE, RED

SIZE, DPI = (7, 4.2), 120  # inches, dots per inch
# Margins, in inches: those of a layout that is computed take a quarter of a second.
LEFT, RIGHT, BOTTOM, TOP = 0.75, 0.15, 0.5, 0.35


def _plot(path: Path, draw: Callable[[Axes], Any], **labels: str) -> None:
    """Draw on one pair of axes and save; no state of pyplot is touched."""
    figure = Figure(figsize=SIZE)
    FigureCanvasAgg(figure)
    width, height = SIZE
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
        figure.savefig(temporary, dpi=DPI)


def _whole_epochs(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


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
