"""Conversion by the names and shapes of full-size checkpoints."""

import json
import pickle
import subprocess
import sys
import warnings

import pytest
import torch
import torchvision
from detectron2.modeling import build_model

from boxmask_vid.checkpoint import VIDCheckpointer, convert_checkpoint, convert_mmtracking
from boxmask_vid.engine import build_cfg
from boxmask_vid.errors import InputError
from support.paths import CONFIGS, PROJECT, REPOSITORY
from support.small import small_model

KEYS = json.loads((REPOSITORY / "tests/data/parity/state_dict_keys.json").read_text())
MODEL_OF = {
    "selsa": "selsa_R_50_DC5_7e",
    "selsa_r101": "selsa_R_101_DC5_7e",
    "troi": "selsa_troi_R_50_DC5_7e",
    "troi_r101": "selsa_troi_R_101_DC5_7e",
    "troi_x101": "selsa_troi_X_101_64x4d_DC5_7e",
    "boxmask": "boxmask_selsa_troi_R_50_DC5_7e",
}
BODY = "backbone.bottom_up."


def full_size(name: str) -> torch.nn.Module:
    path = CONFIGS / f"ImageNetVID/{name}.yaml"
    return build_model(build_cfg(str(path), ["MODEL.DEVICE", "cpu"]))


def shapes(state_dict: dict) -> dict:
    return {name: tuple(tensor.shape) for name, tensor in state_dict.items()}


@pytest.mark.parametrize("name", MODEL_OF)
def test_every_tensor_of_a_published_architecture_is_converted(name):
    theirs = {key: torch.empty(shape, device="meta") for key, shape in KEYS[name]["keys"].items()}
    ours = convert_mmtracking(theirs)
    assert shapes(ours) == shapes(full_size(MODEL_OF[name]).state_dict())


@pytest.mark.parametrize(
    ("backbone", "name"),
    [
        ("resnet50", "selsa_R_50_DC5_7e"),
        pytest.param("resnet101", "selsa_R_101_DC5_7e", marks=pytest.mark.slow),
        pytest.param("resnext101_64x4d", "selsa_X_101_64x4d_DC5_7e", marks=pytest.mark.slow),
    ],
)
def test_backbones_of_torchvision_fit_and_compute_the_same(backbone, name, tmp_path):
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, backbone)(
        weights=None, replace_stride_with_dilation=[False, False, True]
    )
    for module in theirs.modules():  # statistics that are not those of a new layer
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1)
    torch.save(theirs.state_dict(), tmp_path / "in.pth")
    model = full_size(name)
    count = convert_checkpoint(tmp_path / "in.pth", tmp_path / "out.pth", model)
    assert count == sum(key.startswith(BODY) for key in model.state_dict())
    VIDCheckpointer(model).load(str(tmp_path / "out.pth"), checkpointables=[])
    image = torch.randn(1, 3, 64, 96)
    body = torch.nn.Sequential(*list(theirs.children())[:-2])
    with torch.no_grad():
        # torchvision dilates from the second block of a stage on, the papers' backbone in all
        theirs.eval().layer4[0].conv2.dilation = theirs.layer4[0].conv2.padding = (2, 2)
        ours = model.eval().backbone.bottom_up(image)["res5"]
        torch.testing.assert_close(ours, body(image), rtol=1e-4, atol=1e-4)


def test_channels_of_anchors_are_reordered():
    ratios, sizes = 3, 4
    by_ratio = torch.arange(ratios * sizes)
    ours = convert_mmtracking(
        {
            "detector.rpn_head.rpn_cls.bias": by_ratio,
            "detector.rpn_head.rpn_reg.bias": (by_ratio[:, None] * 10 + torch.arange(4)).flatten(),
        }
    )
    by_size = [ratio * sizes + size for size in range(sizes) for ratio in range(ratios)]
    head = "proposal_generator.rpn_head."
    assert ours[f"{head}objectness_logits.bias"].tolist() == by_size
    deltas = ours[f"{head}anchor_deltas.bias"].view(-1, 4)
    assert deltas.tolist() == [[anchor * 10 + i for i in range(4)] for anchor in by_size]


def test_batches_that_were_not_counted():
    old = {key: torch.zeros(2) for key in ("bn1.running_mean", "bn1.running_var", "bn1.weight")}
    assert f"{BODY}stem.conv1.norm.num_batches_tracked" in convert_mmtracking(old)


