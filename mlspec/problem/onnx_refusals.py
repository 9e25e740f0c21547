"""What to do about an ONNX node that cannot be read exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_CURVED: Final = (
    "it is not piecewise linear; train the network with a ReLU, leaky ReLU or clip in its place"
)
_STATISTICS: Final = (
    "it normalises by statistics of each image, which is not piecewise linear; train the network "
    "with batch normalisation in its place"
)
_PRODUCT: Final = (
    "it multiplies values that both depend on the image, which is not piecewise linear; train the "
    "network without it"
)
_INTEGERS: Final = "it computes with whole numbers; export the network before it is quantised"
_STEPS: Final = "it jumps, so that no bound on it is continuous; train the network without it"
_RECURRENT: Final = "recurrent networks are not known; unroll it into Gemm and Relu"
_MIXED: Final = "it is known only as the last node; leave it out of the export"

ADVICE: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            *("Celu", "Cos", "Elu", "Erf", "Exp", "Gelu", "HardSwish", "Log", "Mish", "Pow"),
            *("Reciprocal", "Selu", "Sin", "Softplus", "Softsign", "Sqrt", "Swish", "Tanh"),
        ),
        _CURVED,
    ),
    **dict.fromkeys(("LogSoftmax", "Sigmoid", "Softmax"), f"{_CURVED}; at the end it may stay"),
    **dict.fromkeys(
        (
            *("GroupNormalization", "InstanceNormalization", "LRN", "LayerNormalization"),
            *("LpNormalization", "MeanVarianceNormalization", "RMSNormalization", "ReduceL2"),
        ),
        _STATISTICS,
    ),
    **dict.fromkeys(("Attention", "Einsum"), _PRODUCT),
    **dict.fromkeys(
        ("ConvInteger", "DequantizeLinear", "MatMulInteger", "QLinearConv", "QuantizeLinear"),
        _INTEGERS,
    ),
    **dict.fromkeys(
        ("Ceil", "Floor", "Round", "Sign", "ThresholdedRelu", "Where", "Greater", "Less"), _STEPS
    ),
    **dict.fromkeys(("GRU", "LSTM", "Loop", "RNN", "Scan"), _RECURRENT),
    **dict.fromkeys(("ArgMax", "Hardmax", "TopK"), _MIXED),
}


def advice(kind: str) -> str:
    """Return why a node of this op type is refused, if that is known, and what helps."""
    return ADVICE.get(
        kind,
        "nothing says how to bound it; write it with the operations that the documentation lists "
        "under 'Use your own network and image'",
    )
