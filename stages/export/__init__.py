"""Export of the pipeline's networks as ONNX files for other runtimes, checked against torch."""
