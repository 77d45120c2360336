"""Names, groups and meanings of all metrics."""

from typing import NamedTuple


class Metric(NamedTuple):
    """Display name, group and meaning of a metric."""

    name: str
    group: str
    meaning: str


METRICS = {  # by key in test_result.json
    "TPR": Metric("TPR", "Decision", "share of the defective images called defective"),
    "TNR": Metric("TNR", "Decision", "share of the good images called good"),
    "score": Metric("balanced score", "Decision", "mean of TPR and TNR"),
    "image_auroc": Metric(
        "image AUROC",
        "Images by score",
        "area under the image ROC curve: the chance that a defective image scores "
        "higher than a good one",
    ),
    "image_ap": Metric(
        "image AP",
        "Images by score",
        "average precision: area under the precision-recall curve of the images",
    ),
    "image_f1max": Metric(
        "image F1max",
        "Images by score",
        "best F1 score of any threshold on the image scores",
    ),
    "pixel_auroc": Metric(
        "pixel AUROC",
        "Pixels of the maps",
        "area under the ROC curve of all pixels; large defects count most",
    ),
    "pixel_ap": Metric(
        "pixel AP",
        "Pixels of the maps",
        "average precision: area under the precision-recall curve of all pixels",
    ),
    "pixel_f1max": Metric(
        "pixel F1max",
        "Pixels of the maps",
        "best F1 score of any threshold on the pixels",
    ),
    "aupro": Metric(
        "AUPRO",
        "Regions of the maps",
        "area under the per-region overlap curve up to a false positive rate of 0.3, "
        "divided by 0.3; every defect counts alike",
    ),
    "aupro_05": Metric(
        "AUPRO to 0.05",
        "Regions of the maps",
        "the same up to a false positive rate of 0.05, divided by 0.05",
    ),
    "iou": Metric(
        "IoU",
        "Regions of the maps",
        "overlap of decided masks and ground truth: intersection over union",
    ),
    "dice": Metric(
        "Dice",
        "Regions of the maps",
        "twice the intersection of decided masks and ground truth over their sum",
    ),
}
