"""SELSA and the box head made of it against the reference implementation."""

import pytest
import torch

from support.golden import close, converted, load
from support.parity_models import BBOX_HEAD, SELSA, leaf, roi_heads


@pytest.mark.parametrize("name", ["c64b4", "c64b16"])
def test_selsa_aggregator(name: str):
    case = load(f"selsa_aggregator_{name}")
    theirs, ours = f"{BBOX_HEAD}aggregator.0.", "roi_heads.box_head.aggregators.0."
    heads = int(case["num_attention_blocks"])
    built = roi_heads(SELSA, 8, "MODEL.ROI_BOX_HEAD.FC_DIM", 64, "MODEL.VID.SELSA.NUM_HEADS", heads)
    aggregator = built.box_head.aggregators[0]
    aggregator.load_state_dict(converted(case, theirs, ours))
    features, references = leaf(case["x"]), leaf(case["ref_x"])
    out = aggregator(features, *aggregator.project(references))
    close(out, case["out"])
    out.backward(case["grad_out"])
    close(features.grad, case["grad_x"])
    close(references.grad, case["grad_ref_x"])
    gradients = converted(case, theirs, ours, "grad")
    # A constant added to all similarities of a query does not change their softmax: the gradient of
    # the keys' bias is 0 up to rounding, and is compared on the scale of their weight's gradient.
    rounding, scale = gradients.pop("key.bias"), gradients["key.weight"].abs().max().item()
    torch.testing.assert_close(aggregator.key.bias.grad, rounding, rtol=0, atol=1e-5 * scale)
    for parameter, gradient in gradients.items():
        close(aggregator.get_parameter(parameter).grad, gradient)


@pytest.mark.parametrize("stages", [2, 3])
def test_selsa_bbox_head(stages: int):
    case = load(f"selsa_bbox_head_fc{stages}")
    heads = roi_heads(SELSA, 8, "MODEL.ROI_BOX_HEAD.NUM_FC", stages)
    heads.load_state_dict(converted(case, BBOX_HEAD, "roi_heads."))
    pooled, references = leaf(case["x"]), leaf(case["ref_x"])
    head = heads.box_head
    scores, deltas = heads.box_predictor(head(pooled, head.project(head.embed(references))))
    close(scores, case["cls_score"])
    close(deltas, case["bbox_pred"])
    torch.autograd.backward([scores, deltas], [case["grad_cls"], case["grad_bbox"]])
    close(pooled.grad, case["grad_x"])
    close(references.grad, case["grad_ref_x"])
