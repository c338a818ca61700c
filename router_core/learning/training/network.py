"""The network and its fitting: several small nets side by side whose mean answers, over one hashed table.

Each net has its own hidden layer and its own heads, and is shown its own part of the rows; the mean of their logits is
one wide net, so an ensemble costs nothing extra when a request is scored. Every judged model is a head: its answers
teach the shared layers what makes a question hard. Half of the heads predict the logarithm of output tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from router_core.learning.scorer_text import HASHED
from router_core.learning.training.features import Block, Ragged

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
BETAS = (0.9, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes and the schedule of the fit."""

    nets: int = 6
    hidden: int = 48
    bag: int = 24
    epochs: int = 8
    batch: int = 256
    rate: float = 4e-3
    decay: float = 0.02
    drop: float = 0.3
    drop_bag: float = 0.3
    token_weight: float = 0.5


@dataclass(slots=True, kw_only=True)
class Net:
    """Weights: `bag` (hashed x bag), `enter` (inputs x nets*hidden), `enter_bias`, `leave` (nets, hidden, outputs),
    `leave_bias` (outputs)."""

    bag: Floats
    enter: Floats
    enter_bias: Floats
    leave: Floats
    leave_bias: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What to learn per row: `value` and `weight`, rows x outputs; outputs from `first_token` on are token lengths."""

    value: Floats
    weight: Floats
    first_token: int


def inputs(block: Block, rows: Ints) -> Floats:
    """The part of the input that is not learned."""
    return np.concatenate((block.vectors[rows], block.counts[rows]), axis=1)


def bag_of(table: Floats, some: Ragged) -> tuple[Floats, Floats]:
    """Weighted sum of rows over the root of the weights' sum, and that factor."""
    if not len(some.starts):
        return np.zeros((0, table.shape[1]), np.float32), np.zeros((0, 1), np.float32)
    scale = (1.0 / np.sqrt(np.add.reduceat(some.often, some.starts))).astype(np.float32)[:, None]
    rows = table.take(some.flat, axis=0)
    rows *= some.often[:, None]
    return np.add.reduceat(rows, some.starts, axis=0) * scale, scale


def predict(net: Net, block: Block, rows: Ints) -> Floats:
    """Logits and log tokens, the mean over nets."""
    parts = []
    for start in range(0, len(rows), 2048):
        some = rows[start : start + 2048]
        bag, _ = bag_of(net.bag, block.words.take(some))
        hidden = gelu(np.concatenate((inputs(block, some), bag), axis=1) @ net.enter + net.enter_bias)
        parts.append(hidden @ net.leave.reshape(-1, net.leave.shape[2]) / net.leave.shape[0] + net.leave_bias)
    return np.concatenate(parts)


def gelu(x: Floats) -> Floats:
    """x * sigmoid(1.702 x): smooth, and one exponential."""
    result: Floats = x / (1 + np.exp(np.float32(-1.702) * x))
    return result


def fit(
    blocks: tuple[Block, Block],
    target: Target,
    shape: Shape,
    seed: int,
    progress: Callable[[float], None] | None = None,
) -> Net:
    """Fit on `blocks[0]`, each epoch showing part of the rows in their disturbed form `blocks[1]`."""
    fitting = _Fitting(blocks, target, shape, np.random.default_rng(seed))
    fitting.run(progress)
    return fitting.net


