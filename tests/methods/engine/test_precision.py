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
    monkeypatch.setattr(precision, "_lacks_bfloat16", lambda: False)
    with caplog.at_level("INFO"):
        assert precision.choose_policy(asked) == policy
    assert (f"{gain:.1f} times" in caplog.text) == (asked == "auto")


def test_the_gain_is_a_positive_number():
    assert 0 < precision._gain(rounds=1) < 1000


@pytest.mark.parametrize(
    ("lines", "lacks"),
    [
        ("model name\t: x\nflags\t\t: fpu avx2 fma\n", True),
        ("flags\t\t: fpu avx2 avx512_bf16\n", False),
        ("Features\t: fp asimd bf16\n", False),
        ("model name\t: x\n", False),  # it does not say
        (None, False),
    ],
)
def test_what_a_processor_lacks_is_not_timed(lines, lacks, monkeypatch, tmp_path):
    if lines is not None:
        (tmp_path / "cpuinfo").write_text(lines)
    monkeypatch.setattr(precision, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(precision, "on_gpu", lambda: False)
    monkeypatch.setattr(precision, "_gain", lambda: 9 if not lacks else 1 / 0)
    policy = "float32" if lacks else "mixed_bfloat16"
    assert precision.choose_policy("auto") == policy
