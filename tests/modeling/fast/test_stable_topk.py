import pytest
import torch

from boxmask_vid.modeling.fast.stable_topk import stable_topk
from boxmask_vid.modeling.layers.temporal_roi_align import first_largest


@pytest.mark.parametrize("count", [1, 2, 3, 9])
@pytest.mark.parametrize("levels", [1, 3, 10**6])
def test_of_equal_values_the_first_are_taken(count, levels):
    generator = torch.Generator().manual_seed(levels)
    values = torch.randint(levels, (50, 7), generator=generator).float()
    expected = values.sort(dim=1, descending=True, stable=True)
    largest, index = stable_topk(values, count)
    assert torch.equal(largest, expected.values[:, :count])
    assert torch.equal(values.gather(1, index), largest)
    chosen = expected.indices[:, :count].sort(dim=1).values
    assert torch.equal(index.sort(dim=1).values, chosen)
    without_branch = first_largest(values, min(count, 7))
    assert torch.equal(without_branch, expected.indices[:, :count])


def test_no_rows():
    largest, index = stable_topk(torch.empty(0, 5), 2)
    assert largest.shape == index.shape == (0, 2)


def test_the_gradient_goes_to_the_first_of_equals():
    values = torch.tensor([[1.0, 3, 3, 3, 2]], requires_grad=True)
    stable_topk(values, 2)[0].sum().backward()
    assert values.grad.tolist() == [[0, 1, 1, 0, 0]]
