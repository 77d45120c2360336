import json
import re
from html.parser import HTMLParser

import cv2
import pytest

from processing.metrics.names import METRICS
from processing.report.report import verdict, write_report

CASES = [
    ("test/good/000.png", "good", "good", "good", 0.2),
    ("test/good/001.png", "good", "good", "good", 0.3),
    ("test/good/002.png", "good", "good", "defective", 0.8),
    ("test/hole/000.png", "hole", "defective", "defective", 0.9),
    ("test/hole/001.png", "hole", "defective", "defective", 0.7),
    ("test/scratch/000.png", "scratch", "defective", "good", 0.4),
]
UNKNOWN = [
    ("a b.png", "unknown", "", "defective", 0.9),
    ("c", "unknown", "", "good", 0),
]


class Page(HTMLParser):
    """What the tests look at: metrics, classes, the text, and the gallery's data."""

    def __init__(self, path):
        super().__init__()
        self.metrics, self.classes, self.text = {}, {}, []
        self.inside, self.row = None, None
        self.tags = []
        self.feed(path.read_text(encoding="utf-8"))
        [data] = re.findall(
            r'<script type="application/json" id="data">(.*?)</script>',
            path.read_text(encoding="utf-8"),
        )
        self.data = json.loads(data)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if "data-class" in attributes:
            self.row = self.classes.setdefault(attributes["data-class"], {})
        self.inside = attributes.get("data-metric")

    def handle_endtag(self, tag):
        self.inside = None
        if tag == "table":
            self.row = None

    def handle_data(self, data):
        self.text.append(" ".join(data.split()))
        if self.inside:
            into = self.metrics if self.row is None else self.row
            into[self.inside] = data.strip()


def written(judged, **more):
    return write_report(
        judged.folder,
        judged.result,
        judged.rows,
        judged.curves,
        judged.pictures,
        judged.scale,
        judged.about,
        **more,
    )


def test_numbers_are_those_of_the_result(judged):
    judged_set = judged(CASES)
    page = Page(written(judged_set))
    expected = {
        key: "undefined"
        if judged_set.result[key] is None
        else f"{judged_set.result[key]:.3f}"
        for key in METRICS
        if key in judged_set.result
    }
    assert page.metrics == expected
    assert page.classes["hole"] == {"image_auroc": "0.900", "pixel_auroc": "–"}
    assert "because no defective image has a mask" in page.text
    assert "0.850 – 0.960" in page.text
    assert "Found 2 of 3 defects, 1 false alarm on 3 good images" in page.text
    assert "saved_models/model.hdf5" in page.text
    assert "test/good/009.png" in page.text


@pytest.mark.parametrize("interval", [[0.5, 0.9], [1, 1]])
def test_intervals_without_width_are_explained(judged, interval):
    judged_set = judged(CASES)
    judged_set.result["intervals_95"]["TPR"] = interval
    text = written(judged_set).read_text(encoding="utf-8")
    assert ("does not make it" in text) == (interval == [1, 1])


def test_one_file_without_a_network(judged):
    path = written(judged(CASES))
    page = Page(path)
    for tag, attributes in page.tags:
        for name in ("src", "href"):
            target = attributes.get(name, "")
            assert target.startswith(("data:", "#", "")), (tag, target)
            assert "//" not in target
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[\w./]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert "url(" not in text
    assert {file.name for file in path.parent.iterdir()} == {
        "report.html",
        "roc_plot.png",
        "pr_plot.png",
        "pro_plot.png",
        "histogram_plot.png",
    }


def test_plots_for_papers(judged):
    folder = written(judged(CASES)).parent
    for name in ("roc", "pr", "pro", "histogram"):
        plot = cv2.imread(str(folder / f"{name}_plot.png"))
        assert plot.shape[1] == 1152
        assert plot.shape[0] in (909, 954)  # with one or two rows of a legend
        assert (plot < 128).any(axis=-1).mean() > 0.005


