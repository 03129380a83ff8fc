import copy
import json
import re
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog
from detectron2.engine import DefaultPredictor

from boxmask_vid.data import build_vid_test_loader
from boxmask_vid.engine.predictor import VideoPredictor
from boxmask_vid.errors import InputError
from support.paths import PROJECT
from support.small import CONFIG, SMALLEST, small_cfg, small_model

NEAR = {"rtol": 1e-4, "atol": 1e-3}


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("weights") / "model.pth"
    torch.save({"model": small_model("boxmask").state_dict()}, path)
    return str(path)


@pytest.fixture(scope="module")
def cfg(weights, synthetic_datasets):
    names = f"('{synthetic_datasets[1]}',)"
    return small_cfg("boxmask", "MODEL.WEIGHTS", weights, "DATASETS.TEST", names)


@pytest.fixture(scope="module")
def video(cfg) -> list[dict]:
    """Records of the first held-out video."""
    records = DatasetCatalog.get(cfg.DATASETS.TEST[0])
    return [record for record in records if record["video_id"] == records[0]["video_id"]]


def same(a, b) -> None:
    assert len(a) == len(b) > 0
    torch.testing.assert_close(a.scores, b.scores, **NEAR)
    torch.testing.assert_close(a.pred_boxes.tensor, b.pred_boxes.tensor, **NEAR)
    assert torch.equal(a.pred_classes, b.pred_classes)


@pytest.mark.parametrize("mode", ["adaptive", "fixed", "online"])
def test_a_video_is_detected_as_the_evaluation_does(cfg, video, mode):
    cfg = copy.deepcopy(cfg)
    cfg.MODEL.VID.TEST.REFERENCES = mode
    predictor = VideoPredictor(cfg)
    frames = [cv2.imread(record["file_name"]) for record in video]
    found = list(predictor.predict_video(frames))
    assert [result["frame"] for result in found] == list(range(len(video)))
    model = small_model("boxmask", "MODEL.VID.TEST.REFERENCES", mode).eval()
    loader = build_vid_test_loader(cfg, cfg.DATASETS.TEST[0])
    for result, batch in zip(found, loader, strict=False):
        with torch.no_grad():
            same(result["instances"], model(batch)[0]["instances"])
        assert np.array_equal(result["image"], frames[result["frame"]])


@pytest.mark.parametrize("memory", ["sliding", "reservoir"])
@pytest.mark.parametrize("lookahead", [0, 2])
def test_a_stream_is_detected_as_the_online_evaluation_does(cfg, video, memory, lookahead):
    predictor = VideoPredictor(cfg)
    frames = [cv2.imread(record["file_name"]) for record in video]
    stream = predictor.predict_stream(iter(frames), lookahead=lookahead, policy=memory)
    opts = {
        "MODEL.VID.TEST.REFERENCES": "online",
        "MODEL.VID.TEST.ONLINE.POLICY": memory,
        "MODEL.VID.TEST.ONLINE.LOOKAHEAD": lookahead,
        "DATASETS.TEST": cfg.DATASETS.TEST,
    }
    online = small_cfg("boxmask", *(word for pair in opts.items() for word in pair))
    model = small_model("boxmask", *(word for pair in opts.items() for word in pair)).eval()
    loader = build_vid_test_loader(online, cfg.DATASETS.TEST[0])
    count = 0
    for result, batch in zip(stream, loader, strict=False):
        with torch.no_grad():
            same(result["instances"], model(batch)[0]["instances"])
        assert np.array_equal(result["image"], frames[result["frame"]])
        count += 1
    assert count == len(frames)


def test_frames_at_once_are_detected_as_one_at_a_time(cfg, video, calls):
    """Whatever the policy; of 6 frames the last batch is smaller, and one is larger than all."""
    frames = [cv2.imread(record["file_name"]) for record in video]
    frames[4] = frames[4][:, :70]  # mixed sizes: no padding, which one at a time has not either

    def results(at_once: int, policy: str, lookahead: int | None) -> list[dict]:
        batched = copy.deepcopy(cfg)
        batched.MODEL.VID.TEST.REFERENCES = policy
        batched.MODEL.VID.TEST.FRAMES_AT_ONCE = at_once
        predictor = VideoPredictor(batched)
        batches = calls(predictor)
        if lookahead is None:
            found = list(predictor.predict_video(frames))
        else:
            found = list(predictor.predict_stream(iter(frames), lookahead=lookahead))
        assert max(batches) == 1 if at_once == 1 else 2 <= max(batches) <= 4
        return found

    for policy, lookahead in (
        *(("adaptive", None), ("fixed", None), ("online", None)),
        *(("online", 0), ("online", 2)),
    ):
        alone = results(1, policy, lookahead)
        assert [result["frame"] for result in alone] == list(range(6))
        for at_once in (4, 7):
            together = results(at_once, policy, lookahead)
            for left, right in zip(together, alone, strict=True):
                same(left["instances"], right["instances"])
                assert (left["frame"], left["time"]) == (right["frame"], right["time"])
                assert np.array_equal(left["image"], right["image"])
                # of a list the pictures that were given; an iterable may write over its own
                assert (left["image"] is frames[left["frame"]]) == (lookahead is None)


