"""ONNX files of what the pipeline computes, checked against torch, for other runtimes."""