class _Fitting:
    """AdamW with one cycle of the rate; touched rows of the hashed table only."""

    def __init__(
        self, blocks: tuple[Block, Block], target: Target, shape: Shape, chance: np.random.Generator
    ) -> None:
        self._blocks, self._target, self._shape, self._chance = blocks, target, shape, chance
        rows, outputs = target.value.shape
        width = blocks[0].vectors.shape[1] + blocks[0].counts.shape[1]
        k, h = shape.nets, shape.hidden
        # Each net is shown about four fifths of the rows: what differs between nets is what averaging removes.
        self._shown = (chance.random((rows, k)) < 0.8).astype(np.float32) / 0.8
        total = target.weight.sum(axis=0) + 1e-6
        mean = (target.value * target.weight).sum(axis=0) / total
        bias = mean.copy()
        rate = np.clip(mean[: target.first_token], 0.02, 0.98)
        bias[: target.first_token] = np.log(rate / (1 - rate))
        self.net = Net(
            bag=chance.normal(0, 0.02, (HASHED, shape.bag)).astype(np.float32),
            enter=chance.normal(0, 1.0, (width + shape.bag, k * h)).astype(np.float32) * np.float32(0.15),
            enter_bias=np.zeros(k * h, np.float32),
            leave=chance.normal(0, 0.02, (k, h, outputs)).astype(np.float32),
            leave_bias=bias.astype(np.float32),
        )
        self._moments = {
            n: (np.zeros_like(v), np.zeros_like(v)) for n, v in ((n, getattr(self.net, n)) for n in NAMES)
        }

    def run(self, progress: Callable[[float], None] | None) -> None:
        shape, count = self._shape, len(self._target.value)
        steps = (count + shape.batch - 1) // shape.batch
        step = 0
        for epoch in range(shape.epochs):
            order = self._chance.permutation(count)
            twins = self._chance.random(count) < 0.4
            for start in range(0, count, shape.batch):
                step += 1
                done = step / (steps * shape.epochs)
                rate = shape.rate * min(done / 0.15, (1 - done) / 0.85 + 1e-3)
                self._step(order[start : start + shape.batch], twins, rate, step)
            if progress is not None:
                progress((epoch + 1) / shape.epochs)

    def _step(self, rows: Ints, twins: NDArray[np.bool_], rate: float, step: int) -> None:
        shape, net, chance = self._shape, self.net, self._chance
        rows = np.concatenate((rows[~twins[rows]], rows[twins[rows]]))
        raw, words = self._seen(rows, twins)
        bag, scale = bag_of(net.bag, words)
        keep = (chance.random((len(rows), 1)) >= shape.drop_bag).astype(np.float32)
        x = np.concatenate((raw, bag * keep), axis=1)
        before = x @ net.enter + net.enter_bias
        gate = 1 / (1 + np.exp(np.float32(-1.702) * before))
        drop = (chance.random(before.shape, np.float32) >= shape.drop).astype(np.float32) / np.float32(
            1 - shape.drop
        )
        hidden = before * gate * drop
        k, h, _ = net.leave.shape
        parts = hidden.reshape(len(rows), k, h).transpose(1, 0, 2)
        answers = parts @ net.leave + net.leave_bias
        first = self._target.first_token
        answers[:, :, :first] = 1 / (1 + np.exp(-answers[:, :, :first]))
        error = (answers - self._target.value[rows]) * self._target.weight[rows]
        error *= (self._shown[rows].T)[:, :, None] / len(rows)
        g_parts = error @ net.leave.transpose(0, 2, 1)
        g_before = g_parts.transpose(1, 0, 2).reshape(len(rows), k * h) * drop
        g_before *= gate * (1 + np.float32(1.702) * before * (1 - gate))
        g_bag = (g_before @ net.enter[raw.shape[1] :].T) * keep * scale
        self._adam("enter", x.T @ g_before, rate, step)
        self._adam("enter_bias", g_before.sum(axis=0), rate, step)
        self._adam("leave", parts.transpose(0, 2, 1) @ error, rate, step)
        self._adam("leave_bias", error.sum(axis=(0, 1)), rate, step)
        self._adam_rows(words, g_bag, rate, step)

    def _seen(self, rows: Ints, twins: NDArray[np.bool_]) -> tuple[Floats, Ragged]:
        """Fixed inputs and hashed entries of rows, some in their disturbed form (those come last)."""
        plain, other = rows[~twins[rows]], rows[twins[rows]]
        words = self._blocks[1].words.take(other).after(self._blocks[0].words.take(plain))
        return np.concatenate((inputs(self._blocks[0], plain), inputs(self._blocks[1], other))), words

    def _adam(self, name: str, gradient: Floats, rate: float, step: int) -> None:
        weight, (m, v) = getattr(self.net, name), self._moments[name]
        m += (1 - BETAS[0]) * (gradient - m)
        v += (1 - BETAS[1]) * (gradient * gradient - v)
        fix = np.sqrt(1 - BETAS[1] ** step) / (1 - BETAS[0] ** step)
        weight -= np.float32(rate * fix) * m / (np.sqrt(v) + np.float32(1e-8))
        if not name.endswith("bias"):
            weight *= np.float32(1 - rate * self._shape.decay)

    def _adam_rows(self, words: Ragged, gradient: Floats, rate: float, step: int) -> None:
        order = np.argsort(words.flat, kind="stable")
        owner = np.repeat(np.arange(len(gradient)), words.sizes)[order]
        rows, first = np.unique(words.flat[order], return_index=True)
        total = np.add.reduceat(gradient[owner] * words.often[order, None], first, axis=0)
        m, v = self._moments["bag"]
        new_m = m[rows] + (1 - BETAS[0]) * (total - m[rows])
        new_v = v[rows] + (1 - BETAS[1]) * (total * total - v[rows])
        m[rows], v[rows] = new_m, new_v
        change = np.float32(rate) * new_m / (np.sqrt(new_v) + np.float32(1e-7))
        self.net.bag[rows] = self.net.bag[rows] * np.float32(1 - rate * self._shape.decay) - change


NAMES = ("bag", "enter", "enter_bias", "leave", "leave_bias")
