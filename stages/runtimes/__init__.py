"""Runtimes that compute a detection network's convolutions on the CPU: torch, ONNX Runtime and OpenVINO.

Decoding stays in torch. `choosing` selects the runtime when a model is loaded.
"""
