import keras
import numpy as np
import pytest

from methods.engine.optimizer import WARM_UP, ShapedAdam, cosine, geometric


def test_shapes():
    shape = cosine(1000)
    values = np.array([float(shape(np.float32(step))) for step in range(1001)])
    assert values[0] == pytest.approx(1 / WARM_UP, rel=1e-3)
    assert values.argmax() == WARM_UP - 1
    assert values[500] == pytest.approx(0.505, rel=1e-3)
    assert values[1000] == pytest.approx(0.01, rel=1e-3)
    assert float(shape(5000.0)) == pytest.approx(0.01, rel=1e-3)
    assert float(geometric(1e4, 5)(4.0)) == pytest.approx(1e4)


def test_shaped_adam_is_adam_at_the_shaped_rate(rng):
    gradient = rng.standard_normal(4).astype("float32")
    results, asked = [], []

    def half(step):
        asked.append(float(step))
        return 0.5

    for optimizer in (
        ShapedAdam(0.1, half),
        keras.optimizers.Adam(0.05),
    ):
        variables = [keras.Variable(np.ones(4, "float32")) for _ in range(2)]
        optimizer.build(variables)
        for _ in range(3):
            optimizer.apply([keras.ops.convert_to_tensor(gradient)] * 2, variables)
        results.append(np.asarray(variables))
    assert asked == [0, 1, 2]  # once a step, not once a variable
    np.testing.assert_allclose(*results, rtol=1e-5)
