"""The convolutional autoencoders, each a function from image shape to model.

Every builder takes `image_shape` = (h, w, c) and `latent`, the number of values of
the code (None: as in the original), and returns an uncompiled `keras.Model` from
images in [0, 1] of shape (n, h, w, c) to reconstructions of the same shape and range;
AE's output is linear and may leave the range.
Only stock Keras layers are used, so a saved network opens without this package.
"""

from .common import ShapeError
from .dense import plain_ae
from .inception import baseline_cae, inception_cae
from .mvtec import mvtec_cae, paper_cae
from .residual import resnet_cae, skip_cae

ARCHITECTURES = {
    "mvtecCAE": mvtec_cae,
    "paperCAE": paper_cae,
    "baselineCAE": baseline_cae,
    "inceptionCAE": inception_cae,
    "resnetCAE": resnet_cae,
    "skipCAE": skip_cae,
    "AE": plain_ae,
}

__all__ = ["ARCHITECTURES", "ShapeError"]
