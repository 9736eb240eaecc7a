"""The network: its layers in torch, its checkpoint, its export to ONNX, and the engines that run it."""