def test_gallery_data(judged):
    judged_set = judged(CASES)
    data = Page(written(judged_set)).data
    assert data["labelled"]
    outcomes = [image["outcome"] for image in data["images"]]
    assert outcomes == ["passed", "passed", "alarm", "found", "found", "miss"]
    assert [image["score"] for image in data["images"]] == [case[-1] for case in CASES]
    kinds = [set(image["pictures"]) for image in data["images"]]
    assert kinds[0] == {"image", "map"}
    assert kinds[2] == {"image", "map", "mask"}
    assert kinds[3] == {"image", "map", "mask", "truth"}
    assert kinds[5] == {"image", "map", "truth"}


def test_names_cannot_break_out(judged):
    evil = "\"'><script>alert(1)</script><!-- ü %s {{ 7*7 }} </title>.png"
    judged_set = judged([(evil, evil, "defective", "good", 0.4), *CASES])
    judged_set.about = {**judged_set.about, "title": evil, "run": evil}
    judged_set.result["model"] = evil
    judged_set.result["undefined"]["pixel_auroc"] = evil
    path = written(judged_set)
    page = Page(path)
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert "alert(1)" not in {text.strip() for text in page.text}
    assert page.data["images"][0]["file"] == evil
    assert evil in page.classes
    assert evil.replace("  ", " ") in page.text


def test_unlabelled_images_get_no_metrics(judged):
    judged_set = judged(UNKNOWN)
    judged_set.result |= dict.fromkeys(METRICS)
    judged_set.curves = {}
    page = Page(written(judged_set))
    assert not page.metrics
    assert not page.classes
    assert "1 of 2 images called defective" in page.text
    assert [image["outcome"] for image in page.data["images"]] == ["defective", "good"]
    assert "Scores" in page.text
    assert sorted(p.name for p in judged_set.folder.iterdir()) == [
        "histogram_plot.png",
        "report.html",
    ]


def test_p_values_are_shown_where_there_are_any(judged):
    judged_set = judged(CASES)
    judged_set.rows[0]["p_value"] = 0.04
    images = Page(written(judged_set)).data["images"]
    assert [image["p"] for image in images] == [0.04] + [None] * 5


@pytest.mark.parametrize(
    ("cases", "sentence"),
    [
        (CASES[:2], "0 false alarms on 2 good images"),
        (CASES[3:4], "Found 1 of 1 defect"),
        (CASES[2:4], "Found 1 of 1 defect, 1 false alarm on 1 good image"),
        (UNKNOWN, "1 of 2 images called defective"),
    ],
)
def test_verdict(judged, cases, sentence):
    judged_set = judged(cases)
    assert verdict(judged_set.result, judged_set.rows) == sentence


def test_images_that_were_not_registered_are_marked(judged):
    judged_set = judged(CASES)
    for row, registered in zip(judged_set.rows, [True, False] * 3, strict=True):
        row["registered"] = registered
    images = Page(written(judged_set)).data["images"]
    assert [image["lost"] for image in images] == [False, True] * 3


def test_the_promise_is_a_line_where_it_is_known(judged):
    judged_set = judged(CASES)
    line = "at most 9.5% false alarms.</p>"
    assert line in written(judged_set).read_text("utf-8")
    judged_set.about = {**judged_set.about, "promise": ""}
    assert 'id="promised"' not in written(judged_set).read_text("utf-8")


def test_places_of_defects_are_a_line_where_they_are_known(judged):
    judged_set = judged(CASES)
    assert 'id="where"' not in written(judged_set).read_text("utf-8")
    judged_set.result["localisation"] = {"good_images": 2, "false_regions_on_good": 3}
    page = written(judged_set).read_text("utf-8")
    assert "Where: 3 false regions on 2 good images." in page


def test_images_that_a_table_can_name_have_a_path(judged):
    paths = ["/a/b.png", ""]
    page = Page(written(judged(UNKNOWN), paths=paths))
    assert [image["path"] for image in page.data["images"]] == paths
    assert "nodefect" in page.data["good_names"]
    assert "python3 finetune.py -p saved_models/model.hdf5 --labels" in " ".join(
        page.text
    )
