"""Made-up detections of a mediocre detector."""

from __future__ import annotations

import numpy as np


def made_up_detections(content: dict) -> list[dict]:
    """Truth with noise: some missed, some of a wrong class, some twice, some in the background."""
    rng = np.random.default_rng(0)
    categories = [category["id"] for category in content["categories"]]
    results = []

    def add(image_id: int, category: int, box: np.ndarray, score: float) -> None:
        box = [round(float(value), 2) for value in box]
        row = {"image_id": image_id, "category_id": int(category), "bbox": box}
        results.append({**row, "score": float(score)})

    for annotation in content["annotations"]:
        x, y, w, h = annotation["bbox"]
        for chance, score in ((0.85, rng.beta(6, 2)), (0.15, rng.beta(3, 4))):
            if rng.random() < chance:
                noise = rng.normal(0, rng.choice([0.05, 0.3], p=[0.8, 0.2]), 4)
                box = x + w * noise[0], y + h * noise[1], w * np.exp(noise[2]), h * np.exp(noise[3])
                right = rng.random() < 0.85
                category = annotation["category_id"] if right else rng.choice(categories)
                add(annotation["image_id"], category, np.array(box), score)
    for image in content["images"]:
        for _ in range(rng.poisson(1)):
            box = rng.uniform(0, 0.6, 4) * image["width"] + [0, 0, 10, 10]
            add(image["id"], rng.choice(categories), box, rng.beta(1, 5))
    return results
