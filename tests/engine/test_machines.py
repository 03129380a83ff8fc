"""Trainings on two machines, under srun, and after a restart by torchrun."""

import json
import os
import re
import signal
import socket
import sys
from pathlib import Path

import pytest
import torch
from detectron2.utils import comm
from torch.multiprocessing import start_processes
from torch.nn.parallel import DistributedDataParallel

from boxmask_vid.engine.place import Place, first_host, place_in
from boxmask_vid.engine.process_group import process_group
from boxmask_vid.engine.processes import restarted_by_torchrun, run_in_processes
from boxmask_vid.errors import InputError
from support.machines import two_machines
from support.trainings import ENDLESS, Training


def rows(training: Training) -> list[dict]:
    text = (training.output / "metrics.json").read_text()
    return [json.loads(line) for line in text.splitlines()]


def detected_videos(training: Training) -> set[int]:
    """Numbers of the videos (of 6 frames) with detections."""
    (path,) = training.output.rglob("coco_instances_results.json")
    return {(found["image_id"] - 1) // 6 for found in json.loads(path.read_text())}


@pytest.mark.slow
def test_two_machines_train_and_evaluate_until_the_cable_is_cut(synthetic_root, tmp_path):
    opts = (*ENDLESS, "DATASETS.TEST", "('synthetic_vid_val',)", "TEST.EVAL_PERIOD", 20)
    with two_machines() as machines:
        url = f"tcp://{machines[0].address}:29871"
        trainings = [
            Training(
                synthetic_root,
                tmp_path / "out",
                *opts,
                flags=("--num-machines", "2", "--machine-rank", str(rank), "--dist-url", url),
                before=(*machine.run, sys.executable),
                screen=f"screen{rank}",
            )
            for rank, machine in enumerate(machines)
        ]
        first, second = trainings
        first.wait_for_metrics()
        machines[1].unplug()
        codes = [training.end(seconds=60) for training in trainings]
    assert codes == [1, 1]
    assert "bbox/AP50" in rows(first)[0]
    assert detected_videos(first) == {0, 1}  # one on each machine
    for training, other in ((first, 1), (second, 0)):
        assert re.findall(r"error: Process (\d) of 2", training.screen) == [str(other)]
        assert "Traceback" not in training.screen


@pytest.mark.slow
def test_tasks_of_srun_are_one_training(synthetic_root, tmp_path):
    common = {
        **{"SLURM_JOB_ID": "4711", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2"},
        **{"SLURM_STEP_NUM_NODES": "1", "SLURM_STEP_TASKS_PER_NODE": "2"},
        "SLURM_STEP_NODELIST": "localhost",
    }
    tasks = [
        Training(
            synthetic_root,
            tmp_path / "out",
            *("SOLVER.MAX_ITER", 2, "DATASETS.TEST", "()"),
            variables={**common, "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)},
            screen=f"screen{rank}",
        )
        for rank in range(2)
    ]
    assert [task.end(seconds=120) for task in tasks] == [0, 0]
    assert "2 processes x 1 batches of 1" in tasks[0].log
    assert {path.name for path in tasks[0].output.glob("log*")} == {"log.txt", "log.txt.rank1"}


@pytest.mark.slow
def test_torchrun_on_two_machines_starts_again_and_the_training_continues(synthetic_root, tmp_path):
    opts = ("SOLVER.MAX_ITER", 24, "DATASETS.TEST", "()", "SOLVER.CHECKPOINT_PERIOD", 2)
    with two_machines() as machines:
        endpoint = ("--rdzv-backend", "c10d", "--rdzv-endpoint", f"{machines[0].address}:29872")
        torchrun = (sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", *endpoint)
        first, second = (
            Training(
                *(synthetic_root, tmp_path / "out", *opts),
                before=(
                    *(*machine.run, *torchrun, "--max-restarts", "1", "--nproc-per-node", "1"),
                    # which the names of real machines tell
                    *("--local-addr", machine.address, "--rdzv-conf", f"is_host={1 - rank}"),
                ),
                screen=f"screen{rank}",
            )
            for rank, machine in enumerate(machines)
        )
        first.wait_for_checkpoint()
        ranks = [t.pids_of_ranks() for t in (first, second)]
        other = next(number for number, pids in enumerate(ranks) if 1 in pids)
        os.kill(ranks[other][1], signal.SIGKILL)
        assert [training.end(seconds=120) for training in (first, second)] == [0, 0]
    starts = re.findall(r"Starting training from iteration (\d+)", first.log)
    assert starts[0] == "0"
    assert int(starts[1]) >= 2
    assert len(starts) == 2
    assert (first.output / "model_final.pth").is_file()
    screens = first.screen + second.screen
    assert re.findall(r"error: Process (\d) of 2", screens) == ["1"]


SLURM = {
    **{"SLURM_JOB_ID": "20007", "SLURM_STEP_ID": "1", "SLURM_PROCID": "5", "SLURM_LOCALID": "1"},
    **{"SLURM_STEP_NUM_TASKS": "8", "SLURM_STEP_NUM_NODES": "2", "SLURM_NTASKS": "8"},
    **{"SLURM_STEP_TASKS_PER_NODE": "4(x2)", "SLURM_STEP_NODELIST": "gpu-[003-004]"},
}


def test_the_place_of_a_task_of_srun():
    place = place_in(SLURM)
    assert (place.rank, place.world_size) == (5, 8)
    assert (place.local_rank, place.local_size) == (1, 4)
    assert place.url == "tcp://gpu-003:20008"
    elsewhere = place_in({**SLURM, "MASTER_ADDR": "10.0.0.7", "MASTER_PORT": "29500"})
    assert elsewhere.url == "tcp://10.0.0.7:29500"
    assert elsewhere.master == "10.0.0.7"
    for change in (
        {"SLURM_STEP_TASKS_PER_NODE": "5,3"},
        {"SLURM_LOCALID": "2"},  # --distribution cyclic
        {"SLURM_STEP_TASKS_PER_NODE": "x"},
    ):
        with pytest.raises(InputError, match="--ntasks-per-node N --distribution block"):
            place_in({**SLURM, **change})


def test_a_script_of_slurm_is_not_a_task_of_srun():
    script = {"SLURM_JOB_ID": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
    assert place_in({**script, "SLURM_NTASKS": "1"}) is None
    assert place_in({**script, "SLURM_NTASKS": "4"}, started_here=4) is None
    assert place_in({}) is None


TORCHRUN = {
    **{"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"},
    **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"},
}


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({**TORCHRUN, "RANK": "one"}, r"RANK is 'one' in the environment"),
        ({**TORCHRUN, "WORLD_SIZE": ""}, r"WORLD_SIZE is '' in the environment"),
        ({**TORCHRUN, "RANK": "5"}, r"RANK is 5 .* there are 2 processes, which count from 0"),
        ({**TORCHRUN, "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "1"}, r"LOCAL_RANK is 1 .* are 1 "),
    ],
)
def test_variables_of_torchrun_that_are_wrong(environment, sentence):
    with pytest.raises(InputError, match=sentence):
        place_in(environment)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"RANK": "1"}, r"has RANK of several processes, but not WORLD_SIZE, LOCAL_RANK, MASTER"),
        ({"RANK": "1", "WORLD_SIZE": "2"}, r"but not LOCAL_RANK, .* or unset RANK WORLD_SIZE"),
    ],
)
def test_variables_of_torchrun_that_are_half_there(environment, sentence, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=sentence):
        run_in_processes(print, ())


def write_rank(folder: Path) -> None:
    restarted_by_torchrun()  # looks at the environment, too
    (folder / str(comm.get_rank())).touch()


def test_processes_that_are_asked_for_do_not_need_torchrun(tmp_path, monkeypatch):
    """A pod of Kubernetes has a rank, and Detectron2's options say how many processes."""
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "MASTER_PORT": "23456"}.items():
        monkeypatch.setenv(name, value)
    run_in_processes(write_rank, (tmp_path,), num_gpus=2)
    assert {path.name for path in tmp_path.iterdir()} == {"0", "1"}


