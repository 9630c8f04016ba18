"""Writing of graphs as ONNX files: the detector's with `onnx_model`, the others' with torch's exporter.

torch's own exporter converts any network, but takes 10 to 20 seconds and needs onnxscript. The detection networks
consist of a few kinds of operations: the module runs on a stand-in for its input, which adds a node for each operation.

torch.export records where in the sources each node came from, and its own names of axes. Both are removed.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from stages.export.graph import ExportError, Graph, Port

OPSET = 20
"""Read by ONNX Runtime 1.17 and later."""
_TYPES = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8}


class UnsupportedOperationError(AttributeError):
    """A network contains an operation that can't be converted."""


def onnx_model(graph: Graph, opset: int = OPSET) -> bytes:
    """Return the graph as a serialised ONNX model, with the names and axes of its ports. `opset` is 18 or later.

    The module must do the same for every input. An operation in place is converted as if it returned a new tensor, so
    its input must not be read later. Raises `UnsupportedOperationError`.
    """
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []
    found: Sequence[_Value] = graph.module(*(_Value(port.name, nodes, constants) for port in graph.inputs))
    named = [helper.make_node("Identity", [value.name], [port.name]) for value, port in zip(found, graph.outputs)]
    inputs, outputs = ([_info(port) for port in ports] for ports in (graph.inputs, graph.outputs))
    made = helper.make_graph([*nodes, *named], graph.name, inputs, outputs, constants)
    opsets = [helper.make_opsetid("", opset)]
    # The onnx package's own default of the format may be too new for ONNX Runtime.
    version = helper.find_min_ir_version_for(opsets, ignore_unknown=True)
    return helper.make_model(made, opset_imports=opsets, ir_version=version).SerializeToString()


def _info(port: Port) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(port.name, _TYPES[port.dtype], port.shape)


