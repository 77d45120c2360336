"""A Gaussian of d features at each of p positions: streamed, factored, extended.

The covariance of a position is S = epsilon I + X'X / (n - 1), X the n x d centred
features of n images. No inverse of it is formed: its whitening factor W, lower
triangular with W'W = S^-1, comes from the Cholesky factor. Where n (n + d) numbers are
fewer than the d (d + 1) / 2 of W, the dual form takes its place: with the Cholesky
factor G of XX' + root^2 I, root^2 = epsilon (n - 1),

    B = G^-1 X,   F = root (G + root I)^-T,   z = (y - B'(By - F By)) / sqrt(epsilon)

has the norm of Wy (after Andrews 1968, a square root of I - X'(GG')^-1 X), and keeps
its digits where features are much larger than epsilon.

Matrices lie in row blocks, see `methods.padim.triangular`.
"""

from dataclasses import dataclass, field

import numpy as np

from .triangular import Blocks, assemble, cut, in_threads, inverse_of_lower, row_blocks

SUMS_BYTES = 2**31  # of sums in float64; larger ones are float32


@dataclass
class Gaussian:
    """The features at p positions after `count` images.

    Attributes:
        count: images, n.
        mean: (p, d) float32.
        epsilon: what was added to all variances.
        rows: row blocks of W, (p, rows, columns up to the diagonal); in the dual form
            of B, (p, rows, d). float32.
        upper: row blocks of F from the diagonal on, in the dual form alone.
    """

    count: int
    mean: np.ndarray
    epsilon: float
    rows: Blocks
    upper: Blocks = field(default_factory=list)


def is_dual(count: int, features: int) -> bool:
    """Return whether the dual form of `count` images is the smaller one."""
    return count * (count + features) < features * (features + 1) // 2


def shapes(
    count: int, positions: int, features: int
) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
    """Return the shapes of `rows` and `upper` of a Gaussian of `count` images."""
    if is_dual(count, features):
        blocks = row_blocks(count)
        rows = [(positions, s.stop - s.start, features) for s in blocks]
        upper = [(positions, s.stop - s.start, count - s.start) for s in blocks]
        return rows, upper
    blocks = row_blocks(features)
    return [(positions, s.stop - s.start, s.stop) for s in blocks], []


def peak_bytes(count: int, positions: int, features: int) -> int:
    """Return the most bytes that `Statistics` and its Gaussian take at once."""
    rows, upper = shapes(count, positions, features)
    numbers = sum(int(np.prod(shape)) for shape in rows + upper)
    sums = 0 if upper else 8 * numbers
    largest = 8 * max(int(np.prod(shape)) for shape in rows + upper)
    return 4 * numbers + (sums if sums <= SUMS_BYTES else 0) + largest