@pytest.fixture
def calls():
    def count(predictor: VideoPredictor) -> list[int]:
        batches: list[int] = []
        predictor.model.register_forward_pre_hook(lambda _, inputs: batches.append(len(inputs[0])))
        return batches

    return count


def test_a_stream_with_lookahead_encodes_a_frame_of_a_batch_once(cfg, video):
    cfg = copy.deepcopy(cfg)
    cfg.MODEL.VID.TEST.FRAMES_AT_ONCE = 6
    predictor = VideoPredictor(cfg)
    encoded = []
    predictor.model.backbone.register_forward_pre_hook(
        lambda _, inputs: encoded.append(len(inputs[0]))
    )
    frames = [cv2.imread(record["file_name"]) for record in video]
    assert len(list(predictor.predict_stream(frames, lookahead=2))) == 6
    assert encoded == [6]


def test_the_past_changes_what_is_found_and_the_future_does_not(cfg, video):
    predictor = VideoPredictor(cfg)
    frames = [cv2.imread(record["file_name"]) for record in video]
    found = [result["instances"] for result in predictor.predict_stream(frames)]
    same(found[0], predictor(frames[0])["instances"])
    cut = [result["instances"] for result in predictor.predict_stream(frames[:3])]
    for a, b in zip(found, cut, strict=False):
        same(a, b)
    alone = predictor(frames[2])["instances"]
    assert len(alone) != len(cut[2]) or not torch.allclose(alone.scores, cut[2].scores)


def test_videos_in_turns_do_not_disturb_each_other(cfg, video):
    predictor = VideoPredictor(cfg)
    frames = [cv2.imread(record["file_name"]) for record in video]
    others = frames[::-1]
    alone = [
        [result["instances"] for result in predictor.predict_video(frames)],
        [result["instances"] for result in predictor.predict_video(others)],
        [result["instances"] for result in predictor.predict_stream(others)],
    ]
    turns = zip(
        predictor.predict_video(frames),
        predictor.predict_video(others),
        predictor.predict_stream(others),
        strict=True,
    )
    for index, together in enumerate(turns):
        for result, expected in zip(together, alone, strict=True):
            same(result["instances"], expected[index])


@pytest.mark.parametrize("at_once", [1, 3])
@pytest.mark.parametrize("lookahead", [0, 2])
def test_a_source_that_fails_ends_after_what_came_before(cfg, video, lookahead, at_once):
    cfg = copy.deepcopy(cfg)
    cfg.MODEL.VID.TEST.FRAMES_AT_ONCE = at_once

    def camera():
        for record in video[:4]:
            yield cv2.imread(record["file_name"])
        raise OSError("the cable")

    done = []
    with pytest.raises(OSError, match="the cable"):
        done.extend(VideoPredictor(cfg).predict_stream(camera(), lookahead=lookahead))
    assert [result["frame"] for result in done] == [0, 1, 2, 3]


@pytest.mark.parametrize("mode", ["adaptive", "fixed", "online"])
def test_a_broken_image_costs_a_frame_and_not_the_rest(cfg, video, tmp_path, mode):
    for index, record in enumerate(video):
        shutil.copy(record["file_name"], tmp_path / f"{index:03d}.jpg")
    (tmp_path / "003.jpg").write_text("no picture")
    broken = copy.deepcopy(cfg)
    broken.MODEL.VID.TEST.REFERENCES = mode
    predictor, done = VideoPredictor(broken), []
    with pytest.raises(InputError, match=r"003\.jpg cannot be read"):
        done.extend(predictor.predict_video(tmp_path))
    right = [number for number in range(len(video)) if number != 3]
    assert [result["frame"] for result in done] == right
    assert [result["time"] for result in done] == [number / 25 for number in right]
    if mode != "adaptive":
        return  # a frame depends on those before it
    whole = [cv2.imread(record["file_name"]) for record in video]
    whole[3] = whole[2]  # is a reference in its place
    expected = [result for result in predictor.predict_video(whole) if result["frame"] != 3]
    for a, b in zip(done, expected, strict=True):
        same(a["instances"], b["instances"])


