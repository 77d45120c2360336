"""Tables that grow: what a kill leaves of them, and whose rows they have."""

import pytest

from methods.pipeline.growing_table import Table, open_scores
from processing.errors import UserError
from processing.files import read_table

ROWS = [
    {"file": "a, ü.png", "score": 1.5, "size": 3, "time": "now"},
    {"file": 'a\n"b".png', "score": 2.5, "size": 4, "time": "then"},
    {"file": "=c.png", "score": 3.5, "size": 5, "time": "-"},
]


def test_a_row_that_was_cut_off_is_made_again(tmp_path):
    path = tmp_path / "scores.csv"
    for row in ROWS:
        Table(path).add(row)
    whole = path.read_bytes()
    assert [row["file"] for row in read_table(whole.decode())] == [
        row["file"] for row in ROWS
    ]
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        table = Table(path)
        for row in ROWS:
            if row["file"] not in table.written:
                table.add(row)
        assert path.read_bytes() == whole, whole[:cut]
    assert Table(path).written["=c.png"] == ("5", "-")


def test_a_row_lacks_or_has_other_columns(tmp_path):
    table = Table(tmp_path / "scores.csv")
    table.add({"file": "a", "score": 1})
    table.add({"score": None, "other": 1, "file": "caf\udce9"})
    assert table.path.read_text() == "file,score\na,1\ncaf\\udce9,\n"
    assert table.added == 2


def test_rows_are_discarded(tmp_path):
    table = Table(tmp_path / "not_judged.csv")
    for row in ROWS:
        table.add(row)
    table.discard("nothing")
    table.discard(ROWS[1]["file"])
    assert [*Table(table.path).written] == [ROWS[0]["file"], ROWS[2]["file"]]
    table.add(ROWS[1])
    assert len(Table(table.path).written) == 3


@pytest.mark.parametrize("content", ["name\nx\n", "\0\n\xff\n"])
def test_a_damaged_table(tmp_path, content):
    path = tmp_path / "scores.csv"
    path.write_text(content, "latin-1")
    with pytest.raises(UserError, match=r"scores.csv is damaged: "):
        Table(path)


def test_a_table_that_cannot_be_written(tmp_path):
    table = Table(tmp_path / "gone" / "scores.csv")
    with pytest.raises(UserError, match="cannot write .*scores.csv: No such file"):
        table.add(ROWS[0])


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        ([{"file": "a", "decision": "old"}], "scores_old.csv"),
        ([{"file": "a", "score": 1}], "scores_earlier.csv"),  # of an earlier version
        (
            [{"file": "a", "decision": "old"}, {"file": "b", "decision": "new"}],
            "scores_earlier.csv",
        ),
    ],
)
def test_no_table_has_two_decisions(tmp_path, before, kept):
    path = tmp_path / "scores.csv"
    for end in (".csv", "_2.csv"):
        table = Table(path)
        for row in before:
            table.add(row)
        content = path.read_text()
        table = open_scores(path, "new")
        assert not table.written
        assert (tmp_path / kept.replace(".csv", end)).read_text() == content
    table.add({"file": "a", "decision": "new"})
    assert open_scores(path, "new").written.keys() == {"a"}
