import pytest

from methods.engine import precision


@pytest.mark.parametrize(
    ("asked", "gain", "policy"),
    [
        ("auto", 1.29, "float32"),
        ("auto", 1.31, "mixed_bfloat16"),
        ("float32", 9, "float32"),
        ("bfloat16", 0.1, "mixed_bfloat16"),
    ],
)
def test_policy(asked, gain, policy, monkeypatch, caplog):
    monkeypatch.setattr(precision, "_gain", lambda: gain)
    with caplog.at_level("INFO"):
        assert precision.choose_policy(asked) == policy
    assert (f"{gain:.1f} times" in caplog.text) == (asked == "auto")


def test_the_gain_is_a_positive_number():
    assert 0 < precision._gain(rounds=1) < 1000
