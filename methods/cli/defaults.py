"""The defaults of the options of methods, as data, and how help says them.

They are what constructors have, `Preparation` and the class attribute `size`. Importing
Keras would take seconds: they are typed here, and a test compares them with the code.
"""

from typing import Any

from methods import METHODS


class Derived(str):
    """In words, a default that follows from something else: None in the code."""


GROUPS = {  # of methods, in the keys of `DEFAULTS`
    "all": tuple(METHODS),
    "CAEs": tuple(name for name, path in METHODS.items() if path.endswith(".CAE")),
    "features": (
        *("PaDiM", "contrastive", "fewshot", "unified", "PatchCore", "ensemble"),
        "featureCAE",
    ),
    "diffusion": ("DDAD", "AnoDDPM"),
}
# The default of each option by the methods that have it; of two the later one counts.
DEFAULTS: dict[str, dict[str, Any]] = {
    "color": {"all": "rgb", "CAEs": Derived("grayscale, but rgb with mssim")},
    "steps": {
        "DDAD": 10,
        "AnoDDPM": 20,
        "AnoGAN": Derived("500, or 0 with --encoder"),
    },
    "sigma": {
        "CAEs, AE, features": 4.0,
        "AnoGAN": 2.0,
        "diffusion": Derived("4 at a side of 256"),
    },
    "top": {"PaDiM, PatchCore, ensemble, fewshot, unified, featureCAE": 0.01},
    "seed": {"all": 42},
    "validation": {"all": 0.1},
    "size": {"all": 256, "AnoGAN": 64, "diffusion": 128},
    "span": {"all": Derived("all that their type or file says")},
    "pad": {"all": False},
    "register": {"all": Derived("none")},
    "reference": {"all": Derived("a typical training image")},
    "mask": {"all": Derived("everything")},
    "blank": {"all": False},
    "crop": {"all": Derived("all of it")},
    "tile": {"all": Derived("whole images")},
    "stride": {"all": Derived("three quarters of a tile")},
    "loss": {"CAEs": "ssim", "AE": "l2"},
    "latent": {"CAEs, AE": Derived("the architecture's own number"), "AnoGAN": 100},
    "corrupt": {"CAEs, AE": Derived("1 for resnetCAE and skipCAE, else 0")},
    "corrupt_with": {"CAEs, AE": "both"},
    "segment": {"CAEs, AE": False},
    "synthetic": {"CNN": False},
    "encoder": {"AnoGAN": False},
    "width": {"AnoGAN": 64},
    "backbone": {"features, DDAD": "efficientnet_lite0", "contrastive": "swin_tiny"},
    "weights": {"features, DDAD": "imagenet"},
    "levels": {"features": Derived("those of the strides that the method takes")},
    "fit_runtime": {
        "PaDiM, PatchCore, ensemble, fewshot, unified, featureCAE": "keras"
    },
    "features": {"PaDiM, ensemble": Derived("100, or 550 of wide_resnet50_2")},
    "coreset": {"PatchCore, ensemble": 0.05},
    "patches": {"PatchCore, ensemble": Derived("what --coreset makes")},
    "variance": {"PatchCore, ensemble": 0.97},
    "whiten": {"PatchCore": False},
    "known_defects": {"PatchCore, fewshot": 0.0},
    "shots": {"fewshot, unified": 4},
    "rotations": {
        "fewshot": Derived("8 of a single image, else 1"),
        "unified": 1,
    },
    "train": {"fewshot": False},
    "cluster": {"contrastive": "kmeans"},
    "preset": {"diffusion": "small", "PaDiM": "levelled"},
    "schedule": {"diffusion": "linear"},
    "start": {"DDAD": 250, "AnoDDPM": 200},
    "accumulate": {"diffusion": 1},
    "w": {"DDAD": 2.0},
    "eta": {"DDAD": 1.0},
    "adapt": {"DDAD": 4},
    "w_adapt": {"DDAD": 3.0},
    "adapt_rate": {"DDAD": 1e-4},
    "adapt_keep": {"DDAD": 0.1},
    "pixel_weight": {"DDAD": 1.0},
    "noise_kind": {"AnoDDPM": "simplex"},
    "frequency": {"AnoDDPM": 64.0},
    "octaves": {"AnoDDPM": 6},
    "persistence": {"AnoDDPM": 0.8},
    "unit_noise": {"AnoDDPM": False},
    "repeats": {"AnoDDPM": 3},
    "batch_size": {
        "CAEs, contrastive, fewshot, unified": 8,
        "AE": 32,
        "CNN, AnoGAN, diffusion": 16,
    },
    "epochs": {
        "CAEs, AE": Derived(
            "60, of a segmenter 30, fewer where validation stops improving"
        ),
        "diffusion": Derived("60, fewer where validation stops improving"),
        "CNN": Derived("20"),
        "AnoGAN": Derived("60, and as many for its encoder"),
        "contrastive, fewshot, unified": 4,
    },
    "learning_rate": {
        "CAEs, AE": Derived("searched once, and remembered"),
        "CNN, fewshot, unified, AnoDDPM": 1e-3,
        "contrastive": 1e-4,
        "AnoGAN": 2e-4,
        "DDAD": 3e-4,
    },
    "search_rate": {"CAEs, AE": False},
    "precision": {"CAEs, AE, CNN, AnoGAN, diffusion": "auto"},
}


def defaults(option: str) -> dict[str, Any]:
    """Return the defaults of an option by method that has it."""
    return {
        name: value
        for key, value in DEFAULTS[option].items()
        for word in key.split(", ")
        for name in GROUPS.get(word, (word,))
    }


def shown(value: Any) -> str:
    """Return a default as help writes it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def wording(option: str) -> str:
    """Return what help says of the default of an option; of a switch, nothing."""
    texts: list[str] = []
    for names, value in DEFAULTS[option].items():
        if value is False:
            return ""
        text = shown(value)
        shared = names in GROUPS or ", " in names
        if len(DEFAULTS[option]) > 1 and not (shared and not texts):
            text += f"{',' * (',' in text)} for {names}"
        texts.append(text)
    return f"; default: {'; '.join(texts)}"
