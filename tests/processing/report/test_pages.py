import jinja2
import pytest

from processing.report import pages
from processing.report.pages import render


def test_templates_escape_and_know_what_is_missing(tmp_path, monkeypatch):
    (tmp_path / "page.html").write_text(
        "<p>{{ name }}</p>{{ value|metric }}{{ other }}"
    )
    monkeypatch.setattr(pages, "TEMPLATES", tmp_path)
    text = render("page.html", {"name": "<script>", "value": 0.5, "other": ""})
    assert text == "<p>&lt;script&gt;</p>0.500"
    with pytest.raises(jinja2.UndefinedError, match="other"):
        render("page.html", {"name": "", "value": 0.5})
