"""HTML pages from templates, with the number formats that they share."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from processing.wording import count, duration, metric, number

TEMPLATES = Path(__file__).parent / "templates"


def render(
    template: str, content: Mapping[str, Any], folder: Path | None = None
) -> str:
    """Return a template filled in, all in it escaped.

    It lies in `TEMPLATES`, or a folder, whose templates can include those.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, TEMPLATES] if folder else TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(metric=metric, number=number, count=count)
    environment.filters["duration"] = duration
    return environment.get_template(template).render(content)
