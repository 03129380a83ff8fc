"""Weights by name: the table, and what arrives from a server on this machine.

No file of the real hosts is used; the files here have mmtracking's names of tensors.
"""

import multiprocessing
import os
import re
from pathlib import Path

import pytest
import torch
import torchvision
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.engine import DefaultPredictor
from detectron2.modeling import build_model
from detectron2.utils import comm
from detectron2.utils.file_io import PathManager

from boxmask_vid import model_zoo
from boxmask_vid.checkpoint import VIDCheckpointer, convert_mmtracking, fetch_once, zoo
from boxmask_vid.checkpoint.download import digits_of
from boxmask_vid.checkpoint.zoo import CHECKPOINTS, Weights, local_file
from boxmask_vid.engine.processes import run_in_processes
from boxmask_vid.errors import InputError
from support.pages import pages, text_of
from support.published_files import NAME, assert_converted, fetch, names_in, published, theirs
from support.small import image
from support.tiny_models import tiny_cfg, tiny_config, untrained


def test_the_pages_show_the_table():
    """Rows of published files on any page are those of the table, once each."""
    row = re.compile(r"^\| *`(\w+)\.yaml` *\| *\[([^]]+)\]\(([^)]+)\) *\|(.*)\|$", re.MULTILINE)
    shown = [match.groups() for page in pages() for match in row.finditer(text_of(page))]
    expected = [
        (weights.name, weights.file_name, weights.url, str(weights.ap50))
        for weights in CHECKPOINTS.values()
    ]
    assert sorted((*fields, ap50.strip()) for *fields, ap50 in shown) == sorted(expected)


def test_the_front_page_shows_the_published_ap50():
    table = re.findall(
        r"^\| `(selsa\w*)_\*_DC5_7e\.yaml` \|([^\n]+)$", text_of(Path("README.md")), re.M
    )
    assert [name for name, _ in table] == ["selsa", "selsa_troi"]
    for name, row in table:
        for column, backbone in enumerate(("R_50", "R_101", "X_101_64x4d")):
            published_ap50 = CHECKPOINTS[f"{name}_{backbone}_DC5_7e"].ap50
            assert float(row.split("|")[column]) == published_ap50


@pytest.mark.parametrize("weights", CHECKPOINTS.values(), ids=lambda weights: weights.name)
def test_each_entry_is_complete(weights):
    assert re.fullmatch(r"[0-9a-f]{8,}", weights.digits)
    assert weights.url.startswith(f"{zoo.HOST}/")
    assert weights.config == f"ImageNetVID/{weights.name}.yaml"
    assert zoo.find_checkpoint(weights.name.removesuffix("_DC5_7e")) is weights


def test_unknown_names():
    with pytest.raises(InputError, match=r"'selsa_trio_R_50'.*did you mean selsa_troi_R_50_DC5_7e"):
        local_file("boxmask_vid://selsa_trio_R_50")
    with pytest.raises(InputError, match=r"'mega'.*use one of selsa_R_50_DC5_7e, selsa_R_101.*\.$"):
        local_file("boxmask_vid://mega")
    with pytest.raises(InputError, match=r"'resnet5'.*did you mean resnet50"):
        local_file("torchvision://resnet5")
    with pytest.raises(InputError, match=r"no weights 'IMAGENET1K_V3' of resnet50: did you mean I"):
        local_file("torchvision://resnet50?weights=IMAGENET1K_V3")


def test_download_conversion_and_use_without_a_network(server, cache, file_name, capsys):
    path = PathManager.get_local_path(NAME)
    assert_converted(path)
    assert "100%" in capsys.readouterr().err
    assert names_in(cache) == [Path(path).name]
    server.files.clear()  # as good as no network
    assert PathManager.get_local_path(f"{NAME}_DC5_7e") == path
    with PathManager.open(NAME, "rb") as file:
        assert_converted(file)
    assert server.requests == [(file_name, "")]


def test_the_published_address_is_used_without_a_mirror(server, selsa_file, monkeypatch):
    monkeypatch.delenv("BOXMASK_VID_ZOO")
    weights = published("selsa", server.address)[0]
    monkeypatch.setitem(CHECKPOINTS, weights.name, weights)
    assert_converted(local_file(NAME))
    assert len(server.requests) == 1


def test_a_folder_of_downloaded_files(server, selsa_file, cache, tmp_path, monkeypatch):
    weights, content = selsa_file
    monkeypatch.setenv("BOXMASK_VID_ZOO", str(tmp_path))
    path = tmp_path / weights.file_name
    with pytest.raises(InputError, match=rf"{path} not found .* download it from {weights.url}"):
        local_file(NAME)
    path.write_bytes(content[:-1])
    with pytest.raises(InputError, match=rf"{path} begins with \w{{8}}, .* {weights.digits}: "):
        local_file(NAME)
    path.write_bytes(content)
    assert_converted(local_file(NAME))
    assert path.read_bytes() == content
    assert not server.requests
    assert len(names_in(cache)) == 1


