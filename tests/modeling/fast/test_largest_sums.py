"""The kernel of Numba against PyTorch, to the bit."""

import subprocess
import sys

import pytest
import torch

from boxmask_vid.modeling.fast.largest_sums import LargestSums, kernels


def problem(
    columns: int, dtype: torch.dtype, *, sums: int = 700, levels: int = 0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Positions, weights and a table; with ``levels`` many sums are equal."""
    generator = torch.Generator().manual_seed(columns)
    position = torch.randint(40, (sums, 16), generator=generator, dtype=torch.int32)
    weight = torch.rand(sums, 16, generator=generator, dtype=dtype)
    weight = weight * (torch.rand(sums, 16, generator=generator) < 0.4)  # as of RoIAlign
    weight[:3] = 0  # RoIs outside
    table = torch.randn(40, columns, generator=generator, dtype=dtype)
    if levels:
        table, weight = (table * levels).round(), weight.ceil()
    return position, weight, table


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("columns", [1, 5, 63, 64, 200, 1000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("levels", [0, 1])
def test_equal_to_pytorch_to_the_bit(threads, count, columns, dtype, levels):
    position, weight, table = problem(columns, dtype, levels=levels)
    ours, pytorchs = LargestSums(position, weight), LargestSums(position, weight)
    pytorchs._kernels = {}
    torch.set_num_threads(threads)
    try:
        values, index = ours.of(table, count)
    finally:
        torch.set_num_threads(1)
    expected, expected_index = pytorchs.of(table, count)
    assert torch.equal(values, expected)
    # the first of equals, in any order
    assert torch.equal(index.sort(dim=1).values, expected_index.sort(dim=1).values)


def test_several_tables_and_no_sums():
    position, weight, table = problem(100, torch.float32)
    sums = LargestSums(position, weight)
    for part in (table, table[:, :30].contiguous(), table[:, ::2]):
        values, index = sums.of(part, 2)
        found = torch.nn.functional.embedding_bag(
            position, part.contiguous(), per_sample_weights=weight, mode="sum"
        )
        torch.testing.assert_close(found.gather(1, index), values)
        torch.testing.assert_close(values[:, 0], found.amax(dim=1))
    values, index = LargestSums(position[:0], weight[:0]).of(table, 2)
    assert values.shape == index.shape == (0, 2)


def test_numbers_that_are_none_stay_in_the_table():
    """Where a model has diverged, an index points into the map all the same."""
    position, weight, table = problem(100, torch.float32)
    _, index = LargestSums(position, weight).of(table * float("nan"), 2)
    assert 0 <= index.min() <= index.max() < 100


def test_numba_is_used_where_it_is_installed():
    assert set(kernels()) == {"float32", "float64"}


@pytest.mark.slow
def test_without_numba_one_line_says_what_it_would_save():
    code = (
        "import sys; sys.modules['numba'] = None\n"
        "import torch\n"
        "from boxmask_vid.modeling.fast.largest_sums import LargestSums\n"
        "for _ in range(2):\n"
        "    sums = LargestSums(torch.tensor([[0, 1]]), torch.tensor([[0.5, 2.0]]))\n"
        "    print(*sums.of(torch.tensor([[1.0, 2, 3], [3, 2, 2]]), 1))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "tensor([[6.5000]]) tensor([[0]])\n" * 2
    (line,) = done.stderr.splitlines()
    assert "takes twice as long without Numba" in line
    assert "pip install 'boxmask-vid[fast]'" in line
