"""MODEL.VID.TEST.PRECISION: the network in half precision, boxes and softmax in float32."""

import pytest
import torch

from boxmask_vid.errors import InputError
from boxmask_vid.precision import HALVES, check_precision, supports_precision
from support.backbones import options
from support.small import frame, small_model

# of the largest box feature; random weights amplify differences
BOUNDS = {"bfloat16": 1e-1, "float16": 2e-2}


def box_features(model: torch.nn.Module) -> tuple[torch.Tensor, list]:
    """Box features of two frames with references, and the detections."""
    kept, found = [], []
    model.roi_heads.box_predictor.register_forward_pre_hook(lambda _, args: kept.append(args[0]))
    with torch.no_grad():
        for index in range(2):
            sample = frame(index, references=3 if index == 0 else None)
            found += [output["instances"] for output in model.eval()([sample])]
    return torch.cat(kept), found


@pytest.mark.parametrize("accelerated", [True, False])
@pytest.mark.parametrize("backbone", [(), options("mobilenet_v3_small"), options("swin_t")])
@pytest.mark.parametrize("kind", ["faster_rcnn", "boxmask"])
@pytest.mark.parametrize("precision", HALVES)
def test_half_precision(precision: str, kind: str, backbone: list, accelerated: bool):
    opts = (*backbone, "MODEL.VID.ACCELERATE", accelerated, "MODEL.RPN.POST_NMS_TOPK_TEST", 200)
    half = ("MODEL.VID.TEST.PRECISION", precision)
    if not supports_precision(precision, "cpu"):
        with pytest.raises(InputError, match=f"PRECISION is '{precision}', in which this machine"):
            small_model(kind, *opts, *half)
        return
    model = small_model(kind, *opts, *half)
    found, detections = box_features(model)
    assert found.dtype == getattr(torch, precision)
    for instances in detections:
        assert instances.pred_boxes.tensor.dtype == instances.scores.dtype == torch.float32
        assert instances.pred_boxes.tensor.isfinite().all()
    assert {p.dtype for p in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("precision", HALVES)
def test_the_map_differs_by_the_precision(precision: str):
    if not supports_precision(precision, "cpu"):
        return  # test_half_precision has the error
    model = small_model("boxmask", "MODEL.VID.TEST.PRECISION", precision).eval()
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        full = model.backbone(image)["c5"]
        with torch.autocast("cpu", getattr(torch, precision)):
            half = model.backbone(image)["c5"]
    error = (full - half.float()).abs().max() / full.abs().max()
    print(f"{precision}: {error:.1e} of the largest value of the map")
    assert 0 < error < BOUNDS[precision]


def test_full_precision_is_exactly_what_it_was():
    plain = box_features(small_model("boxmask"))[0]
    full = box_features(small_model("boxmask", "MODEL.VID.TEST.PRECISION", "full"))[0]
    assert torch.equal(plain, full)


def test_training_is_not_affected():
    precision = "bfloat16" if supports_precision("bfloat16", "cpu") else "full"
    model = small_model("boxmask", "MODEL.VID.TEST.PRECISION", precision).train()
    assert model.backbone(torch.randn(1, 3, 64, 96))["c5"].dtype == torch.float32


def test_an_unknown_precision():
    with pytest.raises(InputError, match="PRECISION is 'half': use one of full, float16, bfloat16"):
        check_precision("half", "cpu")
