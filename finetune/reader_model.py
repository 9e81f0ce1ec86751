"""The embedded reader: a small Qwen3 with tied embeddings, its first weights random or wired."""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import Qwen3Config, Qwen3ForCausalLM

from configs.reader_training import ReaderModelSettings
from finetune.reader_tokenizer import END, PAD
from finetune.reader_wiring import wire


def new_model(tokenizer: Tokenizer, settings: ReaderModelSettings, *, seed: int) -> Any:
    """The model before training, in fp32. Same arguments, same weights."""
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=settings.vocabulary,
        hidden_size=settings.hidden,
        intermediate_size=settings.mlp,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        head_dim=settings.head_dim,
        max_position_embeddings=settings.window,
        rope_parameters={"rope_type": "default", "rope_theta": settings.rope_theta},
        tie_word_embeddings=True,
        eos_token_id=tokenizer.token_to_id(END),
        pad_token_id=tokenizer.token_to_id(PAD),
        bos_token_id=None,
        attention_dropout=0.0,
        initializer_range=0.02,
    )
    model: Any = Qwen3ForCausalLM(config)  # type: ignore[no-untyped-call]
    if settings.first_weights == "wired":
        wire(model, tokenizer, seed=seed)
    return model
