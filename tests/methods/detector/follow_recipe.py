"""Judges images by a graph whose JSON has `restore`, with OpenCV and NumPy alone."""

import cv2
import numpy as np

REPLICATED = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REPLICATE}


def judge(path, about, folder, run):
    """Return the score of an image file, and whether it is defective.

    `about` is the JSON, its pictures lie in `folder`, and `run` gives the graph's maps.
    """
    height, width = about["resize"]["size"]
    image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    rgb = about["colours"] == "RGB"
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB if rgb else cv2.COLOR_BGR2GRAY)
    if about["span"]:
        image = np.interp(image, about["span"], (0, 1)).astype(np.float32)
    image, matrix = fitted(image, height, width, about["pad"])
    if image.dtype == np.uint16:
        image = (image / 65535).astype(np.float32)
    if about["register"]:
        image, matrix = registered(image, matrix, about["register"], folder)
    mask = np.ones((height, width), bool)
    if about["mask"]:
        mask = picture(folder, about["mask"]) > 0
    if about["foreground"]:
        mask &= foreground(image) | (picture(folder, about["foreground"]["core"]) > 0)
    pixels = image / 255 if image.dtype == np.uint8 else image
    pixels = pixels.reshape(1, height, width, -1).astype(np.float32)
    if about["blank"]:
        pixels = pixels * mask[..., None]
    anomaly_map = restored(run(pixels)[0], mask, matrix)
    decision = about["decision"]
    above = np.uint8(anomaly_map > decision["threshold"])
    areas = cv2.connectedComponentsWithStats(above)[2][1:, cv2.CC_STAT_AREA]
    return anomaly_map.max(), (areas >= decision["min_area"]).any()


def picture(folder, name):
    return cv2.imread(str(folder / name), cv2.IMREAD_GRAYSCALE)


def resized(image, height, width):
    smaller = min(width, image.shape[1]), min(height, image.shape[0])
    image = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def fitted(image, height, width, pad):
    """`resize`, or `pad`."""
    if not pad:
        return resized(image, height, width), np.eye(3)
    scale = min(height / image.shape[0], width / image.shape[1])
    inner = [max(1, round(side * scale)) for side in image.shape[:2]]
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    bottom, right = height - inner[0] - top, width - inner[1] - left
    border = top, bottom, left, right
    image = cv2.copyMakeBorder(resized(image, *inner), *border, cv2.BORDER_REPLICATE)
    return image, scaling(inner[1] / width, inner[0] / height, left, top)


def scaling(x, y, left=0, top=0):
    return np.array([[x, 0, (x - 1) / 2 + left], [0, y, (y - 1) / 2 + top], [0, 0, 1]])


def as_uint8(image):
    return image if image.dtype == np.uint8 else np.uint8(np.rint(image * 255))


def registered(image, matrix, about, folder):
    """`register`."""
    grey = as_uint8(image)
    grey = cv2.cvtColor(grey, cv2.COLOR_RGB2GRAY) if grey.ndim == 3 else grey
    height, width = grey.shape
    grey, small = shrunk(grey, 512)
    reference, _ = shrunk(picture(folder, about["reference"]), 512)
    estimate = by_features if about["method"] == "orb" else by_correlation
    found, score = estimate(grey, reference)
    if found is None or score < max(
        0.7, correlation(grey, reference, np.eye(3)) - 0.01
    ):
        return image, matrix
    moved = np.linalg.inv(small) @ found @ small
    image = cv2.warpPerspective(image, moved, (width, height), **REPLICATED)
    return image, moved @ matrix


def shrunk(grey, side):
    height, width = grey.shape
    scale = min(1, side / max(grey.shape))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return small, scaling(size[0] / width, size[1] / height)


def correlation(grey, reference, matrix):
    size = grey.shape[::-1]
    ones = np.ones_like(grey)
    inside = cv2.warpPerspective(ones, matrix, size, flags=cv2.INTER_NEAREST) > 0
    if inside.mean() < 0.5:
        return -1
    warped = cv2.warpPerspective(grey, matrix, size, **REPLICATED)
    a, b = (x[inside] - x[inside].mean() for x in (warped, reference))
    return a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-9)


def better(grey, reference, matrices):
    best = None, -1
    for matrix in matrices:
        score = correlation(grey, reference, matrix)
        best = (matrix, score) if score > best[1] + 0.01 else best
    return best


def square(matrix):
    return np.vstack([matrix, [0, 0, 1]]) if len(matrix) == 2 else matrix


