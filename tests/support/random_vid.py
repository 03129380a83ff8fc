"""Small random data sets full of ties: whole-number boxes, few scores, near copies of boxes."""

from __future__ import annotations

import numpy as np

WIDTH, HEIGHT = 120, 90


def random_vid(
    seed: int, *, crowds: bool = False, per_frame: int = 8, videos: int = 3
) -> tuple[dict, list[dict]]:
    """A COCO-VID JSON, and results for it."""
    rng = np.random.default_rng(seed)
    content = {
        "categories": [{"id": label, "name": f"class_{label}"} for label in (2, 5, 9)],
        "videos": [{"id": 7 + video, "name": f"video_{video}"} for video in range(videos)],
        "images": [],
        "annotations": [],
    }
    results = []
    image_ids = iter(rng.permutation(1000) + 1)
    for video in content["videos"]:
        boxes = [_box(rng) for _ in range(rng.integers(0, 4))]
        classes = rng.choice([2, 5], len(boxes))
        speed = rng.integers(0, 12)
        for frame in range(int(rng.integers(2, 16))):
            image = {"id": int(next(image_ids)), "video_id": video["id"], "frame_id": frame}
            content["images"].append(
                {**image, "file_name": f"{image['id']}", "width": WIDTH, "height": HEIGHT}
            )
            boxes = [_moved(rng, box, speed) for box in boxes]
            truths = []
            for track, (box, category) in enumerate(zip(boxes, classes, strict=True)):
                if rng.random() < 0.8:
                    truths.append((box, int(category)))
                    annotation = {
                        "id": len(content["annotations"]) + 1,
                        "image_id": image["id"],
                        "category_id": int(category),
                        "instance_id": track,
                        "bbox": box,
                        "area": box[2] * box[3],
                        "iscrowd": int(crowds and rng.random() < 0.2),
                    }
                    content["annotations"].append(annotation)
            results += _results(rng, image["id"], truths, per_frame)
    order = rng.permutation(len(results))
    return content, [results[row] for row in order]


def _results(rng: np.random.Generator, image_id: int, truths: list, per_frame: int) -> list[dict]:
    results = []
    for _ in range(rng.integers(0, per_frame)):
        if truths and rng.random() < 0.8:
            box, category = truths[rng.integers(len(truths))]
            box = _moved(rng, box, 3)
            category = category if rng.random() < 0.9 else int(rng.choice([2, 5, 9]))
        else:
            box, category = _box(rng), int(rng.choice([2, 5, 9]))
        score = int(rng.integers(1, 40)) / 40
        results.append({"image_id": image_id, "category_id": category, "bbox": box, "score": score})
    return results


def _box(rng: np.random.Generator) -> list[int]:
    return [int(v) for v in (*rng.integers(0, 60, 2), *rng.integers(4, 50, 2))]


def _moved(rng: np.random.Generator, box: list[int], speed: int) -> list[int]:
    x, y = (int(np.clip(v + rng.integers(-speed, speed + 1), -3, 80)) for v in box[:2])
    return [x, y, *(int(np.clip(v + rng.integers(-1, 2), 4, 50)) for v in box[2:])]
