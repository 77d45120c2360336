"""The page of `benchmarks.defaults`: what each setting is worth, by category."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from statistics import fmean, median, stdev
from typing import NamedTuple

from scipy.special import stdtrit

from processing.metrics.names import METRICS
from processing.wording import count

CHOSEN = ("image_auroc", "pixel_auroc", "aupro", "score")  # of `METRICS`
COSTS = {"fit_seconds": "fit s", "images_per_second": "images/s", "megabytes": "MB"}
RISING = {*CHOSEN, "images_per_second"}  # the higher, the better
DIGITS = {**dict.fromkeys(CHOSEN, 3), **dict.fromkeys(COSTS, 1)}
HEAD = ("setting", *(METRICS[key].name for key in CHOSEN), *COSTS.values())
OTHERS = "others"  # settings of no list
NONE = "–"  # undefined, such as a metric of pixels without masks
EXPLANATION = """\
# Settings of methods compared

Written by `python3 -m benchmarks.defaults CATEGORY ...` from
`benchmarks/defaults.csv`, which has a row for each model that was
trained, finetuned and tested. Metrics are means over seeds, with 95 % intervals over
seeds and images, costs are medians, and the best of each column is bold. The test
leaves out the images that finetuning used; balanced score: of the decision that
`finetune.py` makes by default; fit s: of the training alone; images/s: judged by the
loaded model, with decoding. Metrics of pixels are of the categories with masks.
`--size N` stands for the pixels of that square in the shape of a category's images.
Most runs shared the machine with others: costs are to compare, higher than alone."""

Row = Mapping[str, str]


class Estimate(NamedTuple):
    """A mean or median, and how far its 95 % interval reaches below and above."""

    mean: float
    below: float
    above: float


class Line(NamedTuple):
    """What stands first in a line, and its values."""

    label: str
    values: Mapping[str, Estimate | None]


def render(rows: Sequence[Row], lists: Mapping[str, Collection[str]]) -> str:
    """Return the page of the rows of the table.

    `lists` are settings by the title of their tables; those of no list come last.
    """
    listed = {setting for settings in lists.values() for setting in settings}
    others = [row["setting"] for row in rows if row["setting"] not in listed]
    machines = sorted({row["machine"] for row in rows})
    parts = [EXPLANATION, f"\nMachine: {', '.join(machines)}."]
    for title, settings in {**lists, OTHERS: dict.fromkeys(others)}.items():
        if chosen := [row for row in rows if row["setting"] in settings]:
            parts += [f"\n## {title.capitalize()}", *_tables(chosen, settings)]
    return "\n".join(parts) + "\n"


def _tables(rows: Sequence[Row], settings: Collection[str]) -> Iterator[str]:
    """Yield the table of means over categories, if there are several, and of each.

    A mean is of settings that have all of them: others are not to be compared with it.
    """
    names = sorted({row["category"] for row in rows})
    means: list[Line] = []
    tables: dict[str, list[Line]] = {name: [] for name in names}
    for setting in settings:
        found = []
        for name in names:
            wanted = name, setting
            runs = [x for x in rows if (x["category"], x["setting"]) == wanted]
            if runs:
                found.append({key: estimate(runs, key) for key in DIGITS})
                label = f"`{setting}`, {count(len(runs), 'seed')}"
                tables[name].append(Line(label, found[-1]))
        if len(found) == len(names):
            mean = {key: over_categories([x[key] for x in found]) for key in DIGITS}
            means.append(Line(f"`{setting}`", mean))
    if len(names) > 1 and means:
        yield f"\n### Mean over {len(names)} categories\n\n{_table(means)}"
    for name, lines in tables.items():
        yield f"\n### {name}\n\n{_table(lines)}"


def estimate(runs: Sequence[Row], key: str) -> Estimate | None:
    """Return a metric or cost of the runs of one setting on one category, if it has it.

    The mean is over seeds. A run has a bootstrap interval over images: its test images
    drawn anew, good and defective ones apart. All seeds judge about the same images, so
    that their mean is as unsure of these as one run: by the root mean square of the
    distances from the values to the ends of their intervals. Of seeds it is unsure by
    Student's t times its standard error; from one seed nothing is known of that. The
    squares of both add. Of a cost it is the median, for other work on the machine and
    the first run of a process make outliers, and there is no interval.
    """
    runs = [row for row in runs if row[key]]
    if not runs:
        return None
    values, n = [float(row[key]) for row in runs], len(runs)
    if key in COSTS:
        return Estimate(median(values), 0, 0)
    seeds = stdtrit(n - 1, 0.975) * stdev(values) / n**0.5 if n > 1 else 0.0
    below, above = (
        math.hypot(*(float(row[key]) - float(row[f"{key}_{end}"]) for row in runs))
        for end in ("low", "high")
    )
    ends = (math.hypot(seeds, images / n**0.5) for images in (below, above))
    return Estimate(fmean(values), *ends)


def over_categories(found: Sequence[Estimate | None]) -> Estimate | None:
    """Return the mean over the categories that have a value, which are independent."""
    known = [value for value in found if value]
    if not known:
        return None
    means, *ends = zip(*known, strict=True)
    return Estimate(fmean(means), *(math.hypot(*end) / len(known) for end in ends))


def _table(lines: Sequence[Line]) -> str:
    """Return a table of settings, its best values bold."""
    best = {}
    for key, digits in DIGITS.items():
        known = [line.values[key] for line in lines]
        values = [round(value.mean, digits) for value in known if value]
        best[key] = (max if key in RISING else min)(values, default=None)
    rows: list[Sequence[str]] = [HEAD, ["---"] * len(HEAD)]
    for label, found in lines:
        rows.append([label, *(_cell(key, found[key], best[key]) for key in DIGITS)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(key: str, value: Estimate | None, best: float | None) -> str:
    if value is None:
        return NONE
    digits = DIGITS[key]
    text = f"{value.mean:.{digits}f}"
    text = f"**{text}**" if round(value.mean, digits) == best else text
    if key in COSTS:
        return text
    low, high = max(0, value.mean - value.below), min(1, value.mean + value.above)
    return f"{text} [{low:.{digits}f}, {high:.{digits}f}]"
