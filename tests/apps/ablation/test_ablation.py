"""The ablation: its plan, how commands are run, and a small one from data to tables."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from boxmask_vid.apps.ablation import presets, synthetic_data
from boxmask_vid.apps.ablation.ablation import Ablation
from boxmask_vid.apps.ablation.presets import Evaluation
from boxmask_vid.apps.ablation.records import draws_of
from boxmask_vid.apps.ablation.reproduce import (
    REAL_CLIPS,
    prepare,
    write_flying_classes,
    write_results,
)
from boxmask_vid.apps.ablation.runs import Run, RunQueue
from boxmask_vid.apps.commands import Command
from boxmask_vid.engine import argument_parser, build_cfg
from boxmask_vid.errors import InputError
from support.paths import PROJECT, REPOSITORY
from support.small import SMALLEST

PRESETS = {
    "synthetic": presets.synthetic(Path("data")),
    **{
        f"mini_vid_{classes}_{backbone}": presets.mini_vid(
            *map(Path, ("train.json", "val.json", "frames")), classes=classes, backbone=backbone
        )
        for classes in ("all", "flying")
        for backbone in ("thin_resnet", "mobilenet")
    },
    "imagenet_vid": presets.imagenet_vid(),
}


def config_of(run: Run):
    """The config that train_net.py reads from a command."""
    args = argument_parser().parse_args(list(map(str, run.command.options)))
    return build_cfg(args.config_file, args.opts)


@pytest.mark.parametrize("name", PRESETS)
def test_variants_differ_only_in_parts_that_look_at_other_frames_and_in_box_masks(name):
    ablation = Ablation(REPOSITORY, Path("out"), PRESETS[name], seeds=[1])
    configs = {}
    for model in ablation.preset.variants:
        cfg = config_of(ablation.training(model, 1))
        assert model.name.startswith("boxmask") == cfg.MODEL.BOXMASK.ENABLED
        assert ("troi" in model.name) == cfg.MODEL.VID.TROI.ENABLED
        assert (cfg.MODEL.ROI_BOX_HEAD.NAME == "FastRCNNConvFCHead") == model.single_frame
        assert (0 if model.single_frame else 2) == cfg.INPUT.VID.TRAIN.NUM_REFERENCES
        configs[model.name] = cfg
    names = ["faster_rcnn", "selsa"] if name in REAL_CLIPS else list(presets.TITLES)
    assert list(configs) == names
    for cfg in configs.values():
        first = configs["faster_rcnn"]
        for same in ("SOLVER", "DATASETS", "DATALOADER"):
            assert cfg[same] == first[same]
        for same in ("BACKBONE", "RESNETS", "RPN", "ROI_HEADS"):
            assert cfg.MODEL[same] == first.MODEL[same]
        assert cfg.SEED == 1
        assert cfg.MODEL.WEIGHTS == first.MODEL.WEIGHTS
        assert bool(cfg.MODEL.WEIGHTS) == (name != "imagenet_vid")  # there it is the user's


@pytest.mark.parametrize("name", PRESETS)
def test_every_command_has_a_config_and_a_folder_of_its_own(name):
    ablation = Ablation(REPOSITORY, Path("out"), PRESETS[name], seeds=[1], further_variants=True)
    runs = list(ablation.plan())
    assert len({run.folder for run in runs}) == len(runs)
    for run in runs:
        cfg = config_of(run)
        assert run.folder == Path(cfg.OUTPUT_DIR)
        if run.after is not None:
            assert run.after in runs[: runs.index(run)]
            start = run.after == ablation.start
            assert str(ablation.start_weights if start else run.after.result) == cfg.MODEL.WEIGHTS
    changes = {len(model.options) for model in ablation.preset.further_variants}
    assert changes <= {0, 2}  # one key and its value


def script(folder: Path, text: str) -> Command:
    path = folder / "script.py"
    path.write_text(textwrap.dedent(text))
    return Command(folder, "script.py", [])


def runs_of(command: Command, output: Path, *names: str) -> list[Run]:
    """Runs that wait for each other; the option of the script is the result to write."""
    result = []
    for name in names:
        folder = output / name
        words = replace(command, options=[folder / "result"])
        result.append(Run(words, folder, folder / "result", name, result[-1] if result else None))
    return result


def test_runs_are_in_order_and_only_unfinished_ones_run_again(tmp_path, capfd):
    command = script(
        tmp_path,
        """
        import sys
        from pathlib import Path
        log = Path(__file__).with_name("order.txt")
        log.open("a").write(Path(sys.argv[1]).parent.name + "\\n")
        Path(sys.argv[1]).touch()
        """,
    )
    runs = runs_of(command, tmp_path / "out", "one", "two", "three")
    RunQueue(2).run(runs)
    assert (tmp_path / "order.txt").read_text().split() == ["one", "two", "three"]
    assert all(run.cost()["seconds"] > 0 and run.cost()["peak_gib"] > 0 for run in runs)
    runs[1].result.unlink()
    RunQueue(2).run(runs)
    assert (tmp_path / "order.txt").read_text().split()[3:] == ["two"]
    screen = capfd.readouterr().err
    assert "0 of 3 commands have finished before" in screen
    assert "2 of 3 commands have finished before" in screen
    assert "1 command left, about 0 minutes" in screen


def test_a_command_that_fails_holds_up_only_those_that_need_it(tmp_path):
    command = script(
        tmp_path,
        """
        import sys
        from pathlib import Path
        if "bad" in sys.argv[1]:
            sys.exit("no luck")
        Path(sys.argv[1]).touch()
        """,
    )
    first = runs_of(command, tmp_path / "out", "bad", "after_bad")
    second = runs_of(command, tmp_path / "out", "good", "after_good")
    with pytest.raises(InputError, match=r"1 of 4 commands failed, see .*bad/output.txt"):
        RunQueue(1).run([*first, *second])
    assert [run.is_finished for run in (*first, *second)] == [False, False, True, True]
    assert "no luck" in (tmp_path / "out/bad/output.txt").read_text()


@pytest.mark.parametrize("sent", ["SIGTERM", "SIGHUP"])
def test_an_interruption_ends_what_runs_and_starts_nothing_more(tmp_path, sent):
    command = script(
        tmp_path,
        f"""
        import os, signal, sys
        from pathlib import Path
        signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGTERM}})  # it may come at any moment
        os.kill(os.getppid(), signal.{sent})
        signal.sigwait({{signal.SIGTERM}})
        Path(sys.argv[1]).with_name("stopped").touch()
        sys.exit(130)
        """,
    )
    runs = runs_of(command, tmp_path / "out", "one", "two")
    hangup = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may be under nohup
    try:
        with pytest.raises(KeyboardInterrupt):
            RunQueue(2).run(runs)
        assert signal.getsignal(getattr(signal, sent)) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, hangup)
    assert (tmp_path / "out/one/stopped").is_file()
    assert not (tmp_path / "out/two").exists()


@pytest.fixture(scope="module")
def ablation(synthetic_root, tmp_path_factory) -> Ablation:
    """Two variants, two iterations each."""
    tree = synthetic_root / "synthetic_vid"
    jsons = {split: tree / f"coco_vid/imagenet_vid_{split}.json" for split in ("train", "val")}
    whole = PRESETS["synthetic"]
    two_iterations = ("SOLVER.MAX_ITER", 2, "TEST.EVAL_PERIOD", 1)
    preset = replace(
        whole,
        variants=(whole.variants[0], whole.variants[-1]),
        further_variants=(),
        options=("SOLVER.IMS_PER_BATCH", 2, *two_iterations),
        train=("tiny_train",),
        curve=("tiny_val",),
        splits={"all frames": "tiny_val"},
        start=replace(whole.start, options=two_iterations),
        strengths={},
        references=(1,),
        modes=(Evaluation("mode_online", ("tiny_val",), ("MODEL.VID.TEST.REFERENCES", "online")),),
        registered=tuple(
            (f"tiny_{split}", json_file, tree / "Data/VID") for split, json_file in jsons.items()
        ),
    )
    output = tmp_path_factory.mktemp("ablation")
    return Ablation(
        REPOSITORY,
        output,
        preset,
        seeds=[1],
        further_variants=True,
        at_once=2,
        options=SMALLEST,
    )


@pytest.mark.slow
def test_from_data_to_tables_and_plots(ablation):
    ablation.run()
    files = write_results(ablation)
    report = json.loads((ablation.output / "results/ablation.json").read_text())
    assert [model["name"] for model in report["models"]] == ["faster_rcnn", "boxmask_selsa_troi"]
    for model in report["models"]:
        value = model["splits"]["all frames"]["AP50"]
        (test,) = (
            run
            for run in ablation.plan()
            if run.folder == ablation.output / f"runs/{model['name']}/seed_1/test"
        )
        ap50 = json.loads(test.result.read_text())["bbox"]["AP50"]
        assert value["mean"] == pytest.approx(ap50)  # printed by train_net.py
        assert 0 <= value["low"] <= value["mean"] * 1.5 + 1
        assert model["seconds_per_frame"] > 0
        assert 0.1 < model["training_gib"] < 4
    assert [point["at"] for point in report["references"]["boxmask_selsa_troi"]] == [1, 4]
    assert "faster_rcnn" not in report["references"]
    assert list(report["modes"]) == ["online"]
    assert len(report["commands"]) == 7
    assert len(report["curves"]["faster_rcnn"][0]["bbox/AP50"]) == 2
    assert {path.name for path in files} >= {"ablation.md", "ap50.png", "references.png"}
    for path in files:
        if path.suffix == ".png":
            assert min(cv2.imread(str(path)).shape[:2]) > 300
    tables = (ablation.output / "results/ablation.md").read_text()
    assert "| SELSA + TROI + BoxMask " in tables


@pytest.mark.slow
def test_records_stand_for_checkpoints_and_detections(ablation, tmp_path, capfd):
    """A session that has the results of an earlier one goes on where that stopped."""
    ablation.run()
    write_results(ablation)
    later = replace(ablation, output=tmp_path)
    shutil.copytree(ablation.output / "results", tmp_path / "results")
    texts = [(folder / "results/ablation.md").read_text() for folder in (ablation.output, tmp_path)]
    write_results(later)
    assert (tmp_path / "results/ablation.md").read_text() == texts[0] == texts[1]
    capfd.readouterr()
    later.run()
    assert "0 of 0 commands have finished before" in capfd.readouterr().err
    (tmp_path / "results/records/boxmask_selsa_troi/seed_1/references_1.json").unlink()
    later.run()  # the test, and the training that it needs, from the same start
    assert "0 of 2 commands have finished before" in capfd.readouterr().err
    write_results(later)
    again = json.loads((tmp_path / "results/ablation.json").read_text())
    assert [point["at"] for point in again["references"]["boxmask_selsa_troi"]] == [1, 4]
    # one number of references is no sweep
    files = write_results(replace(later, preset=replace(later.preset, references=())))
    assert {path.name for path in files} == {
        "ablation.md",
        "ablation.json",
        "ap50.png",
        "training.png",
    }


def test_draws_are_kept_to_a_hundredth_of_a_percent():
    steps = np.array([0, 1, 4321, 10000, -1], "<i2")
    score = {"draws": base64.b64encode(zlib.compress(steps.tobytes())).decode()}
    assert draws_of(score) == pytest.approx([0, 0.01, 43.21, 100, np.nan], nan_ok=True)


def test_more_seeds_are_those_of_the_models_without_troi():
    ablation = Ablation(REPOSITORY, Path("out"), PRESETS["synthetic"], seeds=[1], more_seeds=[2])
    trainings = [run.folder for run in ablation.plan() if not ablation.is_test(run)]
    names = [folder.relative_to("out/runs").parts[:2] for folder in trainings]
    assert names[0] == ("start", "seed_0")
    assert names[1:7] == [(name, "seed_1") for name in presets.TITLES]
    assert names[7:] == [(name, "seed_2") for name in presets.TITLES if "troi" not in name]


def test_a_report_alone_makes_no_data(tmp_path):
    preset = prepare("synthetic", REPOSITORY, tmp_path / "data", tmp_path, only_report=True)
    assert preset.name == "synthetic"
    assert not (tmp_path / "data").exists()


def test_nothing_has_finished(tmp_path):
    tables, content = write_results(Ablation(REPOSITORY, tmp_path, PRESETS["synthetic"]))
    assert "Nothing has finished yet." in tables.read_text()
    assert json.loads(content.read_text())["models"] == []


@pytest.mark.slow
def test_several_seeds(ablation, tmp_path):
    """Also AP of a range of motion that no box has."""
    ablation.run()
    again = replace(ablation, output=tmp_path, seeds=[1, 2])
    for source in ablation.output.glob("runs/*/seed_1"):
        for seed in again.seeds:
            shutil.copytree(source, tmp_path / f"runs/{source.parent.name}/seed_{seed}")
    tables, content, *_ = write_results(again)
    for model in json.loads(content.read_text())["models"]:
        split = model["splits"]["all frames"]
        assert split["AP50"]["spread"] == 0
        assert len(split["AP50"]["seeds"]) == 2
        assert split["AP50 slow"]["mean"] is None
    assert " ± 0.0 [" in tables.read_text()


@pytest.mark.slow
def test_models_start_from_a_backbone_and_an_rpn_without_a_box_head(ablation):
    common = torch.load(ablation.start_weights)["model"]
    assert {name.split(".")[0] for name in common} == {"backbone", "proposal_generator"}
    whole = torch.load(ablation.start.result)["model"]
    assert {name for name in whole if "box_head" in name}
    assert all(torch.equal(whole[name], tensor) for name, tensor in common.items())
    log = (ablation.output / "runs/boxmask_selsa_troi/seed_1/train/output.txt").read_text()
    assert str(ablation.start_weights) in log


@pytest.mark.slow
def test_a_finished_ablation_runs_nothing(ablation, capfd):
    ablation.run()
    assert "7 of 7 commands have finished before" in capfd.readouterr().err


def test_annotations_are_checked(tmp_path):
    (tmp_path / "some.json").write_text("{}")
    digest = synthetic_data.sha256(str(tmp_path / "some.json"))
    synthetic_data.check_annotations(tmp_path, {"some.json": digest[:32]})
    with pytest.raises(
        InputError, match=r"some.json has SHA-256 .* not 0123\.\.\. as in version 2"
    ):
        synthetic_data.check_annotations(tmp_path, {"some.json": "0123"})


def test_only_what_flies_is_kept(tmp_path):
    content = {
        "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "bird"}],
        "videos": [{"id": 1, "name": "road"}, {"id": 2, "name": "sky"}],
        "images": [{"id": 10, "video_id": 1}, {"id": 20, "video_id": 2}, {"id": 21, "video_id": 2}],
        "annotations": [
            {"id": 1, "image_id": 10, "category_id": 1},
            {"id": 2, "image_id": 20, "category_id": 2},
            {"id": 3, "image_id": 21, "category_id": 1},
        ],
    }
    source, target = tmp_path / "all.json", tmp_path / "some.json"
    source.write_text(json.dumps(content))
    write_flying_classes(source, target)
    kept = json.loads(target.read_text())
    ids = {section: [record["id"] for record in records] for section, records in kept.items()}
    assert ids == {"categories": [2], "videos": [2], "images": [20, 21], "annotations": [2]}
    content["annotations"].pop(1)
    source.write_text(json.dumps(content))
    with pytest.raises(InputError, match="has no boxes of airplane, bird"):
        write_flying_classes(source, target)


@pytest.mark.slow
def test_missing_data_get_one_sentence(tmp_path):
    tool = [sys.executable, "-W", "ignore", str(PROJECT / "tools/reproduce_ablation.py")]
    options = [
        "--preset",
        "mini_vid_all_mobilenet",
        "--data",
        str(tmp_path),
        "--output",
        str(tmp_path / "out"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [*tool, *options], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 1
    message = f"error: {tmp_path}/instances_train.json not found: give the folder"
    assert done.stderr.strip().splitlines()[-1].startswith(message)
