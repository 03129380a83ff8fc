"""Published models by name: boxmask_vid.model_zoo, and --model of demo.py and train_net.py."""

import csv
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from detectron2.utils.file_io import PathManager

import boxmask_vid
from boxmask_vid import model_zoo
from boxmask_vid.apps.video_demo import demo
from boxmask_vid.checkpoint import convert_mmtracking
from boxmask_vid.checkpoint.zoo import CHECKPOINTS
from boxmask_vid.data.datasets.imagenet_vid_categories import CLASS_NAMES
from boxmask_vid.engine import VideoPredictor, argument_parser, build_cfg
from boxmask_vid.engine import launch as engine_launch
from boxmask_vid.errors import InputError
from support.paths import PROJECT
from support.published_files import published, theirs

NAME = "selsa_tiny"


@pytest.fixture
def zoo(tmp_path, monkeypatch) -> None:
    """A folder that has the file of a tiny model, which the table knows."""
    weights, content = published("selsa")
    monkeypatch.setitem(CHECKPOINTS, weights.name, weights)
    monkeypatch.setenv("FVCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BOXMASK_VID_ZOO", str(tmp_path))
    (tmp_path / weights.file_name).write_bytes(content)


def test_names_and_configs():
    assert len(model_zoo.names()) == 6
    for name in model_zoo.names():
        cfg = model_zoo.get_config(name, trained=True)
        assert f"boxmask_vid://{name}" == cfg.MODEL.WEIGHTS
        assert len(cfg.MODEL.VID.CLASS_NAMES) == cfg.MODEL.ROI_HEADS.NUM_CLASSES
        assert model_zoo.get_config(name).MODEL.WEIGHTS == ""
    assert model_zoo.get_config_file("boxmask_selsa_troi_R_50").endswith("R_50_DC5_7e.yaml")
    for name in ("boxmask_selsa_troi_Swin_T_7e", "selsa_MobileNetV3_L_320"):  # without weights
        assert model_zoo.get_config_file(name).endswith(f"{name}.yaml")


def test_unknown_names():
    with pytest.raises(InputError, match=r"no model 'selsa_R50': did you mean selsa_R_50_DC5_7e"):
        model_zoo.get_config("selsa_R50")
    with pytest.raises(InputError, match=r"no published weights 'selsa_R50': did you mean selsa_"):
        model_zoo.get_config("selsa_R50", trained=True)
    config = model_zoo.get_config_file("boxmask_selsa_troi_R_50")
    with pytest.raises(InputError, match=f"weights of boxmask.*, only its config: .*{config}"):
        model_zoo.get_config("boxmask_selsa_troi_R_50", trained=True)


def test_a_model_with_its_weights(zoo):
    model = model_zoo.get(NAME, trained=True, device="cpu")
    for name, tensor in convert_mmtracking(theirs("selsa")).items():
        assert torch.equal(model.state_dict()[name], tensor), name
    assert model.training
    other = model_zoo.get(NAME).state_dict()["roi_heads.box_head.fc1.weight"]
    assert not torch.equal(other, model.state_dict()["roi_heads.box_head.fc1.weight"])


