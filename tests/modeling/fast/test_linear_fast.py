"""Products of matrices by oneDNN against those by MKL."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from boxmask_vid.modeling.fast import linear as module
from boxmask_vid.modeling.fast.linear import LinearFast, linear, prefers_onednn
from support.small import small_model


def pair(rows: int, out: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(*shape, generator=generator) for shape in ((rows, 512), (out, 512), (out,))
    )


@pytest.mark.parametrize("out", [599, 600])
@pytest.mark.parametrize("has_bias", [False, True])
def test_both_libraries_give_the_same(monkeypatch, out, has_bias):
    monkeypatch.setattr(module, "prefers_onednn", lambda: True)
    rows, weight, bias = pair(100, out)
    given = bias if has_bias else None
    exact = F.linear(*(None if x is None else x.double() for x in (rows, weight, given)))
    with torch.no_grad():
        torch.testing.assert_close(linear(rows, weight, given).double(), exact, rtol=0, atol=1e-4)


def test_where_the_library_is_pytorchs_own(monkeypatch):
    def fail() -> bool:
        raise AssertionError

    monkeypatch.setattr(module, "prefers_onednn", fail)
    rows, weight, bias = pair(100, 600)
    assert linear(rows[:1], weight, bias).shape == (1, 600)  # little to gain
    assert linear(rows[:0], weight, bias).shape == (0, 600)
    assert linear(rows.double(), weight.double()).dtype == torch.float64
    assert linear(rows, weight.requires_grad_(), bias).requires_grad
    layer = LinearFast(512, 600)
    with torch.no_grad():
        assert layer.train()(rows).shape == (100, 600)
        with torch.autocast("cpu", torch.bfloat16):
            assert layer.eval()(rows).dtype == torch.bfloat16


def test_the_measurement_leaves_no_trace():
    threads = torch.get_num_threads()
    prefers_onednn.cache_clear()
    assert prefers_onednn() in (True, False)
    assert torch.get_num_threads() == threads


def test_layers_of_the_box_head_are_accelerated():
    model = small_model("selsa")
    layers = [m for m in model.roi_heads.box_head.modules() if isinstance(m, nn.Linear)]
    assert layers
    assert all(type(layer) is LinearFast for layer in layers)
