"""From a spec to a problem: ONNX files, images, masks, layers, and whether they fit together."""
