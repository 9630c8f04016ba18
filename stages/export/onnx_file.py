"""Writing of graphs as ONNX files: the detector's with `onnx_model`, the others' with torch's exporter.

torch.export records where in the sources each node came from, and its own names of axes. Both are removed.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stages.export.graph import ExportError, Graph, Port

OPSETS = range(18, 26)
"""Opsets that torch's exporter can write: 18, and later ones by conversion."""
DEFAULT_OPSET = 20
"""Read by ONNX Runtime 1.17 and later."""
_NEEDED = ("onnx", "onnxscript", "onnxruntime")


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
    import onnx

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
    import onnx

    from stages.export.onnx_model import onnx_model

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
