"""Multi-head self-attention (Vaswani et al. 2017, arXiv 1706.03762)."""

from typing import Any

from keras import ops


def attend(qkv: Any, heads: int, bias: Any = None) -> Any:
    """Let every token gather what it attends to among the tokens of its group.

    Args:
        qkv: (..., tokens, 3 c), queries, keys and values one behind the other, each
            with its heads one behind the other; all but the first axis are known.
        heads: number of heads; divides c.
        bias: added to the logits; broadcasts to (..., heads, tokens, tokens).

    Returns:
        (..., tokens, c).
    """
    *groups, tokens, triple = qkv.shape[1:]
    size = triple // 3 // heads
    x = ops.reshape(qkv, (-1, *groups, tokens, 3 * heads, size))
    query, key, value = ops.split(ops.swapaxes(x, -3, -2), 3, axis=-3)
    logits = ops.matmul(query * size**-0.5, ops.swapaxes(key, -2, -1))
    logits = ops.cast(logits, "float32")
    if bias is not None:
        logits = logits + ops.cast(bias, "float32")
    shares = ops.cast(ops.softmax(logits, axis=-1), value.dtype)
    gathered = ops.swapaxes(ops.matmul(shares, value), -3, -2)
    return ops.reshape(gathered, (-1, *groups, tokens, heads * size))
