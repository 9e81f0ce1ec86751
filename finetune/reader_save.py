"""A trained reader -> the folder that transformers loads: weights in bf16, tokenizer, chat template, manifest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from configs.reader_training import ReaderTrainingSettings
from finetune.reader_tokenizer import as_pretrained
from index_build.manifest import remove
from rag.embedded import NAME, write_manifest


def save(out: Path, model: Any, tokenizer: Tokenizer, settings: ReaderTrainingSettings) -> None:
    """Write a reader's folder. The manifest goes first and comes last, so a torn folder is never taken for whole."""
    part = out.with_name(f".{out.name}.{os.getpid()}")
    remove(part)
    part.mkdir(parents=True)
    as_pretrained(tokenizer, settings.model).save_pretrained(part)
    model.to(torch.bfloat16).save_pretrained(part)
    out.mkdir(parents=True, exist_ok=True)
    (out / NAME).unlink(missing_ok=True)
    for path in sorted(part.iterdir()):
        path.chmod(0o644)
        path.replace(out / path.name)
    part.rmdir()
    write_manifest(out)