def by_features(grey, reference):
    orb = cv2.ORB_create(5000)
    points, features = orb.detectAndCompute(grey, None)
    others, known = orb.detectAndCompute(reference, None)
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(features, known)
    pairs = sorted(pairs, key=lambda pair: pair.distance)[: int(0.9 * len(pairs))]
    if len(pairs) < 10:
        return None, -1
    here = np.array([points[pair.queryIdx].pt for pair in pairs])
    there = np.array([others[pair.trainIdx].pt for pair in pairs])
    ransac = {"method": cv2.RANSAC, "ransacReprojThreshold": 3}
    affine = cv2.estimateAffinePartial2D(here, there, **ransac)
    fits = affine, cv2.findHomography(here, there, cv2.RANSAC, 3)
    good = [
        square(fit) for fit, inliers in fits if fit is not None and inliers.sum() >= 10
    ]
    return better(grey, reference, good)


def by_correlation(grey, reference):
    found, score = better(grey, reference, ecc(grey, reference, np.eye(3)))
    if score < 0.97:
        start = np.linalg.inv(best_turn(grey, reference))
        other = better(grey, reference, ecc(grey, reference, start))
        found, score = other if other[1] > score + 0.01 else (found, score)
    return found, score


def ecc(grey, reference, start):
    steps = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-5)
    given = start[:2].astype(np.float32), cv2.MOTION_AFFINE, steps
    try:
        affine = cv2.findTransformECC(reference, grey, *given, np.ones_like(grey), 5)[1]
    except cv2.error:
        return []
    return [np.linalg.inv(square(affine).astype(float))]


def best_turn(grey, reference):
    outer = np.concatenate([grey[[0, -1]].ravel(), grey[:, [0, -1]].ravel()])
    grey, _ = shrunk(grey, 64)
    reference, small = shrunk(reference, 64)
    height, width = reference.shape
    middle, best = ((width - 1) / 2, (height - 1) / 2), (-np.inf, None)
    padded = np.pad(reference - reference.mean(), ((height, height), (width, width)))
    for k in range(24):
        turn = cv2.getRotationMatrix2D(middle, 360 * k / 24, 1)
        fill = float(np.median(outer))
        turned = cv2.warpAffine(grey, turn, (width, height), borderValue=fill)
        turned = turned - turned.mean()
        products = cv2.matchTemplate(
            np.float32(padded), np.float32(turned), cv2.TM_CCORR
        )
        row, column = np.unravel_index(products.argmax(), products.shape)
        score = products.max() / max(np.linalg.norm(turned), 1e-9)
        if score > best[0]:
            shift = np.array([[1, 0, column - width], [0, 1, row - height], [0, 0, 1]])
            best = score, shift @ square(turn)
    return np.linalg.inv(small) @ best[1] @ small


def foreground(image):
    """`foreground`, of images of a longer side of 64."""
    image = as_uint8(image).reshape(*image.shape[:2], -1)
    blurred = cv2.GaussianBlur(image, (0, 0), 0.5).astype(np.float32)
    blurred = blurred.reshape(image.shape)
    edges = blurred[0], blurred[-1], blurred[1:-1, 0], blurred[1:-1, -1]
    median = np.median(np.concatenate(edges), axis=0)
    distances = np.linalg.norm(blurred - median, axis=2)
    if not distances.any():
        return np.zeros(image.shape[:2], bool)
    steps = np.uint8(np.rint(255 / distances.max() * distances))
    mask = cv2.threshold(steps, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[1]
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, ellipse)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(mask)
    areas = boxes[1:, cv2.CC_STAT_AREA]
    kept = np.isin(labels, 1 + np.flatnonzero(areas >= 0.05 * areas.max()))
    rest = np.pad(np.uint8(~kept), 1, constant_values=1)
    holes = cv2.connectedComponents(rest, connectivity=4)[1][1:-1, 1:-1] > 1
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (1, 1))
    return cv2.dilate(np.uint8(kept | holes), ellipse) > 0


def restored(anomaly_map, mask, matrix):
    """`restore`."""
    height, width = mask.shape
    ones, size = np.ones_like(mask, np.uint8), (width, height)
    whole = np.array_equal(matrix, np.eye(3))
    nearest = cv2.INTER_NEAREST
    if not whole:
        mask = mask & (cv2.warpPerspective(ones, matrix, size, flags=nearest) > 0)
    lowest = anomaly_map[mask].min() if mask.any() else anomaly_map.min()
    if whole:
        return np.where(mask, anomaly_map, lowest)
    flags = {"flags": nearest | cv2.WARP_INVERSE_MAP}
    known = cv2.warpPerspective(np.uint8(mask), matrix, size, **flags) > 0
    flags = REPLICATED | {"flags": cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP}
    return np.where(
        known, cv2.warpPerspective(anomaly_map, matrix, size, **flags), lowest
    )