@pytest.mark.needs_shared
@pytest.mark.parametrize("kind", ["selsa", "troi", "boxmask"])
def test_files_of_mmtracking(kind, shared, cache, tmp_path, monkeypatch):
    original = shared / f"parity/e2e/{kind}_tiny.pth"
    file_name = f"{kind}-{digits_of(original, 8)}.pth"
    (tmp_path / file_name).symlink_to(original)
    weights = Weights(f"{kind}_tiny", f"http://nowhere.invalid/{file_name}", tiny_config(kind))
    monkeypatch.setitem(CHECKPOINTS, weights.name, weights)
    monkeypatch.setenv("BOXMASK_VID_ZOO", str(tmp_path))
    VIDCheckpointer(untrained(kind), require_all=True).load(f"boxmask_vid://{kind}_tiny")


def test_models_load_them(server, monkeypatch):
    expected = convert_mmtracking(theirs("selsa"))["roi_heads.box_head.fc1.weight"]
    model = untrained("selsa")
    VIDCheckpointer(model, require_all=True).load(NAME)
    assert torch.equal(model.roi_heads.box_head.fc1.weight, expected)
    predictor = DefaultPredictor(tiny_cfg("selsa", "MODEL.WEIGHTS", NAME))  # of Detectron2
    assert torch.equal(predictor.model.roi_heads.box_head.fc1.weight, expected)
    assert "instances" in predictor(image().permute(1, 2, 0).numpy())


@pytest.mark.slow
def test_backbones_of_torchvision(tmp_path, cache, monkeypatch):
    original = torchvision.models.resnet50()
    torch.save(original.state_dict(), tmp_path / "new.pth")
    digits = digits_of(tmp_path / "new.pth", 8)
    (tmp_path / "new.pth").rename(tmp_path / f"resnet50-{digits}.pth")
    versions = torchvision.models.ResNet50_Weights
    for version in (versions.IMAGENET1K_V1, versions.IMAGENET1K_V2):
        address = f"https://nowhere.invalid/{version.name}/resnet50-{digits}.pth"
        monkeypatch.setattr(version.value, "url", address)
    monkeypatch.setenv("BOXMASK_VID_ZOO", str(tmp_path))
    first = local_file("torchvision://resnet50")
    assert local_file("torchvision://resnet50?weights=IMAGENET1K_V1") == first
    second = local_file("torchvision://resnet50/IMAGENET1K_V2")
    assert second != first
    cfg = model_zoo.get_config("boxmask_selsa_troi_R_50")
    cfg.MODEL.DEVICE = "cpu"
    for checkpointer in (VIDCheckpointer, DetectionCheckpointer):
        model = build_model(cfg)
        checkpointer(model).load("torchvision://resnet50/IMAGENET1K_V2", checkpointables=[])
        assert torch.equal(model.backbone.bottom_up.stem.conv1.weight, original.conv1.weight)
    VIDCheckpointer(model).load("torchvision://resnet50?weights=IMAGENET1K_V2", checkpointables=[])
    with pytest.raises(InputError, match="does not fit the model: it lacks"):
        VIDCheckpointer(model, require_all=True).load("torchvision://resnet50")


def test_backbones_have_digits_in_their_names_and_start_as_the_published_ones():
    names = torchvision.models.list_models(module=torchvision.models)
    assert len(names) > 70
    for model in names:
        versions = list(torchvision.models.get_model_weights(model).__members__)
        first = "IMAGENET1K_V1" if "IMAGENET1K_V1" in versions else versions[0]
        assert zoo.find_backbone(model).name == f"torchvision_{model}-{first}"
        for version in versions:
            weights = zoo.find_backbone(f"{model}?weights={version}")
            assert re.fullmatch(r"[0-9a-f]{8,}", weights.digits)


@pytest.mark.slow
def test_two_processes_at_once_download_once(server, selsa_file):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        first, second = pool.map(fetch, [selsa_file[0]] * 2, chunksize=1)
    assert first == second
    assert_converted(first)
    assert len(server.requests) == 1


def fetch_on_each_rank(weights: Weights, elsewhere: str, results: str) -> None:
    CHECKPOINTS[weights.name] = weights
    if not comm.is_main_process():
        os.environ["BOXMASK_VID_ZOO"] = elsewhere  # does not have the file
    try:
        fetch_once(f"boxmask_vid://{weights.name}")
        result = str(local_file(f"boxmask_vid://{weights.name}"))
    except InputError as error:
        result = f"error: {error}"
    Path(results, str(comm.get_rank())).write_text(result)


@pytest.mark.slow
def test_the_first_rank_downloads(server, selsa_file, tmp_path):
    arguments = (selsa_file[0], str(tmp_path), str(tmp_path))
    files, server.files = server.files, {}
    run_in_processes(fetch_on_each_rank, arguments, num_gpus=2)
    first, second = ((tmp_path / name).read_text() for name in "01")
    assert first == second
    assert first.startswith("error: ")
    assert "404" in first
    server.files = files
    run_in_processes(fetch_on_each_rank, arguments, num_gpus=2)
    first, second = ((tmp_path / name).read_text() for name in "01")
    assert first == second
    assert_converted(first)
    assert len(server.requests) == 2
