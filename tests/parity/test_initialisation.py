"""Initial parameters against the reference implementation."""

import numpy as np
import pytest
import torch
from detectron2.modeling import build_model

from boxmask_vid.checkpoint import convert_mmtracking
from support.golden import load_json
from support.parity_models import BOXMASK, SELSA, config


def described(tensor: torch.Tensor) -> dict[str, float]:
    values = {"mean": tensor.mean(), "std": tensor.std(), "min": tensor.min(), "max": tensor.max()}
    return {key: value.item() for key, value in values.items()}


def tolerances(expected: dict, count: int) -> dict[str, float]:
    """Largest differences between two samples of ``count`` values of one distribution.

    Five standard errors of a difference of means and of standard deviations. The extremes of a
    uniform distribution (1.7 standard deviations from its mean) are within a few of its mean
    distances between neighbours, those of a normal one follow Gumbel's distribution.
    """
    std = expected["std"]
    if max(-expected["min"], expected["max"]) < 1.8 * std:
        extreme = 12 * (expected["max"] - expected["min"]) / count
    else:
        extreme = 8 * std / (2 * np.log(count)) ** 0.5
    return {
        "mean": 5 * std * (2 / count) ** 0.5,
        "std": 5 * std / count**0.5,
        "min": extreme + 1e-7,
        "max": extreme + 1e-7,
    }


@pytest.mark.parametrize(("kind", "name"), [("selsa", SELSA), ("boxmask", BOXMASK)])
def test_init_stats(kind: str, name: str):
    """New models of full width draw their parameters from the same distributions."""
    golden = load_json("init_stats")["mmdet_2.28.2"][kind]
    torch.manual_seed(0)
    model = build_model(config(name))
    unseen = {
        key for key, _ in model.named_parameters() if not key.startswith("backbone.bottom_up")
    }
    for theirs, expected in golden.items():
        place = convert_mmtracking({theirs: torch.empty(expected["shape"], device="meta")})
        for ours in place:  # none for the convolution that is never used
            parameter = model.get_parameter(ours).detach()
            assert list(parameter.shape) == expected["shape"]
            found, allowed = described(parameter), tolerances(expected, parameter.numel())
            for key, value in found.items():
                if expected["std"] == 0:
                    assert value == expected[key], (ours, key)
                else:
                    assert abs(value - expected[key]) <= allowed[key], (ours, key, found, expected)
            unseen.remove(ours)
    assert not unseen
