"""Network blocks and ONNX export shared by the methods."""
