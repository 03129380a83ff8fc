"""Which checkpoint a training continues from, whatever happened to its folder."""

import os
import shutil
from pathlib import Path

import pytest
import torch

from boxmask_vid.checkpoint import VIDCheckpointer
from boxmask_vid.checkpoint.resuming import (
    begin_training,
    newest_checkpoint,
    recorded_seed,
    refuse_to_replace_weights,
)
from boxmask_vid.errors import InputError
from support.forked_training import in_fork, killed_after, killed_at_byte

ITERATIONS = 1, 3, 5


class State:
    """What a trainer saves of itself."""

    def __init__(self, iteration: int, training: str) -> None:
        settings = {"SEED": 7}
        self._state = {
            "iteration": iteration,
            "training": {"id": training, "settings": settings},
        }

    def state_dict(self) -> dict:
        return self._state


def save(folder: Path, iteration: int, training: str, *, value: float | None = None) -> None:
    model = torch.nn.Linear(30, 30)
    torch.nn.init.constant_(model.weight, iteration if value is None else value)
    VIDCheckpointer(model, str(folder), trainer=State(iteration, training)).save(
        f"model_{iteration:07d}"
    )


@pytest.fixture
def folder(tmp_path) -> Path:
    """Checkpoints after three iterations of a training."""
    training = begin_training(tmp_path)
    for iteration in ITERATIONS:
        save(tmp_path, iteration, training)
    return tmp_path


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def flip(path: Path) -> None:
    """Change a byte in the middle of the weights."""
    data = bytearray(path.read_bytes())
    place = data.index(torch.tensor(5.0).numpy().tobytes() * 10) + 1000
    data[place] ^= 1
    path.write_bytes(data)


def spoil_weights(path: Path) -> None:
    content = torch.load(path)
    content["model"]["weight"][0, 0] = torch.nan
    torch.save(content, path)


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "gone.pth")


def folder_at(path: Path) -> None:
    path.unlink()
    path.mkdir()


def change(path: Path, **state: object) -> None:
    content = torch.load(path)
    content["trainer"].update(state)
    torch.save(content, path)


