"""Norms of a config that cannot be built."""

import pytest

from boxmask_vid.errors import InputError
from support.small import small_model


@pytest.mark.parametrize(
    ("norm", "sentence"),
    [
        (
            "GN",
            r"^MODEL\.RESNETS\.NORM is GN, .* 32 .*\(8\) must be divisible by .*BN or LN",
        ),
        ("gn", r"^MODEL\.RESNETS\.NORM is 'gn', which Detectron2 does not have: use BN, GN"),
    ],
)
def test_a_norm_that_cannot_be_built_is_named(norm, sentence):
    with pytest.raises(InputError, match=sentence):
        small_model("selsa", "MODEL.RESNETS.NORM", norm)
