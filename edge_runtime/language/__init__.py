"""Language models that the user brings to the device: a folder of onnxruntime-genai, run by one thread of its own."""
