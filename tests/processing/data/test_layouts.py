"""Each known layout, as its data set comes, through one scan."""

from collections import Counter

import pytest

from processing.data.scan import find_categories, scan
from processing.errors import UserError
from tests.folders import make

CSV = """object,split,label,image,mask
nut,train,normal,nut/Data/Images/Normal/000.JPG,
nut,train,normal,nut/Data/Images/Normal/001.JPG,
nut,test,normal,nut/Data/Images/Normal/002.JPG,
nut,test,anomaly,nut/Data/Images/Anomaly/000.JPG,nut/Data/Masks/Anomaly/000.png
pcb,test,normal,pcb/Data/Images/Normal/001.JPG,
"""


def mvtec(folder):
    make(folder, "train/good/{3}.png", "test/good/{2}.png", "test/crack/{2}.png")
    make(folder, marked=["ground_truth/crack/{2}_mask.png"])


def visa(folder):
    photos = ["Data/Images/Normal/{3}.JPG", "Data/Images/Anomaly/000.JPG"]
    make(folder, *photos, marked=["Data/Masks/Anomaly/000.png"])
    (folder.parent / "split_csv").mkdir(exist_ok=True)
    (folder.parent / "split_csv/1cls.csv").write_text(CSV)


def visa_without_its_table(folder):
    photos = ["Data/Images/Normal/{9}.JPG", "Data/Images/Anomaly/{2}.JPG"]
    make(folder, *photos, marked=["Data/Masks/Anomaly/{2}.png"])


def visa_1cls(folder):
    make(folder, "train/good/{3}.JPG", "test/good/{2}.JPG", "test/bad/{2}.JPG")
    make(folder, marked=["ground_truth/bad/{2}.png"])


def btad(folder):
    make(folder, "train/ok/{3}.bmp", "test/ok/{2}.bmp", "test/ko/{2}.bmp")
    make(folder, marked=["ground_truth/ko/{2}.png"])


def loco(folder):
    make(folder, "train/good/{3}.png", "validation/good/{2}.png", "test/good/{2}.png")
    make(folder, "test/logical_anomalies/{2}.png", "test/structural_anomalies/000.png")
    marked = ["ground_truth/logical_anomalies/000/{2}.png"]
    marked += ["ground_truth/logical_anomalies/001/000.png"]
    make(folder, marked=[*marked, "ground_truth/structural_anomalies/000/000.png"])


def kolektor(folder):
    make(folder, *(f"kos{i:02}/Part{{4}}.jpg" for i in range(8)))
    for i in range(8):
        make(folder, marked=[f"kos{i:02}/Part003_label.bmp"])
        make(folder, blank=[f"kos{i:02}/Part{{3}}_label.bmp"])


def kolektor_flat(folder):
    make(folder, *(f"kos{i:02}_Part{{4}}.jpg" for i in range(8)))
    make(folder, blank=[f"kos{i:02}_Part{{4}}_label.bmp" for i in range(8)])
    make(folder, marked=["kos00_Part001_label.bmp", "kos05_Part000_label.bmp"])


def ksdd2(folder):
    make(folder, "train/{4}.png", "test/{4}.png")
    make(folder, blank=["train/{4}_GT.png", "test/{4}_GT.png"])
    make(folder, marked=["train/001_GT.png", "test/002_GT.png", "test/003_GT.png"])


def real_iad(folder):
    make(folder, *(f"OK/S000{i}/view_{{5}}.jpg" for i in range(6)))
    make(folder, "NG/AK/S0001/view_{5}.jpg", "NG/HS/S0002/view_{5}.jpg")
    make(folder, marked=["NG/AK/S0001/view_{2}.png", "NG/HS/S0002/view_000.png"])


def good_beside_bad(folder):
    make(folder, "good/{9}.png", "scratch/{2}.png", "dent/sub/{2}.png")
    make(folder, marked=["Masks/scratch/{2}.png", "Masks/dent/sub/000_mask.png"])


def good_alone(folder):
    make(folder, "{3}.jpg")


def table(folder):
    make(folder, "x/{9}.jpg", "y/{2}.jpg", marked=["m/0.png"])
    rows = [f"x/{i:03}.jpg,Good,\n" for i in range(9)]
    rows += ["y/000.jpg,defective,m/0.png\n", "y/001.jpg,dent,\n"]
    (folder / "labels.csv").write_text("Path,Label,Mask\n" + "".join(rows))


