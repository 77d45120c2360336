"""How well a judged set was judged: metrics of images and of pixels."""
