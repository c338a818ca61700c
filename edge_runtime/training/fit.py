"""Trains the student: labelled sentences for the heads, the teacher's vectors for the sentence vector.

The number of steps is fixed, never the time, so that one seed gives one data set everywhere.
"""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from edge_runtime.training.body import Student, Teacher, mean_pool
from edge_runtime.training.features import IGNORED, Batch, Names, batches
from edge_runtime.training.samples import Sample

LOG = logging.getLogger(__name__)
MAX_TOKENS = 64
HEADS_FASTER = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``vector_share``: share of the sentences that also follow the teacher's vector."""

    seed: int
    steps: int
    batch: int = 24
    rate: float = 3e-4
    warmup: int = 200
    vector_share: float = 0.2
    vector_weight: float = 3.0


def fit(
    student: Student, teacher: Teacher, pool: Sequence[Sample], tokenizer_json: str, names: Names, plan: Plan
) -> float:
    """Trains in place and returns the last smoothed loss."""
    torch.manual_seed(plan.seed)
    torch.set_num_threads(1)
    tokenizer = _tokenizer(tokenizer_json)
    encodings = tokenizer.encode_batch([sample.text for sample in pool])
    work = batches(pool, encodings, names, plan.batch, plan.seed)[: plan.steps]
    wanted = _followers(work, plan)
    vectors = teach(teacher, [pool[row].text for row in wanted])
    place = {row: at for at, row in enumerate(wanted)}
    return _train(student, work, (vectors, place), plan)


def _tokenizer(tokenizer_json: str) -> Tokenizer:
    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def _followers(work: Sequence[Batch], plan: Plan) -> list[int]:
    count = round(plan.batch * plan.vector_share)
    return [int(row) for batch in work for row in batch.picked[:count]]


def teach(teacher: Teacher, texts: Sequence[str], size: int = 64) -> Tensor:
    """The teacher's unit vectors, in the order of the texts."""
    tokenizer = _tokenizer(teacher.tokenizer_json)
    rows = tokenizer.encode_batch(list(texts))
    order = sorted(range(len(rows)), key=lambda row: len(rows[row].ids))
    result = torch.zeros(len(rows), teacher.model.config.hidden_size)
    with torch.no_grad():
        for at in range(0, len(order), size):
            group = order[at : at + size]
            width = max(len(rows[row].ids) for row in group)
            ids = torch.tensor([rows[row].ids + [0] * (width - len(rows[row].ids)) for row in group])
            mask = (
                torch.arange(width)[None, :] < torch.tensor([[len(rows[row].ids)] for row in group])
            ).long()
            hidden = teacher.model(input_ids=ids, attention_mask=mask).last_hidden_state
            result[torch.tensor(group)] = nn.functional.normalize(mean_pool(hidden, mask), dim=-1)
    return result


def _train(student: Student, work: Sequence[Batch], aims: tuple[Tensor, dict[int, int]], plan: Plan) -> float:
    trained = [parameter for parameter in student.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(_groups(student, plan.rate), lr=plan.rate, weight_decay=0.01, fused=True)
    student.train()
    smooth, began = 0.0, time.monotonic()
    for step, batch in enumerate(work):
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * _share_of_rate(step, len(work), plan)
        loss = _loss(student, batch, aims, plan)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        smooth = loss.item() if step == 0 else 0.95 * smooth + 0.05 * loss.item()
        if step % 100 == 0:
            LOG.info("step %d of %d, loss %.3f, %.0f s", step, len(work), smooth, time.monotonic() - began)
    student.eval()
    return smooth


def _groups(student: Student, rate: float) -> list[dict[str, Any]]:
    """The heads start from nothing and learn faster than the body, which only bends."""
    body = [parameter for parameter in student.body.parameters() if parameter.requires_grad]
    known = {id(parameter) for parameter in student.body.parameters()}
    heads = [parameter for parameter in student.parameters() if id(parameter) not in known]
    return [{"params": body, "initial_lr": rate}, {"params": heads, "initial_lr": HEADS_FASTER * rate}]


def _share_of_rate(step: int, steps: int, plan: Plan) -> float:
    return min(1.0, (step + 1) / plan.warmup) * (0.5 * (1 + math.cos(math.pi * step / steps)) + 0.01)


def _loss(student: Student, batch: Batch, aims: tuple[Tensor, dict[int, int]], plan: Plan) -> Tensor:
    intents, tags, vectors, about, personal = student(
        torch.from_numpy(batch.ids), torch.from_numpy(batch.mask)
    )
    cross = nn.functional.cross_entropy
    loss = 2.0 * cross(tags.flatten(0, 1), torch.from_numpy(batch.tags).flatten(), ignore_index=IGNORED)
    if (batch.intents != IGNORED).any():
        loss = loss + cross(intents, torch.from_numpy(batch.intents), ignore_index=IGNORED)
    text = torch.from_numpy(batch.text)
    loss = loss + 0.5 * nn.functional.binary_cross_entropy_with_logits(
        about[:, :2], text[:, :2].to(about.dtype)
    )
    loss = loss + 0.3 * cross(about[:, 2:], text[:, 2])
    loss = loss + 0.5 * cross(
        personal.flatten(0, 1), torch.from_numpy(batch.personal).flatten(), ignore_index=IGNORED
    )
    rows = [at for at, row in enumerate(batch.picked) if int(row) in aims[1]]
    if rows:
        aim = aims[0][torch.tensor([aims[1][int(batch.picked[at])] for at in rows])]
        loss = loss + plan.vector_weight * (1 - (vectors[torch.tensor(rows)] * aim).sum(-1)).mean()
    result: Tensor = loss
    return result
