"""Backbones of torchvision in ONNX graphs; docs/TRAIN.md has a table of what can be exported."""

import re

import pytest
import torch

from boxmask_vid.apps.export.formats import FORMATS
from boxmask_vid.apps.export.graphs import build_graphs
from boxmask_vid.errors import InputError
from boxmask_vid.modeling import TorchvisionBackbone
from support.backbones import FAMILIES, LARGE, OTHERS, options, with_statistics
from support.paths import PROJECT
from support.small import image, small_cfg, small_model

MODELS = [*FAMILIES, *OTHERS]
# of another size than the traced one, one smaller than a window of a Transformer
SIZES = (64, 96), (75, 109), (200, 240), (20, 18)
TABLE = re.findall(
    r"^\| [^|]+ \| ([^|]+) \| ([^|]+) \| (yes|no)[^|]* \| (yes|no)[^|]* \|$",
    (PROJECT / "docs/TRAIN.md").read_text(),
    re.MULTILINE,
)
ROWS = {name: row for row in TABLE for name in re.findall(r"`(\w+)`", row[0])}


def test_the_table_has_every_family():
    assert set(MODELS) <= set(ROWS)


@pytest.mark.parametrize("name", [name for name in MODELS if name not in LARGE])
def test_the_table_says_where_a_model_is_cut_and_what_can_be_dilated(name: str):
    _, node, dilated, _ = ROWS[name]
    found = TorchvisionBackbone(name=name)._output.name
    assert found == node.strip("` ") or "`" not in node
    if dilated == "no":
        with pytest.raises(InputError, match="cannot be dilated"):
            TorchvisionBackbone(name=name, dilated=True)
    else:
        TorchvisionBackbone(name=name, dilated=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_onnx(name: str):
    """The map of a frame, of which random weights make detections of almost equal scores."""
    model = with_statistics(small_model("troi", *options(name))).eval()
    cfg = small_cfg("troi", *options(name))
    if ROWS[name][3] == "no":
        with pytest.raises(InputError, match=f"NAME is {name}: Swin Transformers are not exported"):
            build_graphs(cfg, model)
        return
    encode, _ = build_graphs(cfg, model)
    onnx = FORMATS["onnx"]
    run = onnx.load(onnx.save(encode))
    for height, width in SIZES:
        picture = image(height, width)
        with torch.no_grad():
            tensor = model.preprocess_image([{"image": picture}]).tensor
            expected = model.backbone(tensor)["c5"][:, :, : -(-height // 16), : -(-width // 16)]
        found = run([picture])[-1]
        scale = expected.abs().max()
        torch.testing.assert_close(found / scale, expected / scale, rtol=0, atol=1e-4)
