"""Images in memory, in the place of an `ImageSet`."""

import numpy as np


class ArrayImages:
    """Just what a training needs of a set, of uint8 images (n, h, w, c)."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def load(self, indices):
        """Return the images at `indices`, float32."""
        return self.images[np.asarray(indices)].astype("float32") / 255

    def batches(self, size):
        """Yield all images in order, in batches of `size`."""
        for start in range(0, len(self), size):
            yield self.load(range(start, min(start + size, len(self))))