def test_frames_that_come_once_have_no_references_all_over(cfg):
    with pytest.raises(InputError, match="use predict_stream"):
        next(VideoPredictor(cfg).predict_video(iter([])))


def test_folder_and_arrays_are_the_same(cfg, video):
    predictor = VideoPredictor(cfg)
    folder = video[0]["file_name"].rsplit("/", 1)[0]
    arrays = [cv2.imread(record["file_name"]) for record in video]
    from_folder = list(predictor.predict_video(folder))
    for a, b in zip(from_folder, predictor.predict_video(arrays), strict=True):
        same(a["instances"], b["instances"])


def test_a_single_image(cfg, video):
    picture = cv2.imread(video[0]["file_name"])
    found = VideoPredictor(cfg)(picture)["instances"]
    assert found.image_size == picture.shape[:2]
    unmodified = DefaultPredictor(cfg)(picture)["instances"]
    assert unmodified.image_size == picture.shape[:2]


@pytest.mark.slow
def test_demo_writes_a_video_of_each_input(weights, video, tmp_path):
    folder = video[0]["file_name"].rsplit("/", 1)[0]
    opts = [*SMALLEST, "MODEL.WEIGHTS", weights]
    command = [sys.executable, PROJECT / "demo.py", "--config-file", CONFIG, "--threshold", "0.1"]
    done = subprocess.run(
        [
            *command,
            "--input",
            folder,
            "--output",
            tmp_path / "v.mp4",
            "--fps",
            "5",
            "--opts",
            *opts,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(rf"{len(video)} frames, \d+ detections -> {tmp_path / 'v.mp4'}", done.stdout)
    capture = cv2.VideoCapture(str(tmp_path / "v.mp4"))
    assert capture.get(cv2.CAP_PROP_FPS) == 5
    count = 0
    while capture.grab():
        count += 1
    assert count == len(video)
    again = subprocess.run(  # the video that was written, as an input
        [*command, "--input", tmp_path / "v.mp4", folder, "--output", tmp_path / "two"]
        + ["--opts", *opts],
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert len(list((tmp_path / "two").glob("*.mp4"))) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "x.mp4", "--output", "y.mp4"], "error: MODEL.WEIGHTS is empty"),
        (
            ["--input", "x.mp4", "--output", "y.mp4", "--opts", "MODEL.WEIGHTS", "{weights}"],
            "error: Video file or image folder x.mp4 not found",
        ),
    ],
)
def test_demo_says_what_is_missing(weights, arguments, message):
    words = [word.format(weights=weights) for word in arguments]
    opts = SMALLEST if "--opts" in words else []
    command = [sys.executable, PROJECT / "demo.py", "--config-file", CONFIG, *words, *opts]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith(message)


def test_evaluation_results_are_written_as_json(cfg, tmp_path):
    from boxmask_vid.engine.launch import evaluate

    cfg = copy.deepcopy(cfg)
    cfg.OUTPUT_DIR = str(tmp_path)
    results = evaluate(cfg)
    written = json.loads((tmp_path / "evaluation.json").read_text())
    assert written["bbox"]["AP50"] == pytest.approx(results["bbox"]["AP50"], nan_ok=True)


def test_weights_of_another_model_are_refused(cfg):
    other = copy.deepcopy(cfg)
    other.MODEL.ROI_BOX_HEAD.NUM_FC = 3
    with pytest.raises(InputError, match=r"roi_heads\.box_head\.fc3\.weight"):
        VideoPredictor(other)
    other.MODEL.WEIGHTS = ""
    with pytest.raises(InputError, match="There are no weights"):
        VideoPredictor(other)


def test_an_image_that_cannot_be_read(cfg, tmp_path):
    (tmp_path / "a.jpg").write_text("no picture")
    with pytest.raises(InputError, match=r"a\.jpg cannot be read"):
        list(VideoPredictor(cfg).predict_video(tmp_path))
