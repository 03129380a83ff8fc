"""Weights of torchvision by name, from a server on this machine, and the models that take them."""

import hashlib
import io

import pytest
import torch
import torchvision
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.modeling import build_model

from boxmask_vid.checkpoint import VIDCheckpointer, convert_checkpoint
from boxmask_vid.checkpoint.torchvision import BODY, convert_torchvision
from boxmask_vid.errors import InputError
from support.backbones import options
from support.published_files import serving
from support.small import small_cfg, small_model


def content(name: str) -> bytes:
    """A file of random weights of a model, as torchvision publishes them."""
    torch.manual_seed(1)
    file = io.BytesIO()
    torch.save(torchvision.models.get_model(name, weights=None).state_dict(), file)
    return file.getvalue()


@pytest.fixture
def publish(cache, monkeypatch):
    """A function that puts files of models on a server, under the names that they would have."""
    with serving({}) as server:
        monkeypatch.setenv("BOXMASK_VID_ZOO", server.address)

        def add(name: str) -> bytes:
            file = content(name)
            digits = hashlib.sha256(file).hexdigest()[:8]
            version = torchvision.models.get_model_weights(name).IMAGENET1K_V1
            url = f"https://nowhere.invalid/{name}-{digits}.pth"
            monkeypatch.setattr(version.value, "url", url)
            server.files[f"{name}-{digits}.pth"] = file
            return file

        yield add


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "resnet18", "regnet_y_400mf"])
def test_a_training_starts_from_them(name: str, publish, caplog):
    expected = torch.load(io.BytesIO(publish(name)))
    model = small_model("selsa", *options(name))
    VIDCheckpointer(model).load(f"torchvision://{name}", checkpointables=[])
    body = model.backbone.bottom_up.body.state_dict()
    assert len(body) > 20
    assert all(torch.equal(tensor, expected[key]) for key, tensor in body.items())
    assert "not used by the model" not in caplog.text  # the classifier
    other = small_model("selsa", *options(name, "MODEL.BACKBONE.FREEZE_AT", 2))
    DetectionCheckpointer(other).load(f"torchvision://{name}/IMAGENET1K_V1", checkpointables=[])
    assert all(
        torch.equal(t, expected[n]) for n, t in other.backbone.bottom_up.body.state_dict().items()
    )


def test_weights_of_another_model(publish):
    """Those of a larger model of the family have all names and shapes of a smaller one."""
    publish("mobilenet_v3_large")
    model = small_model("selsa", *options("mobilenet_v3_small"))
    sentence = "mobilenet_v3_large does not fit the backbone mobilenet_v3_small: change MODEL.WEI"
    with pytest.raises(InputError, match=sentence):
        VIDCheckpointer(model).load("torchvision://mobilenet_v3_large", checkpointables=[])
    with pytest.raises(InputError, match=r"not even its backbone\): it lacks"):
        VIDCheckpointer(small_model("selsa")).load(
            "torchvision://mobilenet_v3_large", checkpointables=[]
        )


def test_a_file_that_was_downloaded_by_hand(tmp_path):
    name = "mobilenet_v3_small"
    model = build_model(small_cfg("selsa", *options(name)))
    (tmp_path / "in.pth").write_bytes(content(name))
    count = convert_checkpoint(tmp_path / "in.pth", tmp_path / "out.pth", model)
    VIDCheckpointer(model).load(str(tmp_path / "out.pth"), checkpointables=[])
    expected = torch.load(io.BytesIO(content(name)))
    assert count == len(expected)
    assert torch.equal(
        model.backbone.bottom_up.body.state_dict()["features.0.0.weight"],
        expected["features.0.0.weight"],
    )
    (tmp_path / "in.pth").write_bytes(content("mobilenet_v3_large"))
    with pytest.raises(InputError, match=f"torchvision's {name} lacks .* of another shape are"):
        convert_checkpoint(tmp_path / "in.pth", tmp_path / "out.pth", model)


def test_older_names_and_files_without_counts():
    name = "densenet121"
    state = torchvision.models.get_model(name, weights=None).state_dict()
    old = {
        key.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): tensor
        for key, tensor in state.items()
        if not key.endswith("num_batches_tracked")
    }
    converted = convert_torchvision(old, name)
    assert converted.keys() == {f"{BODY}{key}" for key in state}


def test_a_file_without_a_tensor():
    state = torchvision.models.get_model("resnet18", weights=None).state_dict()
    del state["layer2.0.conv1.weight"]
    with pytest.raises(InputError, match=r"it lacks 1 tensor: layer2\.0\.conv1\.weight"):
        convert_torchvision(state, "resnet18")
