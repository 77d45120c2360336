"""Keep freed memory in the process while training."""

import ctypes
import sys

import keras

# Parameters of glibc's mallopt and their largest useful values, in bytes.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
KEPT, LARGEST_MMAP_THRESHOLD = 2**30, 2**25


def keep_freed_memory() -> bool:
    """Let glibc reuse freed blocks instead of giving them back; tell if it could.

    TensorFlow's generator data sets, which feed `fit`, set the trim threshold to
    128 KiB. From then on every tensor is mapped, cleared by the kernel and unmapped
    again, which takes half of the time of a training step on a CPU.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return False
    settings = ((TRIM_THRESHOLD, KEPT), (MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD))
    return all(mallopt(parameter, value) == 1 for parameter, value in settings)


class KeepFreedMemory(keras.callbacks.Callback):
    """Call `keep_freed_memory` once an epoch's data set has been set up."""

    def on_train_batch_end(self, batch, logs=None):
        """Act after the first batch."""
        if batch == 0:
            keep_freed_memory()
