"""The picture of the good images that bind a decision."""

from collections.abc import Sequence
from pathlib import Path

from methods.detector.results import FinetuningResult
from processing.data.image_set import ImageSet
from processing.report.binding import BindingImage, write_binding
from processing.report.gallery import ColourScale

from .curves import Curves

PICTURE = "binding.png"


def draw_binding(
    path: Path,
    finetuned: FinetuningResult,
    judged: Sequence[tuple[ImageSet, Curves]],
) -> None:
    """Draw the good images that look worst to a decision, the worst first.

    Args:
        path: of the picture.
        finetuned: the decision, which names them.
        judged: sets of images, and what has their maps.
    """
    found = {}
    for images, curves in judged:
        places = [i for i, x in enumerate(images.names) if x in finetuned.binding]
        chosen, preparation = images.subset(places), curves.detector.preparation
        for index, decided_map in enumerate(curves.maps(chosen)):
            name, picture = (
                chosen.names[index],
                preparation.picture(chosen.paths[index]),
            )
            critical = finetuned.binding[name]
            found[name] = BindingImage(name, critical, picture, decided_map)
    ordered = [found[name] for name in finetuned.binding]
    scale = ColourScale.around(finetuned.threshold, finetuned.good_level)
    write_binding(path, ordered, finetuned.decision, scale)
