import re

from benchmarks.padim import main, print_table


def test_our_side_alone(samples, capsys):
    options = ["--features", "4", "--size", "64", "--limit", "5"]
    assert main([str(samples / "washer"), *options]) == 0
    head, _, row = capsys.readouterr().out.splitlines()
    assert head.count("|") == row.count("|")
    assert re.fullmatch(r"\| ours (\| \d+\.\d+ ){6,}\|", row)


def test_ratios_and_failures(capsys):
    metrics = {
        "fit_seconds": 1.0,
        "images_per_second": 5.0,
        "seconds": 2.0,
        "cpu_seconds": 3.0,
        "start_gb": 0.5,
        "peak_gb": 1.0,
        "image_auroc": 1.0,
        "pixel_auroc": 0.9,
        "aupro": 0.8,
    }
    slower = {**metrics, "seconds": 9.0, "peak_gb": 4.5}
    print_table({"ours": metrics, "anomalib": slower})
    assert (
        "4.5 times as fast, 0.22 of the memory (0.12 without what importing takes)"
        in capsys.readouterr().out
    )
    print_table({"ours": metrics, "anomalib": {"error": "ended with -9"}})
    assert "| anomalib | ended with -9 |" in capsys.readouterr().out