@pytest.mark.slow
def test_demo_with_a_name(zoo, tmp_path):
    for index in range(2):
        noise = np.random.default_rng(index).integers(0, 256, (60, 90, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{index}.png"), noise)
    words = [
        *("--model", NAME, "--input", f"{tmp_path}/*.png", "--output", f"{tmp_path}/video.mp4"),
        *("--threshold", "0", "--csv", f"{tmp_path}/boxes.csv"),
        *("--opts", "INPUT.MIN_SIZE_TEST", "64", "INPUT.MAX_SIZE_TEST", "96"),
        *("MODEL.ROI_HEADS.SCORE_THRESH_TEST", "0.0"),
    ]
    demo.run(demo.argument_parser().parse_args(words))
    assert (tmp_path / "video.mp4").stat().st_size
    with open(tmp_path / "boxes.csv") as file:
        classes = {row["class"] for row in csv.DictReader(file)}
    assert classes
    assert classes <= set(CLASS_NAMES)


@pytest.mark.slow
def test_training_from_a_name(zoo, synthetic_datasets, tmp_path):
    """New classes get a new classifier; the published one has none for them in an evaluation."""
    opts = [
        *("DATASETS.TRAIN", str(synthetic_datasets[:1]), "TEST.EVAL_PERIOD", "0"),
        *("DATASETS.TEST", str(synthetic_datasets[1:])),
        *("MODEL.ROI_HEADS.NUM_CLASSES", "4", "MODEL.VID.CLASS_NAMES", "()"),
        *("INPUT.MIN_SIZE_TRAIN", "(64,)", "INPUT.MAX_SIZE_TRAIN", "96", "SOLVER.MAX_ITER", "1"),
        *("SOLVER.STEPS", "()", "SOLVER.IMS_PER_BATCH", "1", "SOLVER.REFERENCE_WORLD_SIZE", "0"),
        *("DATALOADER.NUM_WORKERS", "0", "OUTPUT_DIR", str(tmp_path / "out")),
    ]
    with pytest.raises(InputError, match=r"does not fit .*cls_score.*Use its config \S+selsa_tiny"):
        engine_launch.main(argument_parser().parse_args(["--model", NAME, "--eval-only", *opts]))
    engine_launch.main(argument_parser().parse_args(["--model", NAME, *opts]))
    trained = torch.load(tmp_path / "out/model_final.pth")["model"]
    stem = "backbone.bottom_up.stem.conv1.weight"  # frozen
    assert torch.equal(trained[stem], convert_mmtracking(theirs("selsa"))[stem])


def test_three_lines_of_python(zoo):
    frames = [np.zeros((60, 90, 3), np.uint8)] * 2
    predictor = VideoPredictor.from_name(NAME, ["INPUT.MIN_SIZE_TEST", 64])
    found = [result["frame"] for result in predictor.predict_video(frames)]
    assert found == [0, 1]
    weights = convert_mmtracking(theirs("selsa"))["roi_heads.box_head.fc1.weight"]
    assert torch.equal(predictor.model.roi_heads.box_head.fc1.weight, weights)


def test_a_name_and_a_file(zoo, capsys):
    with pytest.raises(InputError, match=r"--model selsa_tiny has a config: leave out either"):
        build_cfg("a.yaml", [], NAME)
    with pytest.raises(SystemExit):
        demo.argument_parser().parse_args(["--model", NAME, "--config-file", "a", "--input", "b"])
    assert "--config-file: not allowed with argument --model" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("script", ["demo.py --input a.mp4 --output b.mp4", "train_net.py"])
def test_the_scripts_say_in_a_line_what_is_wrong(script, tmp_path):
    name, *words = script.split()
    (tmp_path / "a.mp4").touch()
    done = subprocess.run(
        [sys.executable, PROJECT / name, "--model", "selsa_trio_R_50", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "error: There are no published weights 'selsa_trio_R_50': did you mean "
        "selsa_troi_R_50_DC5_7e or selsa_troi_R_101_DC5_7e or selsa_R_50_DC5_7e?"
    )


def test_a_mistyped_input_fetches_no_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("BOXMASK_VID_ZOO", str(tmp_path))  # weights would be missed there
    monkeypatch.setenv("FVCORE_CACHE", str(tmp_path / "cache"))
    args = ["--model", "selsa_R_50", "--input", f"{tmp_path}/vidoe.mp4"]
    with pytest.raises(FileNotFoundError, match=r"vidoe\.mp4 not found"):
        demo.run(demo.argument_parser().parse_args(args))


def test_the_package_registers_the_handler():
    assert boxmask_vid.__version__
    with pytest.raises(InputError, match="no published weights"):
        PathManager.get_local_path("boxmask_vid://nothing")
