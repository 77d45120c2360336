from pathlib import Path

import pytest

from processing.data.scan import scan
from processing.data.table import images_of_table, path_in_table, read_table
from processing.errors import UserError
from tests.folders import make


@pytest.fixture
def table(tmp_path):
    make(tmp_path / "set", "{3}.png", "sub/1.png", marked=["masks/1.png"])
    make(tmp_path, "outside.png")
    return tmp_path / "set/labels.csv"


def test_all_columns(table):
    table.write_text(
        "\ufeffLABEL ; Path;mask;Split;group\n"
        "good;000.png;;Train;a\n"
        "OK;./001.png;;validation;\n"
        "dent;sub\\1.png;masks/1.png;test;b\n"
        f"defective;{table.parent.parent}/outside.png;;;\n"
        f"good;{table.parent}/002.png;;;\n",
        encoding="utf-8",
    )
    outside = str(table.parent.parent / "outside.png")
    images = scan(table).images
    assert [(x.name, x.kind, x.split, x.group) for x in images] == [
        ("000.png", "good", "train", "a"),
        ("001.png", "good", "validation", ""),
        ("sub/1.png", "dent", "test", "b"),
        (outside, "defective", "", ""),
        ("002.png", "good", "", ""),
    ]
    assert images[2].masks == (table.parent / "masks/1.png",)
    assert images[3].path.is_file()


def test_a_folder_with_a_table_is_what_the_table_says(table):
    table.write_text("path,label\n000.png,good\n")
    found = scan(table.parent)
    assert (found.layout, found.folder) == ("table", table.parent)
    assert [x.name for x in found.images] == ["000.png"]
    assert found == scan(table)


def test_masks_beside_do_not_replace_those_of_the_table(table):
    make(table.parent, "a/{2}.png", marked=["a/{2}_mask.png"])
    table.write_text("path,label,mask\na/000.png,x,masks/1.png\na/001.png,x,\n")
    images = scan(table.parent).images
    assert [x.masks for x in images] == [(table.parent / "masks/1.png",), ()]


def test_files_that_are_not_there_are_named(table):
    table.write_text("path,label,mask\n7.png,good,\n000.png,x,no.png\na.txt,x,\n")
    found = images_of_table(table)
    assert found.images == []
    assert [str(x) for x in found.left_out] == [
        "7.png (no such file)",
        "no.png (no such file)",
        "a.txt (not an image that is read)",
    ]
    assert all(x.fault for x in found.left_out)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot read the table .*labels.csv: "),
        (
            "file,label\n1.png,good\n",
            "expected one column each of path, label. Rec.*file",
        ),
        ("path,label,Label\n1.png,good,x\n", "expected one column each"),
        ("path,label\n1.png,good\n1.png,a,b,c\n", "cannot read the table"),
        ("path,label\n000.png,good\n001.png,\n", "line 3: expected a path, a label"),
        ("path,label,split\n000.png,good,dev\n", "line 2: .*Received: .*dev"),
        ("path,label\n000.png,good\n./000.png,bad\n", "names 000.png twice"),
    ],
)
def test_tables_that_are_wrong(table, text, message):
    table.write_text(text)
    with pytest.raises(UserError, match=message) as raised:
        scan(table)
    assert "\n" not in str(raised.value)


def test_a_table_that_is_no_utf8(table):
    table.write_bytes(b"path,label\nf\xfcr.png,good\n")
    with pytest.raises(UserError, match="cannot read the table"):
        read_table(table, ("path",))


def test_what_a_table_can_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert path_in_table(Path("a b/1.png")) == (tmp_path / "a b/1.png").as_posix()
    assert path_in_table(Path("/a/scan.nii.gz")) == "/a/scan.nii.gz"
    assert path_in_table(Path("/a/scan.nii.gz#012")) == ""
    assert path_in_table(Path("/a/back\\slash.png")) == ""
