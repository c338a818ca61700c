"""Builds a folder of onnxruntime-genai with a tiny Llama in it: real graph, real tokenizer, weights by chance.

It says nothing sensible, but it runs through every part of the engine that a model of gigabytes would: chat template,
tokenizer, prefill, decoding with a cache, constrained output, cancelling.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

LAYERS: Final = 2
HIDDEN: Final = 64
HEADS: Final = 4
KV_HEADS: Final = 2
HEAD: Final = HIDDEN // HEADS
INNER: Final = 128
CONTEXT: Final = 512
_SPECIAL: Final = ["<pad>", "<s>", "</s>", "<|user|>", "<|assistant|>", "<|system|>"]
_TEMPLATE: Final = (
    "{{ '<s>' }}{% for message in messages %}{{ '<|' + message['role'] + '|>' }}{{ message['content'] }}{{ '</s>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
_TEXT: Final = (
    "the quick brown fox jumps over the lazy dog and turns off the kitchen lights at seven in the evening",
    'a small JSON object: {"answer": "yes", "count": 12, "list": [1, 2, 3]}',
    "Wie spät ist es? Il fait beau. ¿Dónde está la estación? 你好，世界",
)


def build(folder: Path, *, seed: int = 7) -> Path:
    """The folder, with everything that a user's folder would have."""
    folder.mkdir(parents=True)
    vocabulary = _tokenizer(folder)
    graph = _Graph(vocabulary, np.random.default_rng(seed))
    onnx.save(graph.model(), str(folder / "model.onnx"))
    (folder / "genai_config.json").write_text(json.dumps(_config(vocabulary), indent=2))
    return folder


def _tokenizer(folder: Path) -> int:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=384,
        special_tokens=_SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_TEXT, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "chat_template": _TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return tokenizer.get_vocab_size()


def _config(vocabulary: int) -> dict[str, Any]:
    return {
        "model": {
            "type": "llama",
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 0,
            "context_length": CONTEXT,
            "vocab_size": vocabulary,
            "decoder": {
                "filename": "model.onnx",
                "head_size": HEAD,
                "hidden_size": HIDDEN,
                "num_attention_heads": HEADS,
                "num_key_value_heads": KV_HEADS,
                "num_hidden_layers": LAYERS,
                "session_options": {"provider_options": []},
                "inputs": {
                    "input_ids": "input_ids",
                    "attention_mask": "attention_mask",
                    "past_key_names": "past_key_values.%d.key",
                    "past_value_names": "past_key_values.%d.value",
                },
                "outputs": {
                    "logits": "logits",
                    "present_key_names": "present.%d.key",
                    "present_value_names": "present.%d.value",
                },
            },
        },
        "search": {
            "do_sample": False,
            "max_length": CONTEXT,
            "past_present_share_buffer": True,
        },
    }


class _Graph:
    """A Llama as a list of nodes: each method adds some and gives the name of what they make."""

    def __init__(self, vocabulary: int, chance: np.random.Generator) -> None:
        self._vocabulary, self._chance = vocabulary, chance
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def model(self) -> onnx.ModelProto:
        self._lengths()
        hidden = self._node("Gather", [self._random("embedding", (self._vocabulary, HIDDEN)), "input_ids"])
        for layer in range(LAYERS):
            hidden = self._layer(layer, hidden)
        final = self._norm(hidden, "final")
        self._node("MatMul", [final, self._random("head", (HIDDEN, self._vocabulary))], out="logits")
        graph = helper.make_graph(self._nodes, "tiny", self._inputs(), self._outputs(), self._weights)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets)
        model.ir_version = 9
        return model

    def _lengths(self) -> None:
        """What the attention asks: index of the last token of each row, and the length with the cache."""
        axis = self._constant("axis", np.array([1], np.int64))
        summed = self._node("ReduceSum", ["attention_mask", axis], keepdims=0)
        last = self._node("Sub", [summed, self._constant("one", np.array(1, np.int64))])
        self._node("Cast", [last], out="last_index", to=TensorProto.INT32)
        shape = self._node("Shape", ["attention_mask"])
        total = self._node("Gather", [shape, self._constant("second", np.array(1, np.int64))])
        self._node("Cast", [total], out="total", to=TensorProto.INT32)
        angles = np.outer(np.arange(CONTEXT), 10_000.0 ** (-np.arange(0, HEAD, 2) / HEAD))
        self._constant("cos", np.cos(angles).astype(np.float32))
        self._constant("sin", np.sin(angles).astype(np.float32))

    def _layer(self, layer: int, hidden: str) -> str:
        normed = self._norm(hidden, f"before{layer}")
        sides = {"query": HEADS, "key": KV_HEADS, "value": KV_HEADS}
        query, key, value = (
            self._node("MatMul", [normed, self._random(f"{side}{layer}", (HIDDEN, heads * HEAD))])
            for side, heads in sides.items()
        )
        past = [f"past_key_values.{layer}.{side}" for side in ("key", "value")]
        attended = f"attended{layer}"
        self._nodes.append(
            helper.make_node(
                "GroupQueryAttention",
                [query, key, value, *past, "last_index", "total", "cos", "sin"],
                [attended, f"present.{layer}.key", f"present.{layer}.value"],
                domain="com.microsoft",
                num_heads=HEADS,
                kv_num_heads=KV_HEADS,
                do_rotary=1,
            )
        )
        mixed = self._node("MatMul", [attended, self._random(f"out{layer}", (HIDDEN, HIDDEN))])
        hidden = self._node("Add", [hidden, mixed])
        normed = self._norm(hidden, f"after{layer}")
        gate = self._node("MatMul", [normed, self._random(f"gate{layer}", (HIDDEN, INNER))])
        up = self._node("MatMul", [normed, self._random(f"up{layer}", (HIDDEN, INNER))])
        swish = self._node("Mul", [gate, self._node("Sigmoid", [gate])])
        down = self._node(
            "MatMul", [self._node("Mul", [swish, up]), self._random(f"down{layer}", (INNER, HIDDEN))]
        )
        return self._node("Add", [hidden, down])

    def _norm(self, hidden: str, name: str) -> str:
        scale = self._constant(f"{name}.scale", np.ones(HIDDEN, np.float32))
        return self._node("SimplifiedLayerNormalization", [hidden, scale], axis=-1, epsilon=1e-5)

    def _random(self, name: str, shape: tuple[int, ...]) -> str:
        return self._constant(name, self._chance.normal(0.0, 0.3, shape).astype(np.float32))

    def _constant(self, name: str, value: Any) -> str:
        self._weights.append(numpy_helper.from_array(value, name))
        return name

    def _node(self, kind: str, inputs: list[str], *, out: str | None = None, **attributes: Any) -> str:
        name = out or f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def _inputs(self) -> list[onnx.ValueInfoProto]:
        words = ("input_ids", ["batch", "sequence"]), ("attention_mask", ["batch", "whole"])
        return [
            *(helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name, shape in words),
            *self._caches("past_key_values", "past"),
        ]

    def _outputs(self) -> list[onnx.ValueInfoProto]:
        shape = ["batch", "sequence", self._vocabulary]
        logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)
        return [logits, *self._caches("present", "whole")]

    def _caches(self, prefix: str, length: str) -> list[onnx.ValueInfoProto]:
        return [
            helper.make_tensor_value_info(
                f"{prefix}.{layer}.{side}", TensorProto.FLOAT, ["batch", KV_HEADS, length, HEAD]
            )
            for layer in range(LAYERS)
            for side in ("key", "value")
        ]
