"""Trainings that are killed, damaged, changed and continued."""

import json
import os
import random
import re
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from boxmask_vid.engine.checks import LOCK, claim_folder
from support.forked_training import Training, killed_after, killed_at_byte, room_for

pytestmark = pytest.mark.slow

RESUME = ("--resume",)
NO_TEST = "DATASETS.TEST", "()"
LENGTH = "SOLVER.MAX_ITER", 6


@pytest.fixture(scope="module")
def training(synthetic_datasets) -> Training:
    """A training of 6 iterations with a checkpoint after each second one."""
    return Training(synthetic_datasets, "SOLVER.CHECKPOINT_PERIOD", 2, *LENGTH, *NO_TEST)


@pytest.fixture(scope="module")
def trained(training, tmp_path_factory) -> Path:
    """What it leaves when nothing disturbs it."""
    output = tmp_path_factory.mktemp("trained") / "run"
    done = training.run(output)
    assert done.code == 0, done.screen
    return output


@pytest.fixture
def copy(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def final(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "model_final.pth")["model"]


def assert_equal(folder: Path, other: Path) -> None:
    weights = final(other)
    for name, tensor in final(folder).items():
        assert torch.equal(tensor, weights[name]), name


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.json").read_text().splitlines()]


def group(folder: Path, name: str = "model_final.pth") -> dict:
    """First parameter group of the optimizer in a checkpoint."""
    return torch.load(folder / name)["trainer"]["_trainer"]["optimizer"]["param_groups"][0]


def back_to(folder: Path, name: str) -> None:
    """Remove what was saved after a checkpoint."""
    for path in folder.glob("model_*.pth"):
        if path.name > name:
            path.unlink()
    (folder / "last_checkpoint").write_text(name)


def test_twenty_random_kills_change_no_bit(training, trained, tmp_path):
    """Kills while images are read, files are written, renamed and removed, and in between."""
    output = tmp_path / "killed"
    generator = random.Random(0)
    killed = 0
    for attempt in range(60):
        if killed == 20:
            break
        if attempt % 3:
            kill = killed_after(generator.randrange(1, 40))
        else:
            kill = killed_at_byte(generator.randrange(0, 600_000))
        done = training.run(output, flags=RESUME, first=kill)
        assert done.code in (0, -9, -25), done.screen
        killed += done.code != 0
        if done.code == 0:
            assert_equal(output, trained)
            back_to(output, "model_0000001.pth")
    assert killed == 20
    done = training.run(output, flags=RESUME)
    assert done.code == 0, done.screen
    assert_equal(output, trained)
    assert "Traceback" not in done.screen
    iterations = [row["iteration"] for row in rows(output)]
    assert iterations == sorted(set(iterations))


def test_a_kill_at_any_time_changes_no_bit(training, trained, tmp_path):
    output = tmp_path / "killed"
    for seconds in (0.5, 1.0, 1.5, 2.0, 2.5):
        assert training.run(output, flags=RESUME, within=seconds).code in (0, -9)
    assert training.run(output, flags=RESUME).code == 0
    assert_equal(output, trained)


def test_the_older_checkpoint_serves_where_the_newest_are_cut_off(training, trained, copy):
    for name in ("model_final.pth", "model_0000005.pth"):
        (copy / name).write_bytes((copy / name).read_bytes()[:-1000])
    done = training.run(copy, flags=RESUME)
    assert done.code == 0
    assert "model_final.pth is cut off" in done.screen
    assert "Continuing from" in done.screen
    assert "Starting training from iteration 4" in done.screen
    assert_equal(copy, trained)


def test_a_deleted_last_checkpoint_starts_nothing_over(training, trained, copy):
    back_to(copy, "model_0000003.pth")
    (copy / "last_checkpoint").unlink()
    done = training.run(copy, flags=RESUME)
    assert "there is no last_checkpoint" in done.screen
    assert "Starting training from iteration 4" in done.screen
    assert_equal(copy, trained)


CHANGES = {
    "BASE_LR": (("SOLVER.BASE_LR", 0.0005), ("initial_lr", 0.0005)),
    "MOMENTUM": (("SOLVER.MOMENTUM", 0.5), ("momentum", 0.5)),
    "WEIGHT_DECAY": (("SOLVER.WEIGHT_DECAY", 0.01), ("weight_decay", 0.01)),
    "WARMUP": (("SOLVER.WARMUP_ITERS", 5000), None),
    "MAX_ITER": (("SOLVER.MAX_ITER", 8), None),
    "STEPS": (("SOLVER.STEPS", "(5,)"), None),
    "IMS_PER_BATCH": (("SOLVER.IMS_PER_BATCH", 2), None),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_schedule_is_obeyed_and_said(training, copy, tmp_path, name):
    opts, option = CHANGES[name]
    back_to(copy, "model_0000003.pth")
    before = group(copy, "model_0000003.pth")
    done = training.run(copy, *opts, flags=RESUME)
    assert done.code == 0, done.screen
    assert re.search(rf"Resuming with {opts[0]} \S+; it was .+ up to iteration 3", done.screen)
    if option is not None:
        assert group(copy)[option[0]] == option[1] != before[option[0]]
    assert training.run(tmp_path / "anew", *opts).code == 0
    rate, expected = (rows(folder)[-1]["lr"] for folder in (copy, tmp_path / "anew"))
    assert rate == pytest.approx(expected, rel=1e-12)


@pytest.fixture
def two_processes(synthetic_root) -> tuple[str, ...]:
    """Flags for two processes, which register the data set as "two"."""
    tree = synthetic_root / "synthetic_vid"
    json_file = tree / "coco_vid/imagenet_vid_train.json"
    dataset = "--dataset", "two", str(json_file), str(tree / "Data/VID")
    return (*dataset, "--num-gpus", "2", "--dist-url", "auto", "--resume")


TWO = "DATASETS.TRAIN", "('two',)", "SOLVER.IMS_PER_BATCH", 2


def test_changed_annotations_are_said(training, tmp_path, synthetic_root):
    """The order of the frames is another one then."""
    tree = synthetic_root / "synthetic_vid"
    content = json.loads((tree / "coco_vid/imagenet_vid_train.json").read_text())
    name, images = "edited", str(tree / "Data/VID")
    paths = tmp_path / "before.json", tmp_path / "after.json"
    for path in paths:
        path.write_text(json.dumps(content))
        content["annotations"].pop()
    output = tmp_path / "output"
    for path, flags in zip(paths, ((), RESUME), strict=True):
        dataset = "--dataset", name, str(path), images
        length = "SOLVER.MAX_ITER", 2 if path is paths[0] else 4
        opts = "DATASETS.TRAIN", f"('{name}',)", *length
        done = training.run(output, *opts, flags=(*dataset, *flags))
        assert done.code == 0, done.screen
    said = r"Resuming with annotations of edited \(sha256\) \w{12}; it was \w{12} up to iteration 1"
    assert re.search(said, done.screen)


def test_an_evaluation_before_the_checkpoint_stays_in_the_metrics(training, tmp_path):
    output = tmp_path / "run"
    opts = (
        "DATASETS.TEST",
        "('small_vid_val',)",
        "TEST.EVAL_PERIOD",
        3,
        "TEST.VID.BOOTSTRAP_DRAWS",
        0,
    )
    assert training.run(output, *opts).code == 0
    evaluated = [row["iteration"] for row in rows(output) if "bbox/AP50" in row]
    back_to(output, "model_0000003.pth")
    assert training.run(output, *opts, flags=RESUME).code == 0
    assert [row["iteration"] for row in rows(output) if "bbox/AP50" in row] == evaluated == [2, 6]


@pytest.mark.parametrize("name", ["lr?=0.1 run", "Läufe #3 汽车", "two\nlines"])
def test_a_folder_of_any_name_is_resumed(training, trained, tmp_path, name):
    output = tmp_path / name
    shutil.copytree(trained, output)
    back_to(output, "model_0000003.pth")
    done = training.run(output, flags=RESUME)
    assert done.code == 0, done.screen
    assert_equal(output, trained)


def test_a_changed_number_of_processes_is_said(training, copy, two_processes):
    back_to(copy, "model_0000003.pth")
    done = training.run(copy, *TWO, flags=two_processes)
    assert done.code == 0, done.screen
    assert "Resuming with number of processes 2; it was 1 up to iteration 3" in done.screen
    assert "Starting training from iteration 4" in done.screen


def test_a_schedule_that_scales_with_the_processes_is_refused(training, tmp_path, two_processes):
    output = tmp_path / "scaled"
    opts = "SOLVER.REFERENCE_WORLD_SIZE", 1
    assert training.run(output, *opts).code == 0
    done = training.run(output, *opts, *TWO, flags=two_processes)
    assert done.code == 1
    assert (
        "was trained with 1 processes (times batches of a step), now there are 2" in done.sentence
    )


REFUSED = {
    "SOLVER.BIAS_LR_FACTOR": (2.0, "The optimizer of the checkpoint is not that"),
    "SOLVER.OPTIMIZER": ("AdamW", "The optimizer of the checkpoint is not that"),
    "MODEL.VID.TROI.ENABLED": (True, "does not fit the model"),
}


@pytest.mark.parametrize("key", REFUSED)
def test_a_refused_resume_changes_nothing_for_the_next(training, trained, copy, key):
    value, sentence = REFUSED[key]
    back_to(copy, "model_0000003.pth")
    config = (copy / "config.yaml").read_bytes()
    done = training.run(copy, key, value, flags=RESUME)
    assert done.code == 1
    assert sentence in done.sentence
    assert "Traceback" not in done.screen
    assert (copy / "config.yaml").read_bytes() == config
    done = training.run(copy, flags=RESUME, config=str(copy / "config.yaml"))
    assert done.code == 0, done.screen
    assert_equal(copy, trained)


def test_a_momentum_of_another_shape_is_refused_in_a_sentence(training, copy):
    path = copy / "model_final.pth"
    content = torch.load(path)
    state = content["trainer"]["_trainer"]["optimizer"]["state"][0]
    state["momentum_buffer"] = torch.zeros(3)
    torch.save(content, path)
    done = training.run(copy, "SOLVER.MAX_ITER", 8, flags=RESUME)
    assert done.code == 1
    assert "is not that of this config (momentum_buffer (3,) of a (" in done.sentence
    assert "Traceback" not in done.screen


def test_too_few_open_files_are_a_sentence(training, tmp_path):
    limit = resource.RLIMIT_NOFILE, (24, 24)
    done = training.run(
        tmp_path / "run",
        *("DATALOADER.NUM_WORKERS", 1),
        first=lambda output: resource.setrlimit(*limit),
    )
    assert done.code == 1
    assert "(Too many open files): allow more open files (ulimit -n" in done.sentence
    assert "Traceback" not in done.screen


def test_a_folder_in_place_of_the_log_is_a_sentence(training, tmp_path):
    output = tmp_path / "run"
    (output / "log.txt").mkdir(parents=True)
    done = training.run(output)
    assert done.code == 1
    assert "log.txt cannot be opened or written (Is a directory): remove" in done.sentence
    assert "Traceback" not in done.screen


def test_a_resume_with_nothing_to_do_says_so(training, copy):
    done = training.run(copy, flags=RESUME)
    assert done.code == 0
    assert re.search(
        r"Nothing to train: \S+model_final.pth is of 6 iterations, and SOLVER.MAX_ITER is 6",
        done.screen,
    )


def test_a_training_that_is_beyond_its_new_end_says_so(training, copy):
    back_to(copy, "model_0000003.pth")
    done = training.run(copy, "SOLVER.MAX_ITER", 3, flags=RESUME)
    assert done.code == 0, done.screen
    assert "is of 4 iterations, and SOLVER.MAX_ITER is 3; raise it" in done.screen


OBSTACLES = {
    "metrics.json is a folder": (
        lambda f: folder_at(f / "metrics.json"),
        r"metrics.json cannot be",
    ),
    "no such schedule": (
        lambda f: None,
        r"The schedule cannot be built \(Unknown LR scheduler: Steps\): correct SOLVER.LR_SCHED",
        *("SOLVER.LR_SCHEDULER_NAME", "Steps"),
    ),
    "no such clipping": (
        lambda f: None,
        r"CLIP_TYPE is 'nrm': use one of full_model, value, norm",
        *("SOLVER.CLIP_GRADIENTS.ENABLED", True, "SOLVER.CLIP_GRADIENTS.CLIP_TYPE", "nrm"),
    ),
    "no such sampler": (
        lambda f: None,
        r"order of the frames cannot be made \(Unknown training sampler: Random\): correct DATALO",
        *("DATALOADER.SAMPLER_TRAIN", "Random"),
    ),
    "no such part of a model": (
        lambda f: None,
        r"model cannot be built \(No object named 'R' found in 'ROI_HEADS' registry!\): correct",
        *("MODEL.ROI_HEADS.NAME", "R"),
    ),
    "no such norm": (
        lambda f: None,
        r"MODEL.RESNETS.NORM is 'gn', which Detectron2 does not have",
        *("MODEL.RESNETS.NORM", "gn"),
    ),
    "an optimizer that was emptied": (
        lambda f: change(f, lambda state: state["_trainer"]["optimizer"]["state"].clear()),
        r"The checkpoint after iteration 5 has lost the state of its optimizer: remove it",
    ),
    "a schedule that was emptied": (
        lambda f: change(f, lambda state: state["hooks"].clear()),
        r"The checkpoint after iteration 5 has lost the state of its schedule: remove it",
    ),
    "weights without a state": (
        lambda f: [torch.save({"model": {}}, path) for path in f.glob("*.pth")],
        r"has weights, but not the state of a training",
    ),
}


def change(folder: Path, edit: Callable[[dict], object]) -> None:
    """Edit the state of the training in its newest checkpoint."""
    content = torch.load(folder / "model_final.pth")
    edit(content["trainer"])
    torch.save(content, folder / "model_final.pth")


def folder_at(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("name", OBSTACLES)
def test_an_obstacle_is_one_sentence_and_nothing_is_lost(training, copy, name):
    prepare, sentence, *opts = OBSTACLES[name]
    prepare(copy)
    kept = "model_*.pth", "config.yaml"
    before = {path.name: path.read_bytes() for name in kept for path in copy.glob(name)}
    done = training.run(copy, *opts, flags=RESUME)
    assert done.code == 1
    assert re.search(f"^error: .*{sentence}", done.sentence)
    assert "Traceback" not in done.screen
    assert before == {path.name: path.read_bytes() for name in kept for path in copy.glob(name)}


def test_a_second_training_in_the_folder_is_refused(training, copy):
    claimed = {path.name: path.read_bytes() for path in copy.iterdir() if path.name != "log.txt"}
    claim_folder(copy)  # this process is the first one
    done = training.run(copy, "SEED", 8)
    assert done.code == 1
    assert re.search(rf"Another training \(process {os.getpid()} on \S+\) writes", done.sentence)
    for name, content in claimed.items():
        if name != LOCK:
            assert (copy / name).read_bytes() == content, name


def test_an_earlier_training_in_the_folder_is_not_taken_for_this_one(training, copy):
    metrics = (copy / "metrics.json").read_bytes()
    done = training.run(
        copy, "SEED", 8, "SOLVER.CHECKPOINT_PERIOD", 100, first=killed_at_byte(100_000)
    )
    assert done.code == -25  # in its first checkpoint, the final one
    done = training.run(copy, "SEED", 8, flags=RESUME)
    assert done.code == 0, done.screen
    assert "are of an earlier training in this folder and are left out" in done.screen
    assert "Starting training from iteration 0" in done.screen
    assert (copy / "metrics.json").read_bytes().startswith(metrics)


def test_an_evaluation_leaves_the_config_of_the_training_alone(training, trained, copy):
    config = (copy / "config.yaml").read_bytes()
    weights = "MODEL.WEIGHTS", copy / "model_final.pth", "SEED", -1
    test = "DATASETS.TEST", "('small_vid_val',)"
    done = training.run(copy, *weights, *test, flags=("--eval-only",))
    assert done.code == 0, done.screen
    assert (copy / "config.yaml").read_bytes() == config
    assert b"SEED: -1" in (copy / "evaluation.yaml").read_bytes()
    back_to(copy, "model_0000001.pth")
    assert training.run(copy, flags=RESUME).code == 0
    assert_equal(copy, trained)


def test_a_drawn_seed_survives_a_lost_config(training, tmp_path):
    output = tmp_path / "run"
    assert training.run(output, "SEED", -1).code == 0
    whole = final(output)
    (output / "config.yaml").write_text("")
    back_to(output, "model_0000001.pth")
    assert training.run(output, "SEED", -1, flags=RESUME).code == 0
    for name, tensor in final(output).items():
        assert torch.equal(tensor, whole[name]), name


def test_only_the_newest_checkpoints_and_the_best_are_kept(training, tmp_path):
    output = tmp_path / "run"
    best = "TEST.BEST_METRIC", "bbox/AP50", "TEST.EVAL_PERIOD", 2
    opts = "SOLVER.CHECKPOINT_KEEP", 2, *best, "DATASETS.TEST", "('small_vid_val',)"
    opts = (*opts, "TEST.VID.BOOTSTRAP_DRAWS", 0)
    done = training.run(output, *opts)
    assert done.code == 0, done.screen
    names = {path.name for path in output.glob("*.pth")}
    assert names == {
        *("model_0000003.pth", "model_0000005.pth", "model_final.pth", "model_best.pth")
    }
    content = torch.load(output / "model_best.pth")
    assert content["best"]["metric"] == "bbox/AP50"
    content["best"]["value"] = 200.0  # better than anything
    torch.save(content, output / "model_best.pth")
    best_file = (output / "model_best.pth").read_bytes()
    done = training.run(output, *opts, "SOLVER.MAX_ITER", 10, flags=RESUME)
    assert done.code == 0, done.screen
    assert "The best bbox/AP50 so far is 200.000" in done.screen
    assert (output / "model_best.pth").read_bytes() == best_file
    names = {path.name for path in output.glob("*.pth")}
    assert names == {
        *("model_0000007.pth", "model_0000009.pth", "model_final.pth", "model_best.pth")
    }


def test_a_metric_that_does_not_exist_names_those_that_do(training, tmp_path):
    test = "DATASETS.TEST", "('small_vid_val',)", "TEST.EVAL_PERIOD", 2
    done = training.run(tmp_path / "run", "TEST.BEST_METRIC", "bbox/AP5", *test)
    assert done.code == 1
    assert "The evaluation has no metric 'bbox/AP5' (TEST.BEST_METRIC" in done.sentence
    assert "like bbox/AP" in done.sentence
    assert "Traceback" not in done.screen
    assert "Starting training" not in done.screen


def test_a_file_that_is_not_there_is_said_without_the_config(training, tmp_path):
    for flags, opts in (((), ()), (("--eval-only",), ("DATASETS.TEST", "('small_vid_val',)"))):
        weights = "MODEL.WEIGHTS", tmp_path / "gone.pth"
        done = training.run(tmp_path / "run", *opts, *weights, flags=flags)
        assert done.code == 1
        assert re.search("error: Checkpoint .*gone.pth not found: check MODEL.WEIGHTS", done.screen)
        assert "Running with full config" not in done.screen
        assert not (tmp_path / "run").exists()


def test_a_name_of_a_data_set_that_is_taken_is_a_sentence(training, tmp_path, synthetic_root):
    json_file = str(synthetic_root / "synthetic_vid/coco_vid/imagenet_vid_train.json")
    dataset = "--dataset", "small_vid_train", json_file, str(tmp_path)
    done = training.run(tmp_path / "run", flags=dataset)
    assert done.code == 1
    assert done.sentence.startswith("error: --dataset small_vid_train: this name is taken already")
    assert "Traceback" not in done.screen


def test_a_training_that_diverges_leaves_no_checkpoint_of_it(training, tmp_path):
    output = tmp_path / "run"
    wild = "SOLVER.BASE_LR", 1e8, "SOLVER.WARMUP_ITERS", 0, "SOLVER.CHECKPOINT_PERIOD", 1
    done = training.run(output, *wild, "SOLVER.CLIP_GRADIENTS.ENABLED", False)
    assert done.code == 1
    assert done.sentence.startswith("error: The training diverged")
    assert "Traceback" not in done.screen
    for path in output.glob("*.pth"):
        for name, tensor in torch.load(path)["model"].items():
            assert not tensor.is_floating_point() or tensor.isfinite().all(), (path, name)


def test_a_full_disk_in_a_save_is_a_sentence_and_loses_nothing(training, trained, tmp_path):
    output = tmp_path / "run"
    done = training.run(output, first=room_for(300_000))
    assert done.code == 1
    assert re.search(r"error: \S+/model_0000001.pth cannot be written \(File too", done.sentence)
    assert "Traceback" not in done.screen
    assert not list(output.glob("*.unfinished"))
    assert training.run(output, flags=RESUME).code == 0
    assert_equal(output, trained)
    iterations = [row["iteration"] for row in rows(output)]
    assert iterations == sorted(set(iterations))


def test_swapped_classes_of_a_test_set_are_refused_before_the_training(
    training, synthetic_root, tmp_path
):
    tree = synthetic_root / "synthetic_vid"
    content = json.loads((tree / "coco_vid/imagenet_vid_val.json").read_text())
    first, second, *_ = content["categories"]
    first["name"], second["name"] = second["name"], first["name"]
    (tmp_path / "swapped.json").write_text(json.dumps(content))
    flags = ("--dataset", "swapped", str(tmp_path / "swapped.json"), str(tree / "Data/VID"))
    done = training.run(tmp_path / "run", "DATASETS.TEST", "('swapped',)", flags=flags)
    assert done.code == 1
    assert "Data set 'swapped' has the classes" in done.sentence
    assert "Starting training" not in done.screen


def test_the_config_that_a_run_left_is_whole(trained, training, tmp_path):
    cut_off = tmp_path / "config.yaml"
    text = (trained / "config.yaml").read_text()
    for content in ("", text[: len(text) // 2], text[:3000], text[:-20]):
        cut_off.write_text(content)
        done = training.run(tmp_path / "run", config=str(cut_off))
        assert done.code == 1
        assert re.search(r"error: (Config file|In) \S*config.yaml", done.sentence), done.screen
        assert "Traceback" not in done.screen
    assert training.run(tmp_path / "run", config=str(trained / "config.yaml")).code == 0
    assert_equal(tmp_path / "run", trained)
