"""What `tierwise train`, `predict` and `evaluate` can be asked. Nothing but argparse is imported."""

from __future__ import annotations

import argparse

Parser = argparse.ArgumentParser


def train_arguments(parser: Parser) -> None:
    """Where from, where to, and the seed that fixes the result to the byte."""
    _data(parser)
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="where the weights go; a card goes beside them"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of every random choice (default 0)")
    parser.add_argument("--table", metavar="NPZ", help="a word table distilled anew (else the packaged one)")


def predict_arguments(parser: Parser) -> None:
    """Which questions, which weights, and where the lines go."""
    _data(parser)
    parser.add_argument("--out", required=True, metavar="JSONL", help="where the predictions go")
    _model(parser)


def evaluate_arguments(parser: Parser) -> None:
    """Which predictions are judged."""
    _data(parser)
    parser.add_argument("--pred", metavar="JSONL", help="predictions to judge (else they are made now)")
    parser.add_argument("--split", nargs="+", metavar="NAME", help="only rows of these splits")
    _model(parser)


def _data(parser: Parser) -> None:
    parser.add_argument(
        "--data", metavar="DIR", help="folder of tables and manifest.json (else TIERWISE_ROUTING_DATA)"
    )


def _model(parser: Parser) -> None:
    parser.add_argument("--model", metavar="FILE", help="weights to use (else the packaged ones)")
