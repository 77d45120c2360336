import pytest

from methods.cli.inspect import main
from tests.folders import make


@pytest.fixture
def category(tmp_path):
    folder = tmp_path / "data/nut"
    make(folder, "train/good/{10}.png", "test/good/{2}.png", "test/hole/{3}.png")
    return make(folder, marked=["ground_truth/hole/{3}.png"])


def cells(output, first):
    """Return the cells of the row of a table that begins with these."""
    for line in output.splitlines():
        row = [cell.strip() for cell in line.split("│")[1:-1]]
        if row[: len(first)] == first:
            return row
    raise AssertionError(f"no row {first} in {output}")


def test_a_table_of_a_category(category, capsys):
    assert main([str(category)]) == 0
    output = capsys.readouterr().out
    assert "data/nut: train and test" in output
    good = cells(output, ["train", "good"])
    assert good == ["train", "good", "10", "12x10", "8-bit grey", ""]
    hole = cells(output, ["test", "hole"])
    assert hole == ["test", "hole", "3", "12x10", "8-bit grey", "3 found"]
    assert "size:    288x224 (height x width) for images of 12x10" in output
    assert "warning" not in output


def test_warnings_and_what_is_not_taken(category, capsys):
    (category / "test/hole/000.png").write_bytes(
        (category / "train/good/000.png").read_bytes()
    )
    (category / "train/good/a.heic").touch()
    assert main([str(category)]) == 0
    output = capsys.readouterr().out
    assert "warning: not taken: 1 file: train/good/a.heic (a format" in output
    assert "warning: copies, byte for byte: 1 test image among the training" in output
    assert "warning: the same image is good and defective: " in output


def test_several_sizes_in_one_cell(category, capsys):
    from PIL import Image

    Image.new("L", (30, 20)).save(category / "test/good/000.png")
    assert main([str(category)]) == 0
    row = cells(capsys.readouterr().out, ["test", "good"])
    assert row[3] == "20x30 (1), 12x10 (1)"
    Image.new("L", (40, 50)).save(category / "test/good/002.png")
    assert main([str(category)]) == 0
    row = cells(capsys.readouterr().out, ["test", "good"])
    assert row[3] == "12-50x10-40 (3 sizes)"


def test_a_folder_of_categories(category, capsys):
    make(category.parent / "bolt", "train/good/{10}.png")
    make(category.parent / "docs", "x/y/000.png")
    assert main([str(category.parent)]) == 0
    output = capsys.readouterr().out
    assert output.index("data/bolt") < output.index("data/nut")
    assert "warning: no categories: docs" in output


def test_names_are_printed_as_text(category, capsys):
    make(category, "test/[red]a\x1b[2J/{2}.png")
    assert main([str(category)]) == 0
    output = capsys.readouterr().out
    assert cells(output, ["test", "[red]a\\x1b[2J"])
    assert "\x1b[2J" not in output


def test_nothing_to_inspect(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere")]) == 2
    assert main([str(tmp_path)]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert "nowhere" in errors[0]


def test_a_category_in_error_hides_no_other(category, capsys):
    bolt = category.parent / "bolt"
    make(bolt, "train/good/0.png", "train/good/0.bmp")
    assert main([str(category.parent)]) == 1
    output, error = capsys.readouterr()
    assert "data/nut: train and test" in output
    assert error.startswith("error: 1 category with an error: bolt: two images of one ")
