"""Everything that runs on a device: the ONNX engine, the model store and the device probe.

ONNX Runtime builds from 1.29 on send usage data unless this variable is set before the first
``import onnxruntime`` of the process. A package that promises that data stays on the device sets it
here, because this file is always executed before any engine module. Nothing heavy is imported.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
