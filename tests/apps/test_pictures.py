import json

import cv2
import numpy as np
import pytest
from detectron2.data import DatasetCatalog

from boxmask_vid.apps.dataset_tools import write_contact_sheet
from boxmask_vid.apps.dataset_tools.contact_sheet import write_picture
from boxmask_vid.apps.training_plot import plot_training
from support.forked_training import in_fork, room_for


def test_losses_and_ap_are_drawn(tmp_path):
    rows = [
        {"iteration": i, "total_loss": 2.0 / (i + 1), "loss_cls": 1.0 / (i + 1)} for i in (0, 20)
    ]
    rows.append({"iteration": 20, "bbox/AP": 10.0, "bbox/AP50": 30.0, "bbox/AP75": float("nan")})
    metrics = tmp_path / "metrics.json"
    metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))
    picture = cv2.imread(str(plot_training(metrics, tmp_path / "new/plot.png")))
    assert picture.shape[1] > picture.shape[0] > 300
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20
    metrics.write_text(json.dumps(rows[0]) + "\n")  # no AP yet
    assert plot_training(metrics, tmp_path / "plot.png").is_file()


def test_sheet_has_pairs_of_truth_and_detections(synthetic_datasets, tmp_path):
    name = synthetic_datasets[1]
    records = DatasetCatalog.get(name)
    box = {"image_id": records[0]["image_id"], "category_id": 1, "bbox": [10, 10, 60, 40]}
    found = tmp_path / "found.json"

    def sheet(score: float) -> np.ndarray:
        found.write_text(json.dumps([{**box, "score": score}]))
        path = write_contact_sheet(name, found, tmp_path / "sheet.png", videos=2, frames=2)
        return cv2.imread(str(path))

    shown, hidden = sheet(0.9), sheet(0.4)
    assert shown.shape == hidden.shape
    height, width = shown.shape[0] // 2, shown.shape[1] // 4  # of a panel
    truth, detections = slice(0, width), slice(width, 2 * width)
    assert np.array_equal(shown[:height, truth], hidden[:height, truth])
    assert (shown[:height, detections] != hidden[:height, detections]).any()
    assert np.array_equal(shown, sheet(0.9))  # colours are those of the classes


def test_a_full_disk_leaves_the_picture_that_was_there(tmp_path):
    path = tmp_path / "sheet.png"
    write_picture(path, np.zeros((9, 9, 3), np.uint8))
    before = path.read_bytes()
    noise = np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8)
    done = in_fork(lambda: write_picture(path, noise), tmp_path / "run", room_for(9000))
    assert done.code == 1
    assert "sheet.png cannot be written" in done.sentence
    assert path.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"sheet.png", "run.screen"}


def test_without_metrics(tmp_path):
    with pytest.raises(FileNotFoundError):
        plot_training(tmp_path / "metrics.json", tmp_path / "plot.png")