def train_and_write_threads(rank: int, url: str, folder: Path) -> None:
    with process_group(Place(rank, 2, rank, 2, url, "a test")):
        model = DistributedDataParallel(torch.nn.Linear(2, 2))
        model(torch.ones(1, 2)).sum().backward()
        comm.all_gather(rank)
        inside = names_of_threads()
    del model
    (folder / f"{rank}.json").write_text(json.dumps([inside, names_of_threads()]))


def names_of_threads() -> list[str]:
    return [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]


@pytest.mark.skipif(sys.platform != "linux", reason="looks at Linux's /proc")
def test_threads_of_gloo_end_with_the_process_group(tmp_path):
    """One that gave a tensor back while the interpreter ended aborted a process that was done."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    start_processes(train_and_write_threads, (url, tmp_path), nprocs=2)
    for rank in range(2):
        inside, after = json.loads((tmp_path / f"{rank}.json").read_text())
        assert [name for name in inside if "gloo" in name]
        assert [name for name in after if "gloo" in name] == []


def test_a_world_of_one_process_needs_no_meeting(monkeypatch, tmp_path):
    assert place_in({"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}) is None
    assert place_in(TORCHRUN).world_size == 2
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "MASTER_PORT": "29500"}.items():
        monkeypatch.setenv(name, value)
    run_in_processes(write_rank, (tmp_path,))
    assert (tmp_path / "0").exists()


def test_a_port_that_is_in_use_is_said_at_once():
    with socket.create_server(("", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match=r"cannot be used .*another training.*--dist-url auto"):
            run_in_processes(print, (), num_gpus=2, dist_url=url)


@pytest.mark.parametrize("host", ["nowhere.invalid", "no..where"])
def test_a_host_that_does_not_exist_is_said_at_once(host, monkeypatch):
    for name, value in {**TORCHRUN, "MASTER_ADDR": host}.items():
        monkeypatch.setenv(name, value)
    sentence = rf"Process 0 does not find the host '{host}', where the 2 processes .*MASTER_ADDR"
    with pytest.raises(InputError, match=sentence):
        run_in_processes(print, ())


@pytest.mark.parametrize("name", ["SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_NUM_TASKS"])
def test_variables_of_slurm_that_are_no_numbers(name):
    with pytest.raises(InputError, match=f"{name} is 'many' in the environment: srun sets a num"):
        place_in({**SLURM, name: "many"})


@pytest.mark.parametrize(
    "options",
    [{"num_gpus": 0}, {"num_machines": 0}, {"machine_rank": 3}, {"machine_rank": -1}],
)
def test_impossible_numbers_of_processes(options):
    with pytest.raises(
        InputError, match=r"--machine-rank -?[0-9]: write at least 1, and ranks from"
    ):
        run_in_processes(print, (), **options)


def test_several_machines_need_an_address():
    with pytest.raises(InputError, match="--dist-url auto is for one machine"):
        run_in_processes(print, (), num_gpus=1, num_machines=2)


@pytest.mark.parametrize(
    ("names", "host"),
    [
        *[("n1", "n1"), ("n1,n2", "n1"), ("n[01-03,7]", "n01"), ("n[7,9]", "n7")],
        *[("a-b[3],c", "a-b3"), ("rack2-n[10-11].example.org", "rack2-n10.example.org")],
    ],
)
def test_the_first_host_of_a_list(names, host):
    assert first_host(names) == host
