"""Which candidates of runtime and precision can be tried, and loading of their computations."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from textwrap import shorten

from stages.detection.detections import Computation
from stages.runtimes.network import CANDIDATES, TITLES, Candidate, RunnableNetwork, RuntimeName, RuntimeUnavailableError
from stages.settings import Precision, Runtime

_PACKAGES: dict[RuntimeName, tuple[str, ...]] = {
    "torch": (),
    "onnxruntime": ("onnxruntime", "onnx"),
    "openvino": ("openvino", "onnx"),
}
_INSTALLED_WITH = {"onnxruntime": "partstream", "openvino": "partstream[openvino]"}
_LONGEST_CAUSE = 400
"""Characters. OpenVINO's errors have a line for each of its layers."""


def candidates(runtime: Runtime, precision: Precision) -> list[Candidate]:
    """Return the candidates that the settings allow, the preferred first, all of one precision.

    `precision` `auto` is float32: bfloat16 costs half a point of right labels (docs/detector.md). Raises
    `RuntimeUnavailableError` if the settings exclude all.
    """
    wanted = "float32" if precision == "auto" else precision
    found = [one for one in CANDIDATES if runtime in ("auto", one.runtime) and one.precision == wanted]
    if not found:
        title = "the CPU" if runtime == "auto" else TITLES[runtime]
        others = "float32" if runtime == "onnxruntime" else "float32 or bfloat16"
        raise RuntimeUnavailableError(f"model.precision: {title} does not compute in {precision}; use {others}")
    return found


def missing_packages(runtime: RuntimeName) -> list[str]:
    """Return the packages of a runtime that are not installed."""
    return [name for name in _PACKAGES[runtime] if find_spec(name) is None]


def check_installed(runtime: RuntimeName) -> None:
    """Raise `RuntimeUnavailableError` if packages of the runtime are missing."""
    if missing := missing_packages(runtime):
        raise RuntimeUnavailableError(
            f"model.runtime: {TITLES[runtime]} needs {', '.join(missing)}: "
            f"pip install '{_INSTALLED_WITH[runtime]}', or use torch"
        )


def package_versions() -> dict[str, str]:
    """Return the versions of the runtimes' packages; those that are not installed are left out."""
    versions: dict[str, str] = {}
    for name in sorted({"torch", "numpy"}.union(*_PACKAGES.values())):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def build(network: RunnableNetwork, candidate: Candidate, threads: int) -> Computation | None:
    """Return the candidate's computation of the network with `threads` threads; None for torch, which has its own.

    Raises `RuntimeUnavailableError` if packages are missing, the processor has no such precision, or the runtime can't
    load the network.
    """
    runtime = candidate.runtime
    if runtime == "torch":
        return None
    check_installed(runtime)
    try:
        from stages.export.onnx_file import onnx_model

        model = onnx_model(network.graph())
        if runtime == "onnxruntime":
            from stages.runtimes.onnx_runtime import onnxruntime_computation

            return onnxruntime_computation(model, threads)
        from stages.runtimes.openvino_runtime import openvino_computation

        return openvino_computation(model, candidate.precision, threads)
    except RuntimeUnavailableError:
        raise
    except Exception as error:  # The runtimes' own errors have no common base class.
        cause = shorten(str(error), _LONGEST_CAUSE)
        raise RuntimeUnavailableError(
            f"model.runtime: {TITLES[runtime]} can't load {network.name}: {cause}; use torch, or another version of it"
        ) from error
