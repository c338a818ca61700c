"""The whole way from a seed to a model folder, in the order a reader would expect."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_runtime.engines.model_folder import MODEL
from edge_runtime.engines.onnx_intent import OnnxIntentEngine
from edge_runtime.nlu.catalogue import Catalogue, load_catalogue
from edge_runtime.nlu.decode import NEXT
from edge_runtime.training.body import Teacher, Widths, make_student
from edge_runtime.training.calibrate import fit_calibration, judge
from edge_runtime.training.evaluate import as_users_talk, held_out, report
from edge_runtime.training.export import export
from edge_runtime.training.features import Names, tag_names
from edge_runtime.training.fit import Plan, fit, teach
from edge_runtime.training.folder import UNCALIBRATED, write_labels, write_manifest, write_side_files
from edge_runtime.training.personal import KINDS
from edge_runtime.training.samples import Mix, Sample, Sampler
from edge_runtime.training.vocabulary import prune, whole_words

LOG = logging.getLogger(__name__)
TEST_SEED, VALID_SEED = 777, 555
CALIBRATION = 3000
"""Sentences that the confidence is fitted on."""

TASKS = ("command", "chat", "classify", "extract", "summarize", "embed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to make: ``steps`` of 24 sentences each."""

    out: Path
    seed: int
    steps: int
    test_count: int = 600


def make_model(order: Order) -> dict[str, Any]:
    """Writes the folder and returns its evaluation."""
    began = time.monotonic()
    catalogue = load_catalogue()
    names = names_of(catalogue)
    teacher = Teacher.load()
    vocabulary = prune(teacher.tokenizer_json)
    words = whole_words(teacher.tokenizer_json, held_out=False)
    plan = Plan(seed=order.seed, steps=order.steps)
    pool = draw_pool(catalogue, words, plan)
    torch.manual_seed(order.seed)
    student = make_student(teacher, vocabulary.kept, widths_of(names))
    loss = fit(student, teacher, pool, vocabulary.tokenizer, names, plan)
    order.out.mkdir(parents=True, exist_ok=True)
    export(student, order.out / MODEL)
    write_side_files(order.out, vocabulary.tokenizer)
    training = summary(order, loss, time.monotonic() - began)
    return finish(order, names, training, teacher)


def summary(order: Order, loss: float, wall_s: float) -> dict[str, Any]:
    """What the manifest says of the training."""
    return {
        "seed": order.seed,
        "steps": order.steps,
        "sentences": order.steps * Plan(seed=order.seed, steps=order.steps).batch,
        "final_loss": round(loss, 4),
        "wall_s": round(wall_s),
    }


def names_of(catalogue: Catalogue) -> Names:
    """Output positions of the two heads, in catalogue order."""
    slots = dict.fromkeys(slot for intent in catalogue.intents.values() for slot in intent.slots)
    return Names(
        intents=tuple(catalogue.intents),
        tags=tag_names((*slots, NEXT)),
        tasks=TASKS,
        personal=tag_names(KINDS),
    )


def widths_of(names: Names) -> Widths:
    return Widths(
        intents=len(names.intents),
        tags=len(names.tags),
        text=2 + len(names.tasks),
        personal=len(names.personal),
    )


def draw_pool(catalogue: Catalogue, words: Any, plan: Plan) -> list[Sample]:
    """Exactly the sentences that the planned steps consume."""
    sampler = Sampler(catalogue, words, Mix(), plan.seed)
    return [sampler.draw() for _ in range(plan.steps * plan.batch)]


def finish(order: Order, names: Names, training: dict[str, Any], teacher: Teacher) -> dict[str, Any]:
    """Calibrates on the calibration phrasings, measures on the second grammar, writes labels and manifest."""
    catalogue = load_catalogue()
    tokenizer_json = (order.out / "tokenizer.json").read_text(encoding="utf-8")
    words = whole_words(tokenizer_json, held_out=True)
    write_labels(order.out, names, UNCALIBRATED)
    write_manifest(order.out, training, {})
    engine = OnnxIntentEngine.load(order.out, verify=False)
    calibration = fit_calibration(
        judge(engine, as_users_talk(catalogue, words, "valid", CALIBRATION, VALID_SEED))
    )
    write_labels(order.out, names, calibration)
    engine = OnnxIntentEngine.load(order.out, verify=False)
    splits = held_out(catalogue, words, order.test_count, TEST_SEED)
    evaluation: dict[str, Any] = report(engine, splits)
    texts = [sample.text for samples in splits.values() for sample in samples[:40]]
    cosine = (engine.embed(texts) * teach(teacher, texts).numpy()).sum(-1)
    evaluation["sentence vector, cosine to teacher"] = {
        "mean": round(float(cosine.mean()), 4),
        "p05": round(float(np.percentile(cosine, 5)), 4),
    }
    write_manifest(order.out, training, evaluation)
    return evaluation
