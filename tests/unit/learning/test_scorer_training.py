"""A scorer fitted on a small synthetic folder learns what is hard and what is long, says when it does not know, and is the same to the byte when it is
fitted again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from router_core.adapters.scorer_weights import open_scorer, write_scorer
from router_core.errors import ConfigurationError
from router_core.learning.scorer import Scorer
from router_core.learning.scorer_file import packed, unpacked
from router_core.learning.scorer_targets import TIER_PAIRS, TargetScorer, pairs_of
from router_core.learning.training.crossval import question_folds, subject_folds
from router_core.learning.training.fit import Material
from router_core.learning.training.judged import judged, read_sources
from router_core.learning.training.network import Shape
from router_core.learning.training.packing import Arrays, material_of, stored_table, trained, weighed_table
from tests.unit.learning.tables_of_answers import EASY, HARD, MODELS, THINGS, write_tables

pytest.importorskip("pyarrow")
SMALL = Shape(nets=2, hidden=16, bag=8, epochs=12, rate=8e-3)
PIECES = ("please", "the", "and", "of", "set", "##s", *EASY, *HARD, *THINGS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tables(tmp_path_factory.mktemp("answers"))


@pytest.fixture(scope="module")
def material(folder: Path) -> tuple[Material, Arrays]:
    sources = read_sources(folder, only=("uid", "text", "domain", "group", "s:", "t:"))
    rows = judged(sources)
    vectors = np.random.default_rng(0).normal(size=(len(PIECES), 16)).astype(np.float32)
    table = weighed_table(stored_table(PIECES, vectors), rows.texts)
    return material_of(rows, table, {s.name: s.models for s in sources}, 0), table


def fitted(material: tuple[Material, Arrays]) -> bytes:
    every = np.arange(len(material[0].judged.uids))
    arrays, card, _ = trained(*material, every, seed=7, shape=SMALL)
    return packed(arrays, card)


@pytest.fixture(scope="module")
def weights(material: tuple[Material, Arrays]) -> bytes:
    return fitted(material)


@pytest.fixture(scope="module")
def scorer(weights: bytes) -> Scorer:
    return Scorer(*unpacked(weights))


def test_the_same_seed_gives_the_same_bytes(material: tuple[Material, Arrays], weights: bytes) -> None:
    assert hashlib.sha256(fitted(material)).digest() == hashlib.sha256(weights).digest()


def test_hard_questions_are_expected_to_go_wrong_on_the_device_and_to_run_long(scorer: Scorer) -> None:
    easy = scorer.predict("Please count the 12 apples and rivers of set 12")
    hard = scorer.predict("Please diagonalise the 12 apples and rivers of set 12")
    assert easy.quality[0] > hard.quality[0] + 0.1
    assert hard.quality[2] > hard.quality[0] + 0.1
    assert hard.tokens[0] > 3 * easy.tokens[0]


def test_case_and_spaces_change_nothing(scorer: Scorer) -> None:
    text = "Please integrate the 7 sets and graphs of set 7"
    assert scorer.predict(text) == scorer.predict(f"  {text.upper()}\n ") == scorer.predict(text)


def test_an_unlike_text_is_doubted_and_drawn_to_the_mean(scorer: Scorer) -> None:
    far = scorer.predict("SELECT * FROM t WHERE a = 1; $$ \\frac{1}{2} $$ ??? [tools] def f(x): (x) " * 9)
    assert far.doubt == 1.0
    assert scorer.predict("Please count the 12 apples and rivers of set 12").doubt == 0.0


@pytest.mark.parametrize("text", ["", " ", "\n\n", "é" * 5000, "\x00", "a" * 100_000, "??????"])
def test_any_text_has_a_finite_prediction(scorer: Scorer, text: str) -> None:
    found = scorer.predict(text)
    assert all(0.0 < q < 1.0 for q in found.quality)
    assert all(1.0 <= t <= 8192 for t in found.tokens)
    assert 0.0 <= found.doubt <= 1.0


def test_a_model_without_a_head_has_its_tiers(scorer: Scorer) -> None:
    text = "Please name the 3 verbs and planets of set 3"
    unknown = TargetScorer(scorer, pairs_of(("nobody", "knows", "these"))).predict(text)
    tiers = TargetScorer(scorer, TIER_PAIRS).predict(text)
    assert unknown == tiers
    own = TargetScorer(scorer, pairs_of(MODELS)).predict(text)
    assert own.quality != tiers.quality


def test_folds_never_share_a_group_and_subject_folds_no_subject(material: tuple[Material, Arrays]) -> None:
    rows = material[0].judged
    for fit, judge in question_folds(rows, 3):
        assert not set(rows.groups[fit]) & set(rows.groups[judge])
    for fit, judge in subject_folds(rows):
        seen = {(int(rows.source[i]), rows.domains[i]) for i in fit}
        assert not seen & {(int(rows.source[i]), rows.domains[i]) for i in judge}


def test_weights_are_written_with_a_card_and_a_changed_byte_is_found(
    tmp_path: Path, material: tuple[Material, Arrays], weights: bytes
) -> None:
    arrays, card = unpacked(weights)
    file = tmp_path / "scorer.bin"
    assert write_scorer(file, arrays, card) == hashlib.sha256(weights).hexdigest()
    assert open_scorer(file).predict("count apples") == Scorer(arrays, card).predict("count apples")
    damaged = bytearray(weights)
    damaged[-70] ^= 1
    (tmp_path / "other.bin").write_bytes(bytes(damaged))
    (tmp_path / "other.json").write_text((tmp_path / "scorer.json").read_text())
    with pytest.raises(ConfigurationError, match="checksum"):
        open_scorer(tmp_path / "other.bin")


@pytest.mark.parametrize("cut", [0, 8, 20, 400, 5000])
def test_a_cut_file_is_an_error_and_not_a_crash(weights: bytes, cut: int) -> None:
    with pytest.raises(ConfigurationError):
        Scorer(*unpacked(weights[:cut]))
