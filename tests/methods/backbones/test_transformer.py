import numpy as np
import pytest
from keras import ops
from scipy.special import softmax
from scipy.stats import norm

from methods.backbones.transformer import attend, gelu


@pytest.mark.parametrize("groups", [(), (3,)])
def test_attention_is_a_weighted_mean_of_values(groups, rng):
    qkv = rng.standard_normal((2, *groups, 5, 24), np.float32)  # 2 heads of 4
    bias = rng.standard_normal((2, 5, 5), np.float32)
    query, key, value = np.split(qkv, 3, axis=-1)
    expected = []
    for head in range(2):
        q, k, v = (part[..., 4 * head : 4 * head + 4] for part in (query, key, value))
        logits = q @ np.swapaxes(k, -1, -2) / 2 + bias[head]
        expected.append(softmax(logits, axis=-1) @ v)
    np.testing.assert_allclose(
        ops.convert_to_numpy(attend(qkv, 2, bias)),
        np.concatenate(expected, axis=-1),
        atol=1e-5,
    )


def test_gelu_is_exact():
    x = np.linspace(-4, 4, 33, dtype="float32")
    np.testing.assert_allclose(
        ops.convert_to_numpy(gelu(ops.convert_to_tensor(x))), x * norm.cdf(x), atol=1e-6
    )
