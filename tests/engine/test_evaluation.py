"""Evaluations that are interrupted, divided among processes, or of a file."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog

from boxmask_vid.data import register_vid_instances
from boxmask_vid.engine.launch import evaluate
from boxmask_vid.engine.processes import run_in_processes
from boxmask_vid.errors import InputError
from support.small import small_cfg, small_model

RESULTS = "coco_instances_results.json"
FOUND = 0.05  # random weights find something at every score


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "model.pth"
    torch.save({"model": small_model("selsa").state_dict()}, path)
    return path


def config(weights: Path, output: Path, name: str) -> CfgNode:
    cfg = small_cfg("selsa", "MODEL.ROI_HEADS.SCORE_THRESH_TEST", FOUND, "DATASETS.TEST", (name,))
    cfg.MODEL.WEIGHTS, cfg.OUTPUT_DIR = str(weights), str(output)
    cfg.TEST.VID.BOOTSTRAP_DRAWS = 20
    return cfg


@pytest.fixture(scope="module")
def whole(weights, synthetic_datasets, tmp_path_factory) -> Path:
    """Output of an evaluation without interruption."""
    output = tmp_path_factory.mktemp("whole")
    evaluate(config(weights, output, synthetic_datasets[1]))
    return output


def folder(output: Path, name: str = "small_vid_val") -> Path:
    return output / "inference" / name


def logs(output: Path) -> list[Path]:
    return sorted(folder(output).glob("detections_*.jsonl"))


def frames(path: Path) -> list[int]:
    return [json.loads(line)["image_id"] for line in path.read_text().splitlines()]


def interrupted(whole: Path, output: Path, num_frames: int) -> Path:
    """Leave the files of an evaluation that was killed in the middle of a line."""
    shutil.copytree(folder(whole), folder(output), ignore=shutil.ignore_patterns(RESULTS))
    (left,) = logs(output)
    lines = left.read_text().splitlines(keepends=True)
    left.write_text("".join(lines[:num_frames]) + lines[num_frames][:40])
    return left


def assert_equal(output: Path, whole: Path) -> None:
    for path in ("evaluation.json", f"inference/small_vid_val/{RESULTS}"):
        assert (output / path).read_text() == (whole / path).read_text()


def test_everything_is_there_and_valid_json(whole, synthetic_datasets):
    records = DatasetCatalog.get(synthetic_datasets[1])
    assert frames(logs(whole)[0]) == [record["image_id"] for record in records]
    results = json.loads((folder(whole) / RESULTS).read_text())
    assert len(results) > len(records)
    text = (whole / "evaluation.json").read_text()
    assert "NaN" not in text
    metrics = json.loads(text)
    assert set(metrics) == {"bbox", "ilsvrc", "mega"}
    assert {"AP50", "AP50_slow", "AP50_low", "AP50_high"} <= set(metrics["mega"])
    assert None in metrics["bbox"].values()


def test_frames_at_once_have_the_same_detections(weights, whole, synthetic_datasets, tmp_path):
    cfg = config(weights, tmp_path, synthetic_datasets[1])
    cfg.MODEL.VID.TEST.FRAMES_AT_ONCE = 4
    evaluate(cfg)
    found, expected = (
        json.loads((folder(output) / RESULTS).read_text()) for output in (tmp_path, whole)
    )
    assert len(found) == len(expected)
    for left, right in zip(found, expected, strict=True):
        assert [left[key] for key in ("image_id", "category_id")] == [
            right[key] for key in ("image_id", "category_id")
        ]
        assert left["score"] == pytest.approx(right["score"], abs=1e-4)
        assert left["bbox"] == pytest.approx(right["bbox"], abs=1e-2)


def test_an_evaluation_that_ran_out_of_memory_goes_on_with_fewer_frames_at_once(
    weights, whole, synthetic_datasets, tmp_path
):
    interrupted(whole, tmp_path, 6)
    cfg = config(weights, tmp_path, synthetic_datasets[1])
    cfg.MODEL.VID.TEST.FRAMES_AT_ONCE = 2
    evaluate(cfg, resume=True)
    assert len(logs(tmp_path)) == 2


@pytest.mark.parametrize(("num_frames", "again"), [(0, 12), (4, 12), (6, 6), (9, 6), (11, 6)])
def test_videos_that_were_finished_are_not_run_again(
    weights, whole, synthetic_datasets, tmp_path, num_frames, again
):
    left = interrupted(whole, tmp_path, num_frames)
    evaluate(config(weights, tmp_path, synthetic_datasets[1]), resume=True)
    (new,) = set(logs(tmp_path)) - {left}
    assert frames(new) == frames(logs(whole)[0])[-again:]
    assert_equal(tmp_path, whole)


def test_a_finished_evaluation_is_only_scored_again(weights, whole, synthetic_datasets, tmp_path):
    cfg = config(weights, tmp_path, synthetic_datasets[1])
    evaluate(cfg)
    evaluate(cfg, resume=True)
    assert [len(frames(path)) for path in logs(tmp_path)] == [12, 0]
    assert_equal(tmp_path, whole)


def test_without_resume_it_starts_over(weights, whole, synthetic_datasets, tmp_path):
    interrupted(whole, tmp_path, 9)
    evaluate(config(weights, tmp_path, synthetic_datasets[1]))
    assert [len(frames(path)) for path in logs(tmp_path)] == [12]
    assert_equal(tmp_path, whole)


def test_other_weights_or_another_config_are_refused(weights, whole, synthetic_datasets, tmp_path):
    interrupted(whole, tmp_path, 9)
    cfg = config(weights, tmp_path, synthetic_datasets[1])
    cfg.MODEL.VID.TEST.NUM_REFERENCES = 2
    with pytest.raises(InputError, match=r"made with MODEL.VID.TEST.NUM_REFERENCES 4, now it is 2"):
        evaluate(cfg, resume=True)
    other = tmp_path / "other.pth"
    state = torch.load(weights)["model"]
    state["roi_heads.box_predictor.cls_score.bias"] += 1e-3
    torch.save({"model": state}, other)
    with pytest.raises(InputError, match=r"made with weights \(sha256\)"):
        evaluate(config(other, tmp_path, synthetic_datasets[1]), resume=True)


def on_each_rank(json_file: str, images: str, weights: str, output: str, resume: bool) -> None:
    torch.set_num_threads(1)
    register_vid_instances("small_vid_val", {}, json_file, images)
    evaluate(config(Path(weights), Path(output), "small_vid_val"), resume=resume)


@pytest.mark.slow
@pytest.mark.parametrize("resume", [False, True])
def test_two_processes_find_the_same(weights, whole, synthetic_root, tmp_path, resume):
    left = {interrupted(whole, tmp_path, 7)} if resume else set()
    tree = synthetic_root / "synthetic_vid"
    json_file = tree / "coco_vid/imagenet_vid_val.json"
    arguments = map(str, (json_file, tree / "Data/VID", weights, tmp_path))
    run_in_processes(on_each_rank, (*arguments, resume), num_gpus=2)
    counts = sorted(len(frames(path)) for path in set(logs(tmp_path)) - left)
    assert counts == ([0, 6] if resume else [6, 6])
    assert_equal(tmp_path, whole)


def test_a_file_of_detections_gets_the_scores_of_the_run(
    weights, whole, synthetic_datasets, tmp_path
):
    cfg = config("", tmp_path, synthetic_datasets[1])
    evaluate(cfg, detections=str(folder(whole) / RESULTS))
    found, wanted = (
        json.loads((output / "evaluation.json").read_text()) for output in (tmp_path, whole)
    )
    assert found == wanted


def test_a_file_belongs_to_one_data_set(synthetic_datasets, tmp_path):
    cfg = config("", tmp_path, synthetic_datasets[1])
    cfg.DATASETS.TEST = synthetic_datasets
    with pytest.raises(InputError, match="belong to one data set of videos"):
        evaluate(cfg, detections="found.json")


def test_scorers_are_chosen(weights, synthetic_datasets, tmp_path):
    cfg = config(weights, tmp_path, synthetic_datasets[1])
    cfg.TEST.VID.SCORERS, cfg.TEST.VID.BOOTSTRAP_DRAWS = ("ilsvrc",), 0
    results = evaluate(cfg)
    assert set(results) == {"ilsvrc"}
    assert not any(name.endswith("_low") for name in results["ilsvrc"])
    cfg.TEST.VID.SCORERS = ("imagenet",)
    with pytest.raises(InputError, match=r"TEST.VID.SCORERS\) are \('imagenet',\)"):
        evaluate(cfg)
    cfg.TEST.VID.SCORERS, cfg.TEST.VID.BOOTSTRAP_DRAWS = ("coco",), -1
    with pytest.raises(InputError, match=r"TEST.VID.BOOTSTRAP_DRAWS\) is -1"):
        evaluate(cfg)
