"""Files of weights as people have them: nothing in them is executed, and damage has a name."""

import pickle
from contextlib import suppress

import numpy as np
import pytest
import torch

from boxmask_vid.checkpoint import VIDCheckpointer
from boxmask_vid.checkpoint.reading import read_weights
from boxmask_vid.errors import InputError
from support.small import small_model
from support.traps import PROTOCOLS, Trap, write_traps

ENDINGS = (".pth", ".pt", ".pkl", ".pyth", ".bin", ".ckpt", ".PKL", "")


@pytest.fixture(scope="module")
def model():
    return small_model("selsa")


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_executed_whatever_the_ending(tmp_path, model, ending):
    sprung = tmp_path / "sprung"
    for path in write_traps(tmp_path, ending, sprung):
        with pytest.raises(InputError, match="would have to be executed"):
            VIDCheckpointer(model, require_all=True).load(str(path))
        assert not sprung.exists()
    pickle.loads(pickle.dumps(Trap(sprung)))
    assert sprung.exists()  # the trap is one


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_pickles_of_arrays_are_read(tmp_path, protocol):
    arrays = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "order": np.asfortranarray(np.ones((2, 3))),
        "none": np.zeros((0, 4), np.int64),
        "scalar": np.float64(3),
    }
    path = tmp_path / "weights.pkl"
    path.write_bytes(pickle.dumps({"model": arrays, "__author__": "me"}, protocol=protocol))
    content = read_weights(path)
    assert content["__author__"] == "me"
    for name, array in arrays.items():
        assert np.array_equal(content["model"][name], array)


def test_pickles_of_python_2_are_read(tmp_path):
    """As those of Detectron2's model zoo: bytes of an array are a string."""
    array = np.array([1.5, -300], np.float32)
    dtype = (
        b"cnumpy\ndtype\n(U\x02f4K\x00K\x01tR(K\x03U\x01<NNN"
        + 2 * b"J\xff\xff\xff\xff"
        + b"K\x00tb"
    )
    path = tmp_path / "weights.pkl"
    path.write_bytes(
        b"\x80\x02}U\x01ccnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
        b"(K\x01K\x02\x85" + dtype + b"\x89U\x08" + array.tobytes() + b"tbs."
    )
    assert np.array_equal(read_weights(path)["c"], array)


def test_weights_in_files_of_detectron2_and_caffe2_are_loaded(tmp_path, model):
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    files = {
        "detectron2.pkl": {"model": weights, "__author__": "Detectron2"},
        "detectron2.pth": {"model": model.state_dict()},
        "plain.pth": model.state_dict(),
    }
    for name, content in files.items():
        path = tmp_path / name
        if path.suffix == ".pkl":
            path.write_bytes(pickle.dumps(content, protocol=2))
        else:
            torch.save(content, path)
        other = small_model("selsa")
        torch.nn.init.zeros_(other.backbone.channel_mapper.weight)
        VIDCheckpointer(other, require_all=True).load(str(path))
        assert torch.equal(
            other.backbone.channel_mapper.weight, model.backbone.channel_mapper.weight
        )


PAGE = b"\n<!DOCTYPE html><html><body>Sign in</body></html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (bytes(5000), "has zeros in place of the weights"),
        (PAGE, "is a web page"),
        (POINTER, "is a pointer of git-lfs .*: run 'git lfs pull'"),
        (b"hello", "is not a file of weights"),
        (b"\x80\x04K\x01", "is cut off after 4 bytes"),
    ],
)
@pytest.mark.parametrize("ending", [".pth", ".pkl"])
def test_what_is_no_checkpoint_says_which(tmp_path, model, ending, content, sentence):
    path = tmp_path / f"weights{ending}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=sentence) as error:
        VIDCheckpointer(model).load(str(path))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_cut_off_anywhere_says_so(tmp_path):
    content = {"model": {"a": torch.randn(20, 20)}, "iteration": 3}
    whole, part = tmp_path / "whole", tmp_path / "part.pth"
    array = {"model": {"a": np.ones((20, 20))}, "__author__": "me"}
    torch.save(content, whole)
    files = [whole.read_bytes()]
    torch.save(content, whole, _use_new_zipfile_serialization=False)
    files += [whole.read_bytes(), *(pickle.dumps(array, protocol=p) for p in (2, 4))]
    for data in files:
        for size in [*range(4, 40), *range(40, len(data) - 3, 97), len(data) - 3]:
            part.write_bytes(data[:size])
            with pytest.raises(InputError, match=f"is cut off after {size} bytes|is damaged"):
                read_weights(part)


def test_a_changed_byte_never_gives_a_traceback(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"model": {"a": torch.randn(3, 3)}}, path)
    data = path.read_bytes()
    generator = np.random.default_rng(0)
    for place in generator.integers(0, len(data), 300):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        with suppress(InputError):
            read_weights(path)
