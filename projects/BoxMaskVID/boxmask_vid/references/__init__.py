"""Reference frames: which are read, and which a key frame is compared with."""

from .adaptive import AdaptiveReferences
from .fixed import FixedReferences
from .online import OnlineReferences
from .policy import (
    REFERENCE_POLICY_REGISTRY,
    ReferencePolicy,
    build_reference_policy,
    check_count,
)
from .training import BilateralUniformSampler

__all__ = [
    "REFERENCE_POLICY_REGISTRY",
    "AdaptiveReferences",
    "BilateralUniformSampler",
    "FixedReferences",
    "OnlineReferences",
    "ReferencePolicy",
    "build_reference_policy",
    "check_count",
]