CASES = {  # maker: layout, images by split and class, masks of each defective image
    mvtec: ("train and test", "train good 3, test crack 2, test good 2", [1, 1]),
    visa: ("VisA", "train good 2, test good 1, test Anomaly 1", [1]),
    visa_without_its_table: ("VisA", "drawn good 9, drawn Anomaly 2", [1, 1]),
    visa_1cls: ("train and test", "train good 3, test good 2, test bad 2", [1, 1]),
    btad: ("train and test", "train good 3, test good 2, test ko 2", [1, 1]),
    loco: (
        "train and test",
        "train good 3, validation good 2, test good 2, test logical_anomalies 2, "
        "test structural_anomalies 1",
        [2, 1, 1],
    ),
    kolektor: ("masks beside", "drawn good 24, drawn defective 8", [1] * 8),
    kolektor_flat: ("masks beside", "drawn good 30, drawn defective 2", [1, 1]),
    ksdd2: (
        "masks beside",
        "train good 3, train defective 1, test good 2, test defective 2",
        [1, 1, 1],
    ),
    real_iad: (
        "OK and NG",
        "drawn good 30, drawn AK 5, drawn HS 5",
        [1, 1, 0, 0, 0, 1, 0, 0, 0, 0],
    ),
    good_beside_bad: (
        "good beside bad",
        "drawn good 9, drawn scratch 2, drawn dent 2",
        [1, 0, 1, 1],
    ),
    good_alone: ("good alone", "train good 3", []),
    table: ("table", "drawn good 9, drawn defective 1, drawn dent 1", [1, 0]),
}


def of(name, images):
    return [image for image in images if image.kind == name]


@pytest.mark.parametrize("maker", CASES, ids=lambda maker: maker.__name__)
def test_layouts(tmp_path, maker):
    folder = tmp_path / "data/nut"
    maker(folder)
    layout, expected, masks = CASES[maker]
    found = scan(folder)
    counts = Counter((x.split or "drawn", x.kind) for x in found.images)
    assert counts == {
        (split, kind): int(n)
        for split, kind, n in (part.split() for part in expected.split(", "))
    }
    assert found.layout == layout
    assert found.left_out == ()
    assert [len(x.masks) for x in found.images if not x.good] == masks
    assert all(x.path.is_file() and x.path == folder / x.name for x in found.images)
    assert len({x.name for x in found.images}) == len(found.images)
    assert all(mask.is_file() for x in found.images for mask in x.masks)


@pytest.mark.parametrize("maker", CASES, ids=lambda maker: maker.__name__)
def test_data_sets_of_each_layout(tmp_path, maker):
    folders = [tmp_path / "bolt", tmp_path / "nut"]
    for folder in folders:
        maker(folder)
    assert find_categories(tmp_path) == (folders, [])


def test_images_of_one_part_are_a_group(tmp_path):
    for maker, group in [
        (kolektor, "kos03"),
        (kolektor_flat, "kos03"),
        (real_iad, "NG/AK/S0001"),
    ]:
        folder = tmp_path / maker.__name__
        maker(folder)
        groups = Counter(image.group for image in scan(folder).images)
        assert groups[group] in (4, 5)
        assert "" not in groups


def test_good_by_any_other_name(tmp_path):
    names = ["Good", "OK", "normal", "no defect", "Defect_Free"]
    make(tmp_path, "train/good/{2}.png", *(f"test/{name}/1.png" for name in names))
    make(tmp_path, "test/not ok/1.png")
    found = scan(tmp_path)
    assert Counter(x.kind for x in found.images) == {"good": 7, "not ok": 1}
    assert len(found.notes) == 5
    assert "1 image of OK taken as good" in found.notes


def test_what_archives_and_systems_leave_behind(tmp_path):
    mvtec(tmp_path)
    make(tmp_path, "test/__MACOSX/crack/0.png", "__MACOSX/1.png", "test/crack/.1.png")
    for name in ("test/.DS_Store", "test/crack/Thumbs.db", "ground_truth/readme.txt"):
        (tmp_path / name).write_text("x")
    found = scan(tmp_path)
    assert len(found.images) == 7
    assert found.left_out == found.notes == ()


def test_nested_folders_are_walked(tmp_path):
    make(tmp_path, "train/good/0.png", "train/good/monday/deep/{2}.png")
    make(tmp_path, "test/crack/left/{2}.png", "test/crack/0.png", "test/good/a/0.png")
    make(tmp_path, marked=["ground_truth/crack/left/{2}_mask.png"])
    images = scan(tmp_path).images
    names = [x.name for x in images]
    assert names == [
        "test/crack/0.png",
        "test/crack/left/000.png",
        "test/crack/left/001.png",
        "test/good/a/0.png",
        "train/good/0.png",
        "train/good/monday/deep/000.png",
        "train/good/monday/deep/001.png",
    ]
    assert [len(x.masks) for x in images][:4] == [0, 1, 1, 0]


