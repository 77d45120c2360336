"""Parts of very many images, wherever they come from."""

from pathlib import Path

import pandas as pd
import pytest

from processing.data.remote_sources import Source, _local, check_part, count, cut
from processing.errors import UsageError, UserError

pytest.importorskip("fsspec")
pytest.importorskip("pyarrow")


@pytest.fixture
def folder(tmp_path):
    """Return a folder of seven files, five of which are images to be seen."""
    folder = tmp_path / "photos"
    for name in ("a/2.png", "a/10.png", "a/.half.png", "b/1.JPG", "b/n.txt", "c.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def two(images):
    return 2


def contents(source, parts):
    """Return what is in the files of parts, by name."""
    texts = {}
    for part in parts:
        with source.files(part) as files:
            assert len(files) == count(part)
            texts |= {name: path.read_bytes().decode() for name, path in files.items()}
    return texts


def remote(folder, place):
    """Copy a folder to the memory that fsspec takes for an object store."""
    import fsspec

    system = fsspec.filesystem("memory")
    for path in filter(Path.is_file, sorted(folder.rglob("*"))):
        system.pipe(
            f"/{place}/{path.relative_to(folder).as_posix()}", path.read_bytes()
        )
    return f"memory://{place}"


def test_a_folder_and_what_came_later(folder):
    source = Source(str(folder))
    parts = source.parts([], two)
    assert parts == [["a/2.png", "a/10.png"], ["b/1.JPG", "c.png"]]
    assert contents(source, parts) == {x: x for part in parts for x in part}
    (folder / "a/3.png").write_bytes(b"")
    assert source.parts(parts, two) == [["a/3.png"]]
    assert source.name == "photos"


def test_a_pattern(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    source = Source("photos/*/?0.png")
    assert source.parts([], two) == [["a/10.png"]]
    assert contents(source, [["a/10.png"]]) == {"a/10.png": "a/10.png"}
    assert source.name == "photos_0.png"
    everything = Source("photos/**").parts([], lambda images: images)
    assert everything == [["a/10.png", "a/2.png", "b/1.JPG", "c.png"]]


def test_a_folder_that_looks_like_a_pattern(folder):
    folder = folder.rename(folder.with_name("photos[1]"))
    source = Source(str(folder))
    assert sum(map(count, source.parts([], two))) == 4
    assert contents(source, [["c.png"]]) == {"c.png": "c.png"}


def test_an_object_store(folder):
    place = remote(folder, "bucket/photos")
    source = Source(place)
    parts = source.parts([], two)
    assert parts == [["a/10.png", "a/2.png"], ["b/1.JPG", "c.png"]]
    assert contents(source, parts) == {x: x for part in parts for x in part}
    assert source.name == "photos"
    source = Source(f"{place}/a/*.png")
    assert source.parts([], two) == [["10.png", "2.png"]]
    assert contents(source, [["2.png"]]) == {"2.png": "a/2.png"}
    with source.files(["gone.png"]) as files:
        assert not files["gone.png"].exists()


def test_tables_of_paths(folder, tmp_path):
    """Relative to the table, absolute or elsewhere; row groups are no bounds."""
    url = remote(folder, "other")
    table = tmp_path / "tables/first.parquet"
    table.parent.mkdir()
    paths = ["../photos/c.png", str(folder / "a/2.png"), f"{url}/b/1.JPG"]
    pd.DataFrame({"path": paths, "line": 1}).to_parquet(table, row_group_size=1)
    source = Source(str(table))
    parts = source.parts([], two)
    assert parts == [
        {"table": "first.parquet", "rows": [0, 2]},
        {"table": "first.parquet", "rows": [2, 3]},
    ]
    texts = ["c.png", "a/2.png", "b/1.JPG"]
    assert contents(source, parts) == dict(zip(paths, texts, strict=True))
    assert source.name == "first"
    source = Source(str(table.parent))
    assert source.parts([], two) == parts
    second = table.with_name("second.parquet")
    table.rename(second)
    assert source.parts(parts, two)[0] == {"table": "second.parquet", "rows": [0, 2]}


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("where", ["here", "there"])
def test_tables_of_bytes(tmp_path, named, where):
    texts = [f"image {i}" for i in range(5)]
    frame = pd.DataFrame({"bytes": [x.encode() for x in texts]})
    if named:
        frame["path"] = [f"x/{i}.png" for i in range(5)]
    (tmp_path / "tables").mkdir()
    frame.to_parquet(tmp_path / "tables/all.parquet", row_group_size=2)
    root = (
        str(tmp_path / "tables")
        if where == "here"
        else remote(tmp_path / "tables", "t")
    )
    source = Source(f"{root}/*.parquet" if where == "here" else root)
    parts = source.parts([], lambda images: 3)
    assert [part["rows"] for part in parts] == [[0, 3], [3, 5]]
    names = [f"x/{i}.png" if named else f"all.parquet:{i}" for i in range(5)]
    assert contents(source, parts) == dict(zip(names, texts, strict=True))


@pytest.mark.parametrize(
    "part",
    [3, "a.png", ["../a.png"], ["/a.png"], [""], [3], {}, {"table": "t"}, None]
    + [{"table": "t", "rows": x} for x in ([0], [1, 1], [-1, 2], "ab", [0, 2.0], 3)]
    + [{"table": x, "rows": [0, 2]} for x in (3, "", "../t", "/t")],
)
def test_parts_that_are_none(part):
    with pytest.raises(ValueError, match="parts: expected names of images, or a table"):
        check_part(part)


def test_parts_that_are_some():
    check_part(["a.png", "b/..c.png"])
    check_part({"table": "a/t.parquet", "rows": [0, 2]})


@pytest.mark.parametrize("name", ["a/b\\..\\..\\c.png", "C:x\0y.png", "x" * 300])
def test_copies_stay_in_their_folder(name):
    last = _local(3, name, Path("copies")).name
    assert not {*"/\\:\0"} & {*last}
    assert len(last) < 120


def test_parts_are_cut():
    assert list(cut(["a", "b", "c"], 2)) == [["a", "b"], ["c"]]
    part = {"table": "t", "rows": [10, 15]}
    assert [x["rows"] for x in cut(part, 2)] == [[10, 12], [12, 14], [14, 15]]


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("nowhere", "nothing"),
        ("photos/*.bmp", "nothing"),
        ("photos/b/n.txt", "n.txt"),
        ("photos/c.png", "c.png"),
        ("mixed/*", "both"),
    ],
)
def test_what_is_no_source(folder, text, received, monkeypatch):
    monkeypatch.chdir(folder.parent)
    (folder.parent / "mixed").mkdir()
    for name in ("a.png", "b.parquet"):
        (folder.parent / "mixed" / name).touch()
    with pytest.raises(
        UsageError, match=f"a pattern such as .* Received: .*{received}"
    ):
        Source(text).parts([], two)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"image": ["a"]}, "with a column path or bytes. Received: image"),
        ({"path": ["a", "a"]}, "in rows 0 to 2 twice"),
    ],
)
def test_tables_that_say_too_little(tmp_path, frame, message):
    pd.DataFrame(frame).to_parquet(tmp_path / "t.parquet")
    source = Source(str(tmp_path / "t.parquet"))
    [part] = source.parts([], two)
    with pytest.raises(UserError, match=message), source.files(part):
        pass


@pytest.mark.parametrize("url", ["nothing://photos", "s4://x"])
def test_a_url_of_no_package(url):
    with pytest.raises(UserError, match=url):
        Source(url).parts([], two)


def test_a_damaged_table(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"no table")
    with pytest.raises(UserError, match="cannot read .*t.parquet: "):
        Source(str(tmp_path / "t.parquet")).parts([], two)