DAMAGES = {
    "none": (lambda f: None, 5),
    "last_checkpoint deleted": (lambda f: (f / "last_checkpoint").unlink(), 5),
    "last_checkpoint empty": (lambda f: (f / "last_checkpoint").write_text(""), 5),
    "last_checkpoint cut off": (lambda f: (f / "last_checkpoint").write_text("model_00"), 5),
    "last_checkpoint is no text": (lambda f: (f / "last_checkpoint").write_bytes(b"\xff\0"), 5),
    "last_checkpoint names a gone file": (lambda f: (f / "model_0000005.pth").unlink(), 3),
    "newest cut off": (lambda f: cut(f / "model_0000005.pth", 2000), 3),
    "newest empty": (lambda f: cut(f / "model_0000005.pth", 0), 3),
    "newest with a changed byte": (lambda f: flip(f / "model_0000005.pth"), 3),
    "newest not finite": (lambda f: spoil_weights(f / "model_0000005.pth"), 3),
    "newest is a link to nowhere": (lambda f: link(f / "model_0000005.pth"), 3),
    "newest is a folder": (lambda f: folder_at(f / "model_0000005.pth"), 3),
    "newest of no iteration": (lambda f: change(f / "model_0000005.pth", iteration="x"), 3),
    "newest before the first": (lambda f: change(f / "model_0000005.pth", iteration=-7), 3),
    "newest of no training": (lambda f: change(f / "model_0000005.pth", training=[1]), 3),
    "two cut off": (lambda f: [cut(f / f"model_000000{n}.pth", 9) for n in (3, 5)], 1),
    "an older one is wanted": (
        lambda f: (f / "last_checkpoint").write_text("model_0000003.pth"),
        3,
    ),
    "an unfinished one": (lambda f: (f / "model_0000007.pth.unfinished").write_bytes(b"PK"), 5),
    "weights of others beside it": (
        lambda f: torch.save({"model": {}}, f / "model_0000009.pth"),
        5,
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_the_newest_whole_checkpoint_is_found(folder, caplog, name):
    damage, expected = DAMAGES[name]
    damage(folder)
    state = newest_checkpoint(folder)
    assert state.iteration == expected
    assert torch.load(state.path)["model"]["weight"][0, 0] == expected
    quiet = name in ("none", "an older one is wanted", "an unfinished one")
    quiet = quiet or name == "weights of others beside it"
    assert bool(caplog.messages) != quiet
    if not quiet:
        assert f"Continuing from {state.path}, the newest" in caplog.messages[-1]


def test_without_any_that_is_whole_nothing_starts_over(folder):
    for path in folder.glob("*.pth"):
        cut(path, 100)
    with pytest.raises(InputError, match=r"but none that is whole: leave out --resume"):
        newest_checkpoint(folder)


def test_weights_without_a_state_are_not_replaced(folder):
    refuse_to_replace_weights(folder)
    for path in folder.glob("*.pth"):
        torch.save({"model": torch.load(path)["model"]}, path)
    assert newest_checkpoint(folder) is None
    with pytest.raises(InputError, match=r"start from them with MODEL.WEIGHTS \S+5.pth and anoth"):
        refuse_to_replace_weights(folder)


def test_an_empty_folder_has_none(tmp_path):
    assert newest_checkpoint(tmp_path) is None
    assert recorded_seed(tmp_path) is None


def test_checkpoints_of_an_earlier_training_are_not_continued(folder, caplog):
    training = begin_training(folder)
    assert "has checkpoints of an earlier training (model_0000001.pth" in caplog.text
    assert newest_checkpoint(folder) is None
    assert "are of an earlier training in this folder" in caplog.text
    assert begin_training(folder, again=True) == training
    save(folder, 1, training)
    assert newest_checkpoint(folder).iteration == 1


def test_a_copied_folder_is_continued(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    assert newest_checkpoint(tmp_path / "copy").iteration == 5


def test_the_seed_is_known_from_checkpoints_or_the_config(folder, tmp_path):
    config = folder / "config.yaml"
    assert recorded_seed(folder) == 7
    for path in folder.glob("*.pth"):  # of Detectron2, or of an earlier version
        content = torch.load(path)
        del content["trainer"]["training"]
        torch.save(content, path)
    (folder / "training.json").unlink()
    config.write_text("SEED: 11\n")
    assert recorded_seed(folder) == 11
    for text in ("", "SEE", "{", "!!python/object/apply:os.getcwd []"):
        config.write_text(text)
        with pytest.raises(InputError, match=r"config.yaml is missing, empty or cut off"):
            recorded_seed(folder)


def stages() -> list:
    """Every stage of a save: bytes of the file that are written, and names that are changed."""
    sizes = [0, 1, 100, 1000, 3000, 4000, 5000, 5500]
    return [*((killed_at_byte, size) for size in sizes), *((killed_after, n) for n in range(1, 12))]


@pytest.mark.parametrize(("kill", "place"), stages())
def test_killing_a_save_at_any_stage_loses_nothing(folder, kill, place):
    training = newest_checkpoint(folder).training
    done = in_fork(lambda: save(folder, 7, training), folder, kill(place))
    assert done.code in (0, -9, -25)
    state = newest_checkpoint(folder)
    is_there = (folder / "model_0000007.pth").is_file()
    assert state.iteration == (7 if is_there else 5)  # also where last_checkpoint says 5
    assert torch.load(state.path)["model"]["weight"][0, 0] == state.iteration
    save(folder, 9, training)
    assert newest_checkpoint(folder).iteration == 9


def test_the_stages_are_those_of_a_save(folder):
    """The last stages kill no more, the first one does, and all places between are met."""
    training = newest_checkpoint(folder).training
    codes = {}
    for kill, place in stages():
        done = in_fork(lambda: save(folder, 7, training), folder, kill(place))
        codes.setdefault(kill, []).append(done.code)
    assert codes[killed_at_byte][0] == -25
    assert codes[killed_after][0] == -9
    assert codes[killed_after][-1] == 0


def test_what_is_not_finite_is_not_saved(folder):
    training = newest_checkpoint(folder).training
    before = sorted(os.listdir(folder))
    with pytest.raises(InputError, match=r"The training diverged: model_0000007.pth is not saved"):
        save(folder, 7, training, value=float("nan"))
    assert sorted(os.listdir(folder)) == before
