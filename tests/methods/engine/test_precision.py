from pathlib import Path

import pytest

from methods.engine import precision


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_ANOMALY_WEIGHTS", str(tmp_path / "cache"))


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


@pytest.mark.parametrize(("limit", "lacks"), [("avx2", True), ("DEFAULT", False)])
def test_what_the_processor_may_not_use_is_not_timed(limit, lacks, monkeypatch):
    """A convolution in bfloat16 would fail."""
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    monkeypatch.setattr(precision, "CPU_INFO", Path("none"))
    monkeypatch.setattr(precision, "on_gpu", lambda: False)
    monkeypatch.setattr(precision, "_gain", lambda: 9 if not lacks else 1 / 0)
    policy = "float32" if lacks else "mixed_bfloat16"
    assert precision.choose_policy("auto") == policy


def test_the_gain_is_timed_once_for_a_processor_and_a_version(
    monkeypatch, tmp_path, caplog
):
    gains = iter([2.0, 1.0, 1.0, 3.0])
    monkeypatch.setattr(precision, "_lacks_bfloat16", lambda: False)
    monkeypatch.setattr(precision, "on_gpu", lambda: False)
    monkeypatch.setattr(precision, "_gain", lambda: next(gains))
    monkeypatch.setattr(precision, "CPU_INFO", tmp_path / "cpuinfo")

    def choose(lines, version="2.0"):
        (tmp_path / "cpuinfo").write_text(lines)
        monkeypatch.setattr(precision, "version", lambda _: version)
        return precision.choose_policy("auto")

    with caplog.at_level("INFO"):
        known = "model name\t: one\nflags\t\t: fpu amx_bf16\n"
        assert choose(known) == choose(known) == "mixed_bfloat16"
        assert "2.0 times as fast here, as measured on 20" in caplog.text
        assert choose(known.replace("one", "two")) == "float32"
        assert choose(known.replace("amx", "avx512")) == "float32"
        assert choose(known, "2.1") == "mixed_bfloat16"
    assert choose(known) == "mixed_bfloat16"  # the first is still known


def test_a_gpu_is_timed_each_time(monkeypatch):
    gains = iter([2.0, 1.0])
    monkeypatch.setattr(precision, "on_gpu", lambda: True)
    monkeypatch.setattr(precision, "_gain", lambda: next(gains))
    assert precision.choose_policy("auto") == "mixed_bfloat16"
    assert precision.choose_policy("auto") == "float32"
