"""Writes the student as ONNX and makes it int8: weights per channel, activations at run time."""

import tempfile
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

from edge_runtime.training.body import Student

LONGEST = 512
OUTPUTS = ("intent_logits", "tag_logits", "sentence_vector", "text_logits", "personal_logits")


def export(student: Student, target: Path) -> None:
    """Overwrites ``target``. Shape notes are dropped first: the quantiser trips over those of the heads."""
    with tempfile.TemporaryDirectory() as folder:
        full = Path(folder) / "full.onnx"
        _write_float(student, full)
        graph = onnx.load(str(full))
        del graph.graph.value_info[:]
        onnx.save(graph, str(full))
        quantize_dynamic(str(full), str(target), weight_type=QuantType.QInt8, per_channel=True)
    small = onnx.load(str(target))
    small.doc_string = ""
    for node in small.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    onnx.save(small, str(target))


def _write_float(student: Student, target: Path) -> None:
    example = (torch.ones(2, 7, dtype=torch.int64), torch.ones(2, 7, dtype=torch.int64))
    batch, tokens = torch.export.Dim("batch"), torch.export.Dim("tokens", max=LONGEST)
    shape = {0: batch, 1: tokens}
    torch.onnx.export(
        student.eval(),
        example,
        str(target),
        input_names=["input_ids", "attention_mask"],
        output_names=list(OUTPUTS),
        dynamo=True,
        dynamic_shapes={"input_ids": shape, "attention_mask": shape},
        external_data=False,
    )
