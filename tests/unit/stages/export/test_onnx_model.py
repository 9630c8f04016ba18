"""Operations as ONNX, computed by ONNX Runtime and compared with torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.export.graph import Graph, Port
from stages.export.onnx_file import OPSET, UnsupportedOperationError, onnx_model

WEIGHT, BIAS = torch.linspace(-1, 1, 4 * 2 * 3 * 3).view(4, 2, 3, 3), torch.linspace(-1, 1, 4)


class Function(nn.Module):
    """A function of `[B, 4, H, W]` and constants."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function, self.part = function, nn.Conv2d(4, 3, (1, 3), (2, 1), (0, 2))
        self.weight, self.bias = nn.Parameter(WEIGHT, False), nn.Parameter(BIAS, False)
        self.scale = nn.Parameter(BIAS[:, None, None] + 3, False)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return (self.function(self, x),)


def graph(function: Callable[..., Any]) -> Graph:
    axes = ("pictures", 4, "height", "width")
    return Graph(
        "function", Function(function).eval(), (Port("x", axes, "", ""),), (Port("y", ("pictures",), "", ""),), ()
    )


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: F.conv2d(x, m.weight, m.bias, 1, 1, 1, 2),
        lambda m, x: F.conv2d(x, m.weight, None, 2, 0, 2, 2),
        lambda m, x: m.part(x),
        lambda m, x: F.hardtanh_(x.sub_(0.1), -0.5, 0.6),
        lambda m, x: F.relu_(x.mul_(-1.0)),
        lambda m, x: F.leaky_relu_(x.div_(m.scale), 0.1),
        lambda m, x: F.max_pool2d(x, 3, 2, 1),
        lambda m, x: F.avg_pool2d(x, 2),
        lambda m, x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False),
        lambda m, x: torch.cat((x, x + x.permute(0, 1, 2, 3)), 1),
        lambda m, x: x.add_(3.0).to(m.weight.dtype).sigmoid_()[:, 2],
    ],
)
def test_operations_give_the_same_as_in_torch(function: Callable[..., Any]) -> None:
    made = graph(function)
    session = onnxruntime.InferenceSession(onnx_model(made), providers=["CPUExecutionProvider"])
    for shape in ((2, 4, 8, 12), (1, 4, 10, 6)):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        found = torch.from_numpy(session.run(None, {"x": x.numpy()})[0])
        with torch.no_grad():
            (expected,) = made.module(x.clone())
        assert found.shape == expected.shape and torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda m, x: x.exp(), "the operation exp"),
        (lambda m, x: F.softmax(x, 1), "the operation .*softmax"),
        (lambda m, x: F.interpolate(x, scale_factor=2, mode="nearest"), "bilinear scaling"),
        (lambda m, x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True), "without dilation, ceil_mode"),
        (lambda m, x: x[:, 1:], "the index"),
        (lambda m, x: x[1:, 2], "the index"),
        (lambda m, x: x.to(torch.float16), r"torch\.float16"),
    ],
)
def test_what_is_not_converted_is_an_error(function: Callable[..., Any], reason: str) -> None:
    with pytest.raises(UnsupportedOperationError, match=reason):
        onnx_model(graph(function))


@pytest.mark.parametrize("opset", [18, OPSET, 23])
def test_models_are_valid_and_name_their_axes(opset: int) -> None:
    made = graph(lambda m, x: F.conv2d(x, m.weight, m.bias, 1, 1, 1, 2))
    port = Port("y", ("pictures", 4, "height", "width"), "", "")
    model = onnx.load_from_string(onnx_model(Graph("named", made.module, made.inputs, (port,), ()), opset))
    onnx.checker.check_model(model, full_check=True)
    for value, name in ((model.graph.input[0], "x"), (model.graph.output[0], "y")):
        axes = [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        assert (value.name, axes) == (name, ["pictures", 4, "height", "width"])
    assert [entry.version for entry in model.opset_import] == [opset]
