import jinja2
import pytest

from processing.metrics.names import FIGURES
from processing.report import pages
from processing.report.pages import render
from processing.wording import count, duration, figure, number


def test_numbers_as_people_read_them():
    assert figure(0.98765) == "0.988"
    assert figure(1.0) == "1.000"
    assert figure(None) == number(None) == "–"
    assert [number(x) for x in (2.5, 38.469, 123456.0, 1234.4)] == [
        "2.500",
        "38.47",
        "1.235e+05",
        "1234",
    ]
    assert count(1, "defect") == "1 defect"
    assert count(0, "defect") == "0 defects"
    assert count(5000, "image") == "5,000 images"


def test_figures_of_one_group_stand_together():
    groups = [kind.group for kind in FIGURES.values()]
    changes = sum(a != b for a, b in zip(groups, groups[1:], strict=False))
    assert changes == len(set(groups)) - 1


def test_templates_escape_and_know_what_is_missing(tmp_path, monkeypatch):
    (tmp_path / "page.html").write_text(
        "<p>{{ name }}</p>{{ value|figure }}{{ other }}"
    )
    monkeypatch.setattr(pages, "TEMPLATES", tmp_path)
    text = render("page.html", {"name": "<script>", "value": 0.5, "other": ""})
    assert text == "<p>&lt;script&gt;</p>0.500"
    with pytest.raises(jinja2.UndefinedError, match="other"):
        render("page.html", {"name": "", "value": 0.5})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (4.4, "4 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3720, "1 h 02 min"),
        (None, "–"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