class _Value:
    """Stands for a tensor that the model computes. Its methods, and functions of torch, add nodes to the model."""

    device = torch.device("cpu")

    def __init__(self, name: str, nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto]) -> None:
        self.name, self._nodes, self._constants = name, nodes, constants

    def node(self, kind: str, *operands: _Value | Tensor | float | None, **attributes: Any) -> _Value:
        """Add a node that computes something from this value and `operands`; None is an operand that is left out."""
        result = f"value_{len(self._nodes)}"
        names = [self.name, *(self._name(operand) for operand in operands)]
        self._nodes.append(helper.make_node(kind, names, [result], **attributes))
        return _Value(result, self._nodes, self._constants)

    def _name(self, operand: _Value | Tensor | float | None) -> str:
        if operand is None:
            return ""
        if isinstance(operand, _Value):
            return operand.name
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(torch.as_tensor(operand).detach().contiguous().numpy(), name))
        return name

    @classmethod
    def __torch_function__(
        cls, function: object, types: object, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> _Value:
        if function not in _FUNCTIONS:
            raise UnsupportedOperationError(f"the operation {function} can't be converted to ONNX")
        return _FUNCTIONS[function](*args, **(kwargs or {}))

    def __getattr__(self, name: str) -> Any:
        raise UnsupportedOperationError(f"the operation {name} can't be converted to ONNX")

    def __add__(self, other: _Value) -> _Value:
        return self.node("Add", other)

    def __getitem__(self, index: tuple[slice | int, ...]) -> _Value:
        *whole, position = index
        if any(one != slice(None) for one in whole) or not isinstance(position, int):
            raise UnsupportedOperationError(f"the index {index} can't be converted to ONNX")
        return self.node("Gather", torch.tensor(position), axis=len(whole))

    def add_(self, other: _Value) -> _Value:
        return self.node("Add", other)

    def sub_(self, other: Tensor | float) -> _Value:
        return self.node("Sub", other)

    def mul_(self, other: Tensor | float) -> _Value:
        return self.node("Mul", other)

    def div_(self, other: Tensor | float) -> _Value:
        return self.node("Div", other)

    def sigmoid_(self) -> _Value:
        return self.node("Sigmoid")

    def permute(self, *axes: int) -> _Value:
        return self.node("Transpose", perm=axes)

    def to(self, dtype: torch.dtype) -> _Value:
        if dtype != torch.float32:
            raise UnsupportedOperationError(f"a conversion to {dtype} can't be converted to ONNX")
        return self.node("Cast", to=TensorProto.FLOAT)


Size = int | tuple[int, int]


def _pair(size: Size) -> list[int]:
    return [size, size] if isinstance(size, int) else list(size)


def _convolution(
    x: _Value,
    weight: Tensor,
    bias: Tensor | None,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> _Value:
    sizes = {"strides": _pair(stride), "pads": _pair(padding) * 2, "dilations": _pair(dilation)}
    # ONNX Runtime fuses nothing with a convolution whose bias has an empty name.
    operands = [weight] if bias is None else [weight, bias]
    return x.node("Conv", *operands, **sizes, group=groups)


def _max_pool(
    x: _Value, size: Size, stride: Size, padding: Size, dilation: Size, ceil_mode: bool, return_indices: bool
) -> _Value:
    if dilation != 1 or ceil_mode or return_indices:
        raise UnsupportedOperationError("max_pool2d is converted without dilation, ceil_mode and indices only")
    return x.node("MaxPool", kernel_shape=_pair(size), strides=_pair(stride), pads=_pair(padding) * 2)


def _enlarged(x: _Value, *, scale_factor: float, mode: str, align_corners: bool | None, **others: Any) -> _Value:
    if mode != "bilinear" or align_corners or any(others.values()):
        raise UnsupportedOperationError("interpolate is converted for bilinear scaling without align_corners only")
    scales = torch.tensor([1, 1, scale_factor, scale_factor], dtype=torch.float32)
    return x.node("Resize", None, scales, mode="linear")


_FUNCTIONS: dict[object, Callable[..., _Value]] = {
    F.conv2d: _convolution,
    F.hardtanh_: lambda x, low, high: x.node("Clip", low, high),
    F.relu_: lambda x: x.node("Relu"),
    F.leaky_relu_: lambda x, slope: x.node("LeakyRelu", alpha=slope),
    F.max_pool2d: _max_pool,
    F.avg_pool2d: lambda x, size: x.node("AveragePool", kernel_shape=_pair(size), strides=_pair(size)),
    F.interpolate: _enlarged,
    torch.cat: lambda values, axis: values[0].node("Concat", *values[1:], axis=axis),
}


OPSETS = range(18, 26)
"""Opsets that torch's exporter can write: 18, and later ones by conversion."""
DEFAULT_OPSET = 20
"""Read by ONNX Runtime 1.17 and later."""
_NEEDED = ("onnxscript", "onnxruntime")


class _Positional(nn.Module):
    """A wrapper with positional inputs, for which the exporter needs no argument names."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return self.module(*inputs)


def check_installed() -> None:
    """Raise `ExportError` if a package that exporting needs is missing."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ExportError(
            f"exporting needs {', '.join(missing)}: install partstream with the extra `export` "
            "(pip install 'partstream[export]')"
        )


def write(graph: Graph, path: Path, opset: int, properties: Mapping[str, str]) -> None:
    """Write the graph to `path` with `properties` as metadata. Raises `ExportError`."""
    if opset not in OPSETS:
        raise ExportError(f"opset {opset} can't be written; choose one from {OPSETS[0]} to {OPSETS[-1]}")
    model = _converted(graph, opset) if graph.convolutional else _exported(graph, opset)
    written = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if written != opset:
        raise ExportError(f"{graph.name}: can't be written in opset {opset}, only in {written}; use --opset {written}")
    _strip(model)
    for ports, values in ((graph.inputs, model.graph.input), (graph.outputs, model.graph.output)):
        _name_axes(graph, ports, values)
    onnx.helper.set_model_props(model, dict(properties))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _converted(graph: Graph, opset: int) -> Any:
    """Return the ModelProto of a convolutional graph."""
    from stages.export.onnx_file import onnx_model

    return onnx.load_from_string(onnx_model(graph, opset))


def _exported(graph: Graph, opset: int) -> Any:
    """Return the exporter's ModelProto."""
    axes = {name for port in graph.inputs for name in port.shape if isinstance(name, str)}
    dims = {name: torch.export.Dim(name) * graph.multiples.get(name, 1) for name in sorted(axes)}
    shapes = [{axis: dims[name] for axis, name in enumerate(port.shape) if name in dims} for port in graph.inputs]
    sample = graph.random[0]
    try:
        with torch.no_grad(), _quiet():
            graph.module(*sample)  # fills caches, such as the folded language table, before tracing
            program = torch.onnx.export(
                _Positional(graph.module),
                sample,
                dynamo=True,
                opset_version=opset,
                input_names=[port.name for port in graph.inputs],
                output_names=[port.name for port in graph.outputs],
                dynamic_shapes={"inputs": tuple(shapes)},
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise ExportError(f"{graph.name}: torch {torch.__version__} can't export it: {error}") from None
    assert program is not None
    return program.model_proto


@contextmanager
def _quiet() -> Generator[None]:
    """Silence the exporter's messages about its internals; the result is checked afterwards."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _strip(model: Any) -> None:
    """Remove names of source files and classes, and shapes of intermediate values."""
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    for node in model.graph.node:
        node.ClearField("doc_string")
        del node.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        value.ClearField("doc_string")
        del value.metadata_props[:]


def _name_axes(graph: Graph, ports: tuple[Port, ...], values: Any) -> None:
    """Name axes as in the manifest. Raises `ExportError` if the exporter fixed the length of a variable axis."""
    for port, value in zip(ports, values, strict=True):
        for name, axis in zip(port.shape, value.type.tensor_type.shape.dim, strict=True):
            if isinstance(name, str):
                if axis.HasField("dim_value"):
                    raise ExportError(f"{graph.name}: axis {name} of {port.name} was fixed to {axis.dim_value}")
                axis.dim_param = name
            elif axis.dim_value != name:
                raise ExportError(f"{graph.name}: an axis of {port.name} is {axis.dim_value} long instead of {name}")