def write(tmp_path, **changes: torch.Tensor | None):
    """A checkpoint in their names that fits a model here, with changes."""
    name = "selsa"
    theirs = {key: torch.zeros(shape) for key, shape in KEYS[name]["keys"].items()}
    for key, value in changes.items():
        theirs.pop(key) if value is None else theirs.__setitem__(key, value)
    path = tmp_path / "in.pth"
    torch.save({"meta": {"epoch": 7}, "state_dict": theirs}, path)
    return path


@pytest.fixture(scope="module")
def selsa():
    return full_size("selsa_R_50_DC5_7e")


def test_a_converted_checkpoint_is_not_converted_again(selsa, tmp_path):
    torch.save({"model": selsa.state_dict()}, tmp_path / "ours.pth")
    with pytest.raises(InputError) as error:
        convert_checkpoint(tmp_path / "ours.pth", tmp_path / "out.pth", selsa)
    assert str(error.value) == (
        f"Checkpoint {tmp_path / 'ours.pth'} cannot be converted: it is already in this "
        "project's names: use it as MODEL.WEIGHTS."
    )
    assert not (tmp_path / "out.pth").exists()


def test_a_message_has_a_few_of_many_names():
    unknown = {f"layer.{index}": torch.zeros(1) for index in range(360)}
    with pytest.raises(InputError, match=r"no counterpart of 360 tensors: (layer\.\d, ){5}"):
        convert_mmtracking(unknown)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"detector.motion.flow.weight": torch.zeros(1)},
            r"cannot be converted: .* no counterpart of 1 tensor: detector\.motion\.flow\.weight",
        ),
        (
            {"detector.neck.convs.0.conv.bias": None},
            r"it lacks 1 tensor: backbone\.channel_mapper\.bias",
        ),
        (
            {"detector.roi_head.bbox_head.shared_fcs.2.bias": torch.zeros(1024)},
            r"the model lacks 1 tensor: roi_heads\.box_head\.fc3\.bias",
        ),
        (
            {"detector.neck.convs.0.conv.bias": torch.zeros(256)},
            r"of another shape are 1 tensor: .*bias \(checkpoint \(256,\), model \(512,\)\)",
        ),
    ],
)
def test_what_does_not_fit_is_listed_and_nothing_is_written(selsa, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        convert_checkpoint(write(tmp_path, **changes), tmp_path / "out.pth", selsa)
    assert not (tmp_path / "out.pth").exists()


class Trap:
    """Would run a command when it is unpickled."""

    def __reduce__(self):
        return (print, ("this must not be executed",))


def test_untrusted_files_are_not_executed(tmp_path, capsys):
    path = tmp_path / "in.pth"
    torch.save({"state_dict": {"x": torch.zeros(1)}, "trap": Trap()}, path)
    with pytest.raises(InputError, match="which would have to be executed"):
        convert_checkpoint(path, tmp_path / "out.pth", small_model("selsa"))
    assert "must not be executed" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no checkpoint", "is not a file of weights"),
        (pickle.dumps({"a": 1}), "not tensors"),
    ],
)
def test_files_that_are_no_checkpoints(tmp_path, content, message):
    path = tmp_path / "in.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        convert_checkpoint(path, tmp_path / "out.pth", small_model("selsa"))
    with pytest.raises(FileNotFoundError, match=r"Checkpoint \S+ not found"):
        convert_checkpoint(tmp_path / "none.pth", tmp_path / "out.pth", small_model("selsa"))


@pytest.mark.slow
@pytest.mark.needs_shared
@pytest.mark.parametrize("name", ["selsa", "troi", "boxmask"])
def test_the_command_and_a_load_without_a_warning(shared, name, tmp_path, caplog):
    config = REPOSITORY / f"tests/data/parity/{name}_tiny.yaml"
    source, target = shared / f"parity/e2e/{name}_tiny.pth", tmp_path / "out.pth"
    command = [sys.executable, "-W", "ignore", PROJECT / "tools/convert_checkpoint.py"]
    done = subprocess.run(
        [*command, source, target, "--config-file", config],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{target}: " in done.stdout
    model = build_model(build_cfg(str(config)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        VIDCheckpointer(model, require_all=True).load(str(target))
    assert not [record for record in caplog.records if record.levelname != "INFO"]
    wrong = REPOSITORY / "tests/data/parity/selsa_tiny.yaml"
    if name != "selsa":
        refused = subprocess.run(
            [*command, source, tmp_path / "no.pth", "--config-file", wrong],
            capture_output=True,
            text=True,
            check=False,
        )
        assert refused.returncode == 1
        assert "the model lacks" in refused.stderr.splitlines()[-1]