class Statistics:
    """Means and covariances of features that come batch by batch.

    Its memory depends on positions and features alone. The sums are of features less
    the first batch's mean, so that they keep their digits. In the dual form it keeps
    the features, which are the fewer numbers then.

    Args:
        positions: p.
        features: d.
        images: how many there will be in all.
        shift: (p, d) float32, near the mean; None for the first batch's mean.
    """

    def __init__(
        self,
        positions: int,
        features: int,
        images: int,
        shift: np.ndarray | None = None,
    ):
        self.images = images
        self.count = 0
        self.total = np.zeros((positions, features))  # of features less `shift`
        self.shift = shift
        rows, self.upper = shapes(images, positions, features)
        wide = 8 * sum(int(np.prod(shape)) for shape in rows) <= SUMS_BYTES
        dtype = np.float64 if wide and not self.upper else np.float32
        self.rows = [np.zeros(shape, dtype) for shape in rows]

    @classmethod
    def extending(cls, gaussian: Gaussian, images: int) -> "Statistics":
        """Return the statistics that made `gaussian`, for `images` more images.

        Uses up the blocks of `gaussian`.
        """
        positions, features = gaussian.mean.shape
        result = cls(positions, features, gaussian.count + images)
        if gaussian.upper:
            in_threads(gaussian.mean, lambda part: _restore_features(gaussian, part))
            for block in gaussian.rows:
                result.add(block.transpose(1, 0, 2))
            return result
        result.shift = gaussian.mean
        result.count = gaussian.count
        in_threads(gaussian.mean, lambda part: _restore_sums(gaussian, result, part))
        return result

    def remove(self, features: np.ndarray) -> None:
        """Take away the float32 features (n, p, d) of n of the images again.

        Raises:
            ValueError: the dual form, which keeps features and has no sums.
        """
        if self.upper or self.shift is None:
            raise ValueError(f"no sums of {self.images} images: `add` those that stay")
        moved, shift = features.transpose(1, 0, 2), self.shift[:, None]
        add = self._add
        in_threads(self.shift, lambda part: add(moved[part] - shift[part], part, -1))
        self.count -= len(features)
        self.images -= len(features)

    def empty(self) -> "Statistics":
        """Return statistics of as many images to come, about the same `shift`."""
        return Statistics(*self.total.shape, self.images, self.shift)

    def add(self, features: np.ndarray) -> None:
        """Take the float32 features (n, p, d) of another n images."""
        if self.shift is None:
            self.shift = features.mean(axis=0)
        moved, shift = features.transpose(1, 0, 2), self.shift[:, None]  # (p, n, d)
        add = self._add
        in_threads(self.shift, lambda part: add(moved[part] - shift[part], part))
        self.count += len(features)

    def merge(self, other: "Statistics") -> None:
        """Take the images of other statistics of the same `images` and `shift`.

        Raises:
            ValueError: the dual form, which keeps features and has no sums.
        """
        if self.upper:
            raise ValueError(f"no sums of {self.images} images: `add` their features")
        self.count += other.count
        self.total += other.total
        for block, addition in zip(self.rows, other.rows, strict=True):
            block += addition

    def _add(self, x: np.ndarray, part: slice, sign: int = 1) -> None:
        self.total[part] += sign * x.sum(axis=1, dtype=np.float64)
        if self.upper:
            self._keep(x, part)
            return
        x = x.astype(self.rows[0].dtype)
        flipped = np.ascontiguousarray(x.transpose(0, 2, 1))
        for block, rows in zip(self.rows, row_blocks(x.shape[2]), strict=True):
            block[part] += sign * (flipped[:, rows] @ x[:, :, : rows.stop])

    def _keep(self, x: np.ndarray, part: slice) -> None:
        for block, rows in zip(self.rows, row_blocks(self.images), strict=True):
            first = max(rows.start, self.count)
            last = min(rows.stop, self.count + x.shape[1])
            if first < last:
                chosen = x[:, first - self.count : last - self.count]
                block[part, first - rows.start : last - rows.start] = chosen

    def finish(self, epsilon: float) -> Gaussian:
        """Return the Gaussian of all images that were added; uses up the statistics."""
        if self.shift is None or self.count != self.images:
            raise ValueError(
                f"`images` must be what was added. Received: images={self.images}, "
                f"but {self.count} were added"
            )
        mean = (self.shift + self.total / self.count).astype(np.float32)
        # float32 blocks are overwritten: there is no memory for them twice
        rows = [
            block if block.dtype == np.float32 else np.empty(block.shape, np.float32)
            for block in self.rows
        ]
        upper = [np.zeros(shape, np.float32) for shape in self.upper]
        gaussian = Gaussian(self.count, mean, epsilon, rows, upper)
        factor = self._factor_dual if upper else self._factor
        in_threads(mean, lambda part: factor(gaussian, part))
        self.rows = []
        return gaussian

    def _factor(self, gaussian: Gaussian, part: slice) -> None:
        sums = assemble(self.rows, part)
        centre = self.total[part] / self.count
        sums -= self.count * centre[:, :, None] * centre[:, None]
        covariance = sums / max(self.count - 1, 1)
        covariance += gaussian.epsilon * np.eye(covariance.shape[1])
        cut(inverse_of_lower(np.linalg.cholesky(covariance)), gaussian.rows, part)

    def _factor_dual(self, gaussian: Gaussian, part: slice) -> None:
        centre = self.total[part] / self.count
        x = np.concatenate([block[part] for block in self.rows], axis=1)
        x = x - centre[:, None]  # (p, n, d) float64
        root, identity = _root(gaussian), np.eye(self.count)
        lower = np.linalg.cholesky(x @ x.transpose(0, 2, 1) + root**2 * identity)
        basis = inverse_of_lower(lower) @ x
        upper = root * inverse_of_lower(lower + root * identity).transpose(0, 2, 1)
        for rows, b, f in zip(
            row_blocks(self.count), gaussian.rows, gaussian.upper, strict=True
        ):
            b[part] = basis[:, rows]
            f[part] = upper[:, rows, rows.start :]


def _root(gaussian: Gaussian) -> float:
    return float(np.sqrt(gaussian.epsilon * max(gaussian.count - 1, 1)))


def _restore_sums(gaussian: Gaussian, statistics: Statistics, part: slice) -> None:
    lower = inverse_of_lower(assemble(gaussian.rows, part))
    covariance = lower @ lower.transpose(0, 2, 1)
    covariance -= gaussian.epsilon * np.eye(covariance.shape[1])
    cut(covariance * max(gaussian.count - 1, 1), statistics.rows, part)


def _restore_features(gaussian: Gaussian, part: slice) -> None:
    """Put the features (p, n, d) in the place of the basis B."""
    count = gaussian.count
    basis = np.concatenate([block[part] for block in gaussian.rows], axis=1)
    upper = np.zeros((len(basis), count, count))
    for rows, block in zip(row_blocks(count), gaussian.upper, strict=True):
        upper[:, rows, rows.start :] = block[part]
    lower = inverse_of_lower(upper.transpose(0, 2, 1)) - np.eye(count)
    features = _root(gaussian) * lower @ basis + gaussian.mean[part, None]
    for rows, block in zip(row_blocks(count), gaussian.rows, strict=True):
        block[part] = features[:, rows]
