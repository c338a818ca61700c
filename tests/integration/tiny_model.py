"""Builds the model that the vLLM nodes of this suite serve: a small Llama folder that counts "1 2 3 ...".

Its weights are set, not trained: the next token follows from the last one alone. That makes every answer known in advance,
so a stream that lost, repeated or restarted text is seen in the text itself, on a real engine with real tokenisation,
attention, paging and sampling around it. Nothing comes from the network, and the same folder comes out every time.

Usage, at the root of a checkout, in an environment with torch and transformers:
python -m tests.integration.tiny_model FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tests.integration.counting import CONTEXT_TOKENS, LAST

SEED = 20_26
WIDTH = 256
LAYERS = 4
VOCABULARY = 3_000
# How far the right next token stands above the rest. At 4 the others together have a chance below 1e-12, so that an
# answer sampled at temperature 1 is the same text.
PEAK = 4.0
SPECIALS = ("<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def build(folder: Path) -> None:
    """Writes configuration, weights, tokenizer and chat template into `folder`."""
    tokenizer = _tokenizer()
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>")
    wrapped.chat_template = TEMPLATE
    wrapped.save_pretrained(folder)
    _model(tokenizer).save_pretrained(folder)


def _tokenizer() -> Tokenizer:
    """Byte-level BPE. The merges are learnt from the numbers with and without a space, so that each is one token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    numbers = [f"{space}{number}" for number in range(1, LAST + 1) for space in ("", " ")]
    words = ["Count", " from", " one", ".", " Please", " count", " again", " slowly"]
    tokenizer.train_from_iterator([*numbers * 8, *words * 8], trainer)
    return tokenizer


def _successors(tokenizer: Tokenizer) -> dict[int, int]:
    """What follows each number and the start of an answer, as token ids. Raises ValueError for a number in pieces."""
    following = {_only(tokenizer, "<|assistant|>"): _only(tokenizer, "1")}
    for number in range(1, LAST + 1):
        after = f" {number + 1}" if number < LAST else "<|end|>"
        for space in ("", " "):
            following[_only(tokenizer, f"{space}{number}")] = _only(tokenizer, after)
    return following


def _only(tokenizer: Tokenizer, text: str) -> int:
    ids: list[int] = tokenizer.encode(text).ids
    if len(ids) != 1:
        raise ValueError(f"{text!r} is {len(ids)} tokens, not one")
    return ids[0]


def _model(tokenizer: Tokenizer) -> LlamaForCausalLM:
    """A Llama whose layers add nothing to the last token's embedding, and whose head reads the successor off it."""
    torch.manual_seed(SEED)
    size = tokenizer.get_vocab_size()
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=size,
            hidden_size=WIDTH,
            intermediate_size=688,
            num_hidden_layers=LAYERS,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=CONTEXT_TOKENS,
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=_only(tokenizer, "<|end|>"),
        )
    )
    embeddings = torch.nn.functional.normalize(torch.randn(size, WIDTH), dim=1)
    head = torch.zeros(size, WIDTH)
    for token, following in _successors(tokenizer).items():
        head[following] += PEAK * embeddings[token]
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(embeddings)
        model.lm_head.weight.copy_(head)
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    return model


if __name__ == "__main__":
    build(Path(sys.argv[1]))
