import resource

import pytest
import torch

from boxmask_vid.checkpoint import VIDCheckpointer
from boxmask_vid.errors import InputError
from support.small import small_model


def save(model, folder, name: str = "weights") -> str:
    VIDCheckpointer(model, str(folder)).save(name)
    return str(folder / f"{name}.pth")


def test_what_is_saved_is_loaded_and_nothing_unfinished_stays(tmp_path):
    model = small_model("boxmask")
    path = save(model, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["last_checkpoint", "weights.pth"]
    assert (tmp_path / "last_checkpoint").read_text() == "weights.pth"
    other = small_model("boxmask")
    torch.nn.init.zeros_(other.roi_heads.box_predictor.cls_score.weight)
    VIDCheckpointer(other, require_all=True).load(path)
    for (name, a), b in zip(model.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_an_interrupted_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = save(small_model("selsa"), tmp_path)
    before = torch.load(path)

    def fail(data: object, file) -> None:
        file.write(b"half a file")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(KeyboardInterrupt):
        save(small_model("selsa"), tmp_path)
    monkeypatch.undo()
    assert torch.load(path).keys() == before.keys()
    assert (tmp_path / "last_checkpoint").read_text() == "weights.pth"


def test_evaluation_needs_every_layer(tmp_path):
    path = save(small_model("selsa"), tmp_path)
    with pytest.raises(InputError, match=r"does not fit the model: it lacks") as error:
        VIDCheckpointer(small_model("boxmask"), require_all=True).load(path)
    assert "roi_heads.temporal_roi_align.embed.weight" in str(error.value)
    assert "roi_heads.mask_head.mask_fcn1.weight" in str(error.value)
    assert path in str(error.value)


def test_wrong_shapes_are_listed(tmp_path):
    path = save(small_model("selsa"), tmp_path)
    wide = small_model("selsa", "MODEL.ROI_BOX_HEAD.FC_DIM", 24)
    with pytest.raises(
        InputError, match=r"fc1.weight \(checkpoint \(16, 784\), model \(24, 784\)\)"
    ):
        VIDCheckpointer(wide, require_all=True).load(path)


def test_training_starts_from_a_backbone_but_not_from_noise(tmp_path):
    selsa = small_model("selsa")
    path = save(selsa, tmp_path)
    model = small_model("boxmask")
    VIDCheckpointer(model).load(path, checkpointables=[])  # heads may be new
    assert torch.equal(model.backbone.channel_mapper.weight, selsa.backbone.channel_mapper.weight)
    foreign = tmp_path / "foreign.pth"
    torch.save({"model": {"layer1.weight": torch.zeros(3)}}, foreign)
    with pytest.raises(
        InputError, match=r"does not fit the model \(not even its backbone\)"
    ) as error:
        VIDCheckpointer(model).load(str(foreign), checkpointables=[])
    assert "backbone.bottom_up.stem.conv1.weight" in str(error.value)


def test_no_such_file():
    with pytest.raises(FileNotFoundError, match=r"Checkpoint nowhere.pth not found"):
        VIDCheckpointer(small_model("selsa")).load("nowhere.pth")


def test_a_full_disk_is_one_sentence(tmp_path):
    model = small_model("selsa")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, before[1]))
    try:
        with pytest.raises(InputError, match=r"weights.pth cannot be written \(File too large\)"):
            save(model, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "opts", "sentence"),
    [
        ("troi", (), r"the model lacks .*which had MODEL\.VID\.TROI\.ENABLED True\."),
        ("faster_rcnn", (), r"it lacks .*which had MODEL\.ROI_BOX_HEAD\.NAME FastRCNNConvFCHead\."),
        (
            "selsa",
            ("MODEL.ROI_BOX_HEAD.NUM_FC", 3, "MODEL.ROI_HEADS.NUM_CLASSES", 7),
            r"MODEL\.ROI_BOX_HEAD\.NUM_FC 3, MODEL\.ROI_HEADS\.NUM_CLASSES 7\.",
        ),
    ],
)
def test_weights_of_another_head_say_of_which(tmp_path, kind, opts, sentence):
    path = save(small_model(kind, *opts), tmp_path)
    with pytest.raises(InputError, match=sentence):
        VIDCheckpointer(small_model("selsa"), require_all=True).load(path)


def test_the_mask_head_is_not_needed_at_evaluation(tmp_path):
    path = save(small_model("boxmask_selsa"), tmp_path)
    VIDCheckpointer(small_model("selsa"), require_all=True).load(path)
    with pytest.raises(InputError, match=r"which had MODEL\.BOXMASK\.ENABLED True"):
        VIDCheckpointer(small_model("selsa")).load(path)  # to resume a training


NAMES = {
    "under state_dict": ({"state_dict": {"x": torch.zeros(1)}, "meta": {}}, r"under 'state_dict'"),
    "of mmtracking": (
        {"model": {"detector.neck.convs.0.conv.weight": torch.zeros(3)}},
        r"the names of mmtracking or torchvision",
    ),
    "of torchvision": ({"layer1.0.conv1.weight": torch.zeros(3)}, r"of mmtracking or torchvision"),
    "of another project": (
        {"model": {"transformer.encoder.weight": torch.zeros(3)}},
        r"Its 1 tensors \(transformer\.encoder\.weight\) have names of another project",
    ),
    "not tensors": ({"model": {"a": torch.zeros(1), "epoch": 3}}, r"in place of tensors: epoch"),
}


@pytest.mark.parametrize("name", NAMES)
def test_weights_in_the_names_of_others_name_the_converter(tmp_path, name):
    content, sentence = NAMES[name]
    path = tmp_path / "other.pth"
    torch.save(content, path)
    for checkpointables in (None, []):
        checkpointer = VIDCheckpointer(small_model("selsa"))
        with pytest.raises(InputError, match=sentence) as error:
            checkpointer.load(str(path), checkpointables)
        assert "tools/convert_checkpoint.py" in str(error.value)


def test_an_address_that_cannot_be_fetched_is_named():
    checkpointer = VIDCheckpointer(small_model("selsa"))
    with pytest.raises(
        InputError, match=r"Checkpoint http://127\.0\.0\.1:9/a\.pth cannot be fetched"
    ):
        checkpointer.load("http://127.0.0.1:9/a.pth")
