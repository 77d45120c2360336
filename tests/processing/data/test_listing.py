import pytest

from processing.data.listing import bare_name, some


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("photo 1.png", "photo 1"),
        ("a.b.PNG", "a.b"),
        ("scan.nii.gz", "scan"),
        ("scan.nii.gz#012", "scan_012"),
        ("test/lesion/scan.dcm#3", "test/lesion/scan_3"),
        ("part #3.jpg", "part #3"),
        ("notes", "notes"),
    ],
)
def test_names_without_their_suffix(name, bare):
    assert bare_name(name) == bare


def test_first_names_and_how_many_more():
    assert some("abc") == "a, b, c"
    assert some("abcdefg", "; ") == "a; b; c; d; e and 2 more"