@pytest.mark.parametrize(
    "mask",
    [
        "Ground_Truth/crack/000.png",
        "masks/crack/000_GT.bmp",
        "Mask/crack/000-mask.png",
        "labels/crack/000 label.png",
        "ground truth/000_mask.png",
        "ground_truth/crack/000/0.png",
        "test/ground_truth/crack/000.png",
        "test/crack/masks/000.png",
        "test/crack/000_mask.png",
        "test/crack/000_GT.png",
        "test/crack/000_label.bmp",
    ],
)
def test_places_of_masks(tmp_path, mask):
    make(tmp_path, "train/good/{2}.png", "test/good/000.png", "test/crack/000.png")
    make(tmp_path, marked=[mask])
    found = scan(tmp_path)
    assert [x.masks for x in of("crack", found.images)] == [(tmp_path / mask,)]
    assert len(found.images) == 4
    assert found.left_out == ()


def test_masks_without_an_image_and_of_several(tmp_path):
    make(tmp_path, "train/good/{2}.png", "test/crack/000.png", "test/dent/000.png")
    marked = ["ground_truth/000.png", "ground_truth/crack/007_mask.png"]
    make(tmp_path, marked=[*marked, "ground_truth/bent/000.png"])
    found = scan(tmp_path)
    assert [x.name for x in found.left_out] == sorted(
        [*marked, "ground_truth/bent/000.png"]
    )
    assert {x.reason for x in found.left_out} == {"a mask without its image"}
    assert not any(x.masks for x in found.images)


def test_masks_that_are_no_images_are_named(tmp_path):
    make(tmp_path, "train/good/{2}.png", "test/crack/000.png")
    (tmp_path / "ground_truth/crack").mkdir(parents=True)
    (tmp_path / "ground_truth/crack/000.npy").touch()
    (left_out,) = scan(tmp_path).left_out
    assert str(left_out) == "ground_truth/crack/000.npy (not an image)"


def test_masks_beside_are_never_photos(tmp_path):
    """One without its image neither, once others have theirs."""
    make(tmp_path, "train/good/{3}.png", "test/good/000.png")
    make(tmp_path, blank=["train/good/000_mask.png", "train/good/007_mask.png"])
    found = scan(tmp_path)
    assert [x.name for x in found.images if x.split == "train"] == [
        f"train/good/00{i}.png" for i in range(3)
    ]
    (left_out,) = found.left_out
    assert str(left_out) == "train/good/007_mask.png (a mask without its image)"


def test_photos_whose_names_end_like_those_of_masks(tmp_path):
    make(tmp_path, "train/good/front_label.png", "train/good/back_label.png")
    assert len(scan(tmp_path).images) == 2


def test_masks_that_cannot_be_read_where_they_say_the_label(tmp_path):
    ksdd2(tmp_path)
    (tmp_path / "train/000_GT.png").write_text("no image")
    found = scan(tmp_path)
    assert len(found.images) == 7
    assert [x.name for x in found.faults] == ["train/000.png"]
    assert "000_GT.png" in found.faults[0].reason


def test_images_without_a_mask_beside_are_noted(tmp_path):
    make(tmp_path, "{4}.png", marked=["001_mask.png"])
    found = scan(tmp_path)
    assert [x.kind for x in found.images] == ["good", "defective", "good", "good"]
    assert found.notes == ("3 images without a mask beside taken as good",)


def test_images_that_a_layout_has_no_place_for(tmp_path):
    mvtec(tmp_path)
    make(tmp_path, "test/loose.png", "train/loose.png", "photo.png", "more/1.png")
    left_out = scan(tmp_path).left_out
    assert sorted(x.name for x in left_out) == [
        "more/1.png",
        "photo.png",
        "test/loose.png",
        "train/loose.png",
    ]
    assert {x.reason for x in left_out} == {"outside of a class folder"}


def test_images_that_the_table_of_visa_lacks(tmp_path):
    folder = tmp_path / "nut"
    visa(folder)
    make(folder, "Data/Images/Normal/007.JPG")
    (left_out,) = scan(folder).left_out
    assert str(left_out) == "Data/Images/Normal/007.JPG (not in split_csv/1cls.csv)"


def test_a_table_of_visa_without_the_category(tmp_path):
    folder = tmp_path / "bolt"
    visa(folder)
    assert {x.split for x in scan(folder).images} == {""}


@pytest.mark.parametrize(
    "photos",
    [
        ["scratch/{2}.png", "dent/{2}.png"],  # which of them is good?
        ["{2}.png", "scratch/{2}.png"],
        ["train/{2}.png", "test/good/{2}.png"],
        ["crack/{2}_mask.png"],
        ["{2}_mask.png"],  # a folder of masks
    ],
)
def test_unknown_layouts(tmp_path, photos):
    make(tmp_path, *photos)
    with pytest.raises(
        UserError, match="no train/good in .*expected .*found"
    ) as raised:
        scan(tmp_path)
    assert "\n" not in str(raised.value)
