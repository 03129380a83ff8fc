"""``train_net.py`` as a user runs it, in separate processes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from support.paths import PROJECT
from support.small import CONFIG, KINDS, SMALLEST

pytestmark = pytest.mark.slow

SCRIPT = str(PROJECT / "train_net.py")


@pytest.fixture(scope="module")
def environment(synthetic_root) -> dict[str, str]:
    return {**os.environ, "DETECTRON2_DATASETS": str(synthetic_root)}


def command(output: Path, *opts: object, flags: tuple = (), kind: str = "boxmask") -> list[str]:
    defaults = (
        "SOLVER.IMS_PER_BATCH",
        "2",
        "SOLVER.CHECKPOINT_PERIOD",
        "4",
        "SOLVER.BASE_LR",
        "0.005",
    )
    return [
        *(sys.executable, SCRIPT, "--config-file", CONFIG, *flags, "OUTPUT_DIR", str(output)),
        *(*SMALLEST, *KINDS[kind], *defaults, *map(str, opts)),
    ]


def run(environment: dict, *args, check: bool = True, **kwargs) -> subprocess.CompletedProcess:
    done = subprocess.run(
        command(*args, **kwargs), env=environment, capture_output=True, text=True, check=False
    )
    if check and done.returncode:
        pytest.fail(f"{done.args}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done


def sentence(environment: dict, *args, **kwargs) -> str:
    """Last line on the screen of a command that must fail."""
    done = run(environment, *args, check=False, **kwargs)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    return done.stderr.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def trained(environment, tmp_path_factory) -> Path:
    """A finished training of 6 iterations, evaluated after 3 and 6."""
    output = tmp_path_factory.mktemp("trained")
    run(environment, output, "SOLVER.MAX_ITER", 6, "TEST.EVAL_PERIOD", 3)
    return output


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path / "model_final.pth")["model"]


def metrics(path: Path) -> list[dict]:
    return [json.loads(line) for line in (path / "metrics.json").read_text().splitlines()]


def test_training_leaves_metrics_checkpoints_and_the_whole_config(trained):
    files = {path.name for path in trained.iterdir()}
    assert {"metrics.json", "model_final.pth", "model_0000003.pth", "last_checkpoint"} <= files
    assert {"config.yaml", "log.txt", "inference"} <= files
    assert any(name.startswith("events.out.tfevents") for name in files)
    assert not any("unfinished" in name for name in files)
    rows = metrics(trained)
    losses = {"loss_rpn_cls", "loss_rpn_loc", "loss_cls", "loss_box_reg", "loss_boxmask"}
    assert losses <= {key for row in rows for key in row}
    assert "bbox/AP50" in rows[-1]
    config = (trained / "config.yaml").read_text()
    assert "SEED: 7" in config
    assert "striped_disc" in config


def test_resuming_computes_what_no_interruption_would_have(environment, trained, tmp_path):
    run(environment, tmp_path, "SOLVER.MAX_ITER", 6, "TEST.EVAL_PERIOD", 3)
    for name, tensor in weights(trained).items():  # two runs are equal
        assert torch.equal(tensor, weights(tmp_path)[name]), name
    (tmp_path / "model_final.pth").unlink()
    (tmp_path / "last_checkpoint").write_text("model_0000003.pth")
    done = run(
        environment, tmp_path, "SOLVER.MAX_ITER", 6, "TEST.EVAL_PERIOD", 3, flags=("--resume",)
    )
    assert "Starting training from iteration 4" in done.stdout
    for name, tensor in weights(trained).items():
        assert torch.equal(tensor, weights(tmp_path)[name]), name


def test_ctrl_c_leaves_a_checkpoint_to_resume_from(environment, tmp_path):
    log = (tmp_path / "screen").open("w")
    process = subprocess.Popen(
        command(
            tmp_path,
            *(
                "SOLVER.MAX_ITER",
                5000,
                "SOLVER.CHECKPOINT_PERIOD",
                5000,
                "DATALOADER.NUM_WORKERS",
                1,
            ),
        ),
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    rows = tmp_path / "metrics.json"
    deadline = time.monotonic() + 240
    while not (rows.is_file() and rows.stat().st_size):  # the first iterations are done
        assert process.poll() is None, (tmp_path / "screen").read_text()[-2000:]
        assert time.monotonic() < deadline
        os.sched_yield()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: loader workers get it, too
    process.wait(timeout=240)
    screen = (tmp_path / "screen").read_text()
    assert "continue with --resume" in screen
    assert screen.count("interrupt again to stop at once") == 1
    last = (tmp_path / "last_checkpoint").read_text()
    assert re.fullmatch(r"model_\d{7}.pth", last)
    done = run(environment, tmp_path, "SOLVER.MAX_ITER", int(last[6:13]) + 2, flags=("--resume",))
    assert f"Starting training from iteration {int(last[6:13]) + 1}" in done.stdout


def detections(path: Path) -> list[dict]:
    (file,) = path.rglob("coco_instances_results.json")
    found = json.loads(file.read_text())
    return sorted(found, key=lambda d: (d["image_id"], -d["score"], d["category_id"], d["bbox"]))


def evaluate(
    environment: dict, trained: Path, output: Path, *opts, flags=()
) -> subprocess.CompletedProcess:
    weights_file = trained / "model_final.pth"
    return run(
        environment, output, "MODEL.WEIGHTS", weights_file, *opts, flags=("--eval-only", *flags)
    )


def test_eval_only_gives_the_result_of_the_training(environment, trained, tmp_path):
    done = evaluate(environment, trained, tmp_path)
    lines = re.findall(r"copypaste: ([\d.,nan-]+)$", done.stdout, re.MULTILINE)
    assert len(lines) == 3  # of coco, ilsvrc and mega
    line = lines[0]
    ap, ap50 = (float(value) for value in line.split(",")[:2])
    last = metrics(trained)[-1]
    assert ap == pytest.approx(last["bbox/AP"], abs=1e-4)
    assert ap50 == pytest.approx(last["bbox/AP50"], abs=1e-4)


def test_evaluation_on_two_processes_finds_the_same(environment, trained, tmp_path):
    evaluate(environment, trained, tmp_path / "one")
    flags = ("--num-gpus", "2", "--dist-url", "auto")
    evaluate(environment, trained, tmp_path / "two", flags=flags)
    one, two = detections(tmp_path / "one"), detections(tmp_path / "two")
    assert len(one) == len(two) > 0
    for a, b in zip(one, two, strict=True):
        assert (a["image_id"], a["category_id"]) == (b["image_id"], b["category_id"])
        assert a["score"] == pytest.approx(b["score"], abs=1e-6)
        assert a["bbox"] == pytest.approx(b["bbox"], abs=1e-3)


def test_expected_results_are_verified(environment, trained, tmp_path):
    wrong = "[['bbox', 'AP50', 99.0, 0.5]]"
    done = run(
        environment,
        tmp_path,
        *("MODEL.WEIGHTS", trained / "model_final.pth", "TEST.EXPECTED_RESULTS", wrong),
        flags=("--eval-only",),
        check=False,
    )
    assert done.returncode == 1
    assert "Result verification failed" in done.stdout + done.stderr


def test_training_on_two_processes_keeps_one_log(environment, tmp_path):
    run(
        environment,
        tmp_path,
        *("SOLVER.MAX_ITER", 3, "TEST.EVAL_PERIOD", 3),
        flags=("--num-gpus", "2", "--dist-url", "auto"),
    )
    assert {path.name for path in tmp_path.iterdir()} >= {"log.txt", "log.txt.rank1"}
    rows = metrics(tmp_path)
    assert len(rows) == len({row["iteration"] for row in rows})
    assert "bbox/AP50" in rows[-1]
    assert len(list(tmp_path.glob("events.out.tfevents*"))) == 1


MISTAKES = {
    "no weights": ((), ("--eval-only",), r"error: --eval-only has no weights to evaluate"),
    "unknown key": (
        ("MODEL.VID.TORI", "1"),
        (),
        r"Non-existent key: MODEL.VID.TORI \(did you mean",
    ),
    "odd options": (
        ("MODEL.WEIGHTS",),
        (),
        r"MODEL.WEIGHTS: write a value after",
    ),
    "wrong type": (
        ("SOLVER.MAX_ITER", "many"),
        (),
        r"SOLVER.MAX_ITER is many, .* \(Type mismatch\): write",
    ),
    "no such data set": (
        ("DATASETS.TRAIN", "('nothing',)"),
        (),
        r"Data set 'nothing' is not registered",
    ),
    "number of classes": (
        ("MODEL.ROI_HEADS.NUM_CLASSES", "5"),
        (),
        r"'synthetic_vid_train' has 4 classes, MODEL.ROI_HEADS.NUM_CLASSES is 5",
    ),
    "no checkpoint": (("MODEL.WEIGHTS", "no.pth"), (), r"Checkpoint no.pth not found: check"),
    "frozen at random": (
        ("MODEL.BACKBONE.FREEZE_AT", "2"),
        (),
        r"are frozen and would stay random: add .* MODEL.WEIGHTS torchvision://resnet50",
    ),
    "no training data": (("DATASETS.TRAIN", "()"), (), r"DATASETS.TRAIN is empty"),
    "no test data": (
        ("DATASETS.TEST", "()", "MODEL.WEIGHTS", "any.pth"),
        ("--eval-only",),
        r"DATASETS.TEST is empty",
    ),
    "no such test data": (
        ("DATASETS.TEST", "('no_vid',)"),
        (),
        r"Data set 'no_vid' is not registered",
    ),
    "no such scorer": (("TEST.VID.SCORERS", "('voc',)"), (), r"TEST.VID.SCORERS\) are \('voc',\)"),
    "detections to train on": (
        (),
        ("--detections", "a.json"),
        r"a.json can only be scored: add --eval",
    ),
    "no json": (
        (),
        ("--dataset", "mine", "no.json", "images"),
        r"Annotation file no.json not found",
        ("DATASETS.TRAIN", "('mine',)"),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_get_one_sentence_and_no_traceback(environment, tmp_path, name: str):
    opts, flags, message, *more = MISTAKES[name]
    opts = (*opts, *(more[0] if more else ()))
    last = sentence(environment, tmp_path, *opts, flags=flags)
    assert re.search(message, last)
    assert last.startswith("error: ")


def spoilt(synthetic_root: Path, folder: Path, change) -> tuple[str, ...]:
    """Option that registers the training videos as "mine", with a change to the JSON."""
    tree = synthetic_root / "synthetic_vid"
    content = json.loads((tree / "coco_vid/imagenet_vid_train.json").read_text())
    change(content)
    (folder / "mine.json").write_text(json.dumps(content))
    return "--dataset", "mine", str(folder / "mine.json"), str(tree / "Data/VID")


@pytest.mark.parametrize("processes", [1, 2])
def test_a_missing_image_is_one_sentence_from_workers_and_processes_too(
    environment, synthetic_root, tmp_path, processes
):
    def move(content: dict) -> None:
        for image in content["images"]:
            image["file_name"] = f"gone/{image['file_name']}"

    last = sentence(
        environment,
        tmp_path,
        *("DATASETS.TRAIN", "('mine',)", "DATASETS.TEST", "()", "DATALOADER.NUM_WORKERS", 1),
        flags=(
            *spoilt(synthetic_root, tmp_path, move),
            *("--num-gpus", str(processes), "--dist-url", "auto"),
        ),
    )
    assert re.match(r"error: Image \S+/gone/\S+ \(frame of video \d+ in mine\) not found", last)


def test_videos_without_any_box_are_one_sentence(environment, synthetic_root, tmp_path):
    last = sentence(
        environment,
        tmp_path,
        *("DATASETS.TRAIN", "('mine',)", "DATASETS.TEST", "()"),
        flags=spoilt(synthetic_root, tmp_path, lambda content: content["annotations"].clear()),
    )
    assert last.startswith("error: No frame to train on in mine")


def test_training_does_not_start_from_foreign_weights(environment, tmp_path):
    foreign = tmp_path / "foreign.pth"
    torch.save({"model": {"layer1.weight": torch.zeros(3)}}, foreign)
    last = sentence(environment, tmp_path, "MODEL.WEIGHTS", foreign)
    assert "does not fit the model (not even its backbone)" in last
    assert "backbone.bottom_up.stem.conv1.weight" in last


def test_a_checkpoint_of_another_model_is_refused(environment, trained, tmp_path):
    weights_file = trained / "model_final.pth"
    opts = ("MODEL.WEIGHTS", weights_file, "MODEL.ROI_BOX_HEAD.NUM_FC", "3")
    last = sentence(environment, tmp_path, *opts, flags=("--eval-only",))
    assert "roi_heads.box_head.fc3.weight" in last


def test_a_json_file_is_registered_on_the_command_line(environment, synthetic_root, tmp_path):
    tree = synthetic_root / "synthetic_vid"
    done = run(
        environment,
        tmp_path,
        *("DATASETS.TRAIN", "('mine',)", "DATASETS.TEST", "()", "SOLVER.MAX_ITER", 2),
        flags=(
            *("--dataset", "mine", str(tree / "coco_vid/imagenet_vid_train.json")),
            str(tree / "Data/VID"),
        ),
    )
    assert "Starting training from iteration 0" in done.stdout
    assert (tmp_path / "model_final.pth").is_file()


def test_a_seed_is_drawn_and_written_and_kept_on_resume(environment, tmp_path):
    opts = ("SEED", "-1", "DATASETS.TEST", "()", "SOLVER.CHECKPOINT_PERIOD", 1, "SOLVER.MAX_ITER")
    run(environment, tmp_path, *opts, 1)
    seed = re.search(r"^SEED: (\d+)$", (tmp_path / "config.yaml").read_text(), re.MULTILINE)[1]
    run(environment, tmp_path, *opts, 2, flags=("--resume",))
    assert f"SEED: {seed}\n" in (tmp_path / "config.yaml").read_text()
