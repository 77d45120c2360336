import cv2
import numpy as np
import pytest

from methods.detector.judge import Verdict
from methods.serve.pictures import TYPES, drawn, judged_png
from processing.report.gallery import ColourScale


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_pictures_are_alike_in_size_and_the_mask_is_exact(dtype):
    grey = np.iinfo(dtype).max // 2
    pixels = np.full((800, 400, 3), grey, dtype)
    anomaly_map = np.zeros((16, 16), np.float32)
    anomaly_map[:8, :8] = 2
    verdict = Verdict(2.0, anomaly_map, anomaly_map, anomaly_map > 1, None, None)

    def decoded(data):
        return cv2.imdecode(np.frombuffer(data, "uint8"), cv2.IMREAD_UNCHANGED)

    judged = decoded(judged_png(verdict, ColourScale.around(1, 0)))
    read = {kind: decoded(drawn(kind, pixels, judged)) for kind in TYPES}
    assert {picture.shape[:2] for picture in read.values()} == {(640, 320)}
    mask = np.zeros((640, 320), np.uint8)
    mask[:320, :160] = 255
    assert (read["mask"] == mask).all()
    assert abs(read["image"].astype(int) - 127).max() <= 2
    assert read["map"][100, 80].mean() > 200 > 50 > read["map"][500, 250].mean()
    blue, _, red = read["overlay"][100, 80].astype(int)
    assert red > blue + 40
