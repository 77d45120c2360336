import pytest

from processing.wording import count, duration, is_utf8, metric, number, shortened


def test_numbers_as_people_read_them():
    assert metric(0.98765) == "0.988"
    assert metric(1.0) == "1.000"
    assert metric(None) == number(None) == "–"
    assert [number(x) for x in (2.5, 38.469, 123456.0, 1234.4)] == [
        "2.500",
        "38.47",
        "1.235e+05",
        "1234",
    ]
    assert count(1, "defect") == "1 defect"
    assert count(0, "defect") == "0 defects"
    assert count(5000, "image") == "5,000 images"


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


def test_names_of_the_file_system():
    assert is_utf8("ü\n.png")
    assert not is_utf8("f\udcfcr.png")
    assert shortened("a/b.png") == "a/b.png"
    assert shortened("a" * 5000 + "z") == "a" * 100 + "..." + "a" * 99 + "z"
