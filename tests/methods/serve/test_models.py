import numpy as np
import pytest

from methods.serve.models import load_models
from processing.data.dataset import unlabelled
from processing.decoding.decode import read_pixels
from processing.errors import UsageError


def test_a_model_judges_as_from_files_in_every_size_of_batch(model, samples):
    path, results = model
    [served] = load_models([path], results, None, "keras").values()
    files = sorted((samples / "washer/test").rglob("*.png"))[:5]
    detector = served.judge.detector
    named = {file.name + str(i): file for i, file in enumerate(files)}
    images = unlabelled(named, detector.image_shape, cache_bytes=0)
    wanted = list(served.judge.judge(images.prepared(detector.preparation)))
    pixels = [read_pixels(file, 3) for file in images.files]
    served.prepare()
    for count in (1, 3, 5):
        found = served.verdicts(pixels[:count])
        for one, other in zip(found, wanted, strict=False):
            assert one.score == pytest.approx(other.score, rel=1e-5)
            assert np.allclose(one.anomaly_map, other.anomaly_map, rtol=1e-4, atol=1e-5)
            assert one.p_value == other.p_value
    assert served.about["id"] == served.decided.record.id
    assert served.about["decision"] == served.decided.finetuned.name


def test_one_model_twice(model):
    path, results = model
    with pytest.raises(UsageError, match="expected different models"):
        load_models([path, path], results, None, "keras")
