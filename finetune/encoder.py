"""python -m finetune encoder --data DIR [--out DIR] [--set finetune.encoder.KEY=VALUE ...]
python -m finetune encoder --data DIR --report [--out DIR]

Trains the embedded encoder on open Korean data, choosing by dev sets, and writes a sentence-transformers folder.
--report judges the encoder at --out by the test sets instead. What DIR must hold: docs/encoder.md.

Example: python -m finetune encoder --data data --out models/encoder
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from configs import load
from configs.dense import EncoderTrainingSettings
from configs.errors import UserError
from finetune.encoder_dev import Figures, judge, load_sets
from finetune.encoder_pairs import load_pairs
from index_build.encoder import EMBEDDED_FOLDER, StaticEncoder, load_static
from index_build.manifest import remove

_PART = "0_StaticEmbedding"
_MODULES = "sentence_transformers.sentence_transformer.modules"


def main_encoder(argv: list[str]) -> int:
    """Train the encoder, or report its test figures as one JSON object."""
    parser = argparse.ArgumentParser(
        prog="python -m finetune encoder", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, default=EMBEDDED_FOLDER, metavar="DIR")
    parser.add_argument("--report", action="store_true", help="the test figures of the encoder at --out")
    parser.add_argument("--config", type=Path, metavar="FILE")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    args = parser.parse_args(argv)
    settings = load(args.config, args.overrides).finetune.encoder
    if args.report:
        print(json.dumps(asdict(judge(load_static(args.out), load_sets(args.data, "test")))))
        return 0
    figures = train(args.data, args.out, settings)
    print(json.dumps(asdict(figures)))
    print(f"encoder: {args.out}")
    return 0


def train(folder: Path, out: Path, settings: EncoderTrainingSettings) -> Figures:
    """Train an encoder on the data of a folder and write it to `out`; its figures on dev.

    An interrupted run goes on from its last checkpoint, beside `out`. Raises UserError when data are missing.
    """
    from finetune.encoder_negatives import with_hard_negatives
    from finetune.encoder_train import Trainer, encode_pairs, first_vectors, sampled, train_tokenizer  # torch

    if max(settings.matryoshka) > settings.dimensions:
        raise UserError(f"finetune.encoder.matryoshka: found {max(settings.matryoshka)}; at most {settings.dimensions}")
    os.environ["RAYON_NUM_THREADS"] = str(settings.threads)  # the tokenizer's own pool
    sets = load_sets(folder, "dev")
    pairs = load_pairs(folder)
    work = out.with_name(f".{out.name}.training")
    work.mkdir(parents=True, exist_ok=True)
    saved = work / "tokenizer.json"
    if not saved.is_file():
        chosen = (pair for found in pairs.values() for pair in found[:: settings.every])
        texts = (text for pair in chosen for text in (pair.positive, pair.anchor))
        train_tokenizer(texts, settings).save(str(saved))
    tokenizer = Tokenizer.from_file(str(saved))
    encoded = encode_pairs(tokenizer, pairs)
    for name in sorted({*settings.bm25_negatives} & {*encoded}):
        encoded[name] = with_hard_negatives(encoded[name], tokenizer.get_vocab_size(), source=name)
    vectors = first_vectors(sampled(encoded, settings.every), tokenizer.get_vocab_size(), settings)
    trainer = Trainer(vectors, settings, work / "checkpoint.safetensors")

    def look(step: int, now: NDArray[np.float32]) -> None:
        print(f"step {step}: {json.dumps(asdict(judge(StaticEncoder(tokenizer, now), sets)))}", file=sys.stderr)

    trainer.run(encoded, look)
    save(out, tokenizer, trainer.vectors)
    remove(work)
    return judge(load_static(out), sets)


def save(out: Path, tokenizer: Tokenizer, vectors: NDArray[np.float32]) -> None:
    """Write an encoder as sentence-transformers reads it: static embedding in half precision, then normalisation."""
    for name in (_PART, "1_Normalize"):
        (out / name).mkdir(parents=True, exist_ok=True)
    modules = [
        {"idx": 0, "name": "0", "path": _PART, "type": f"{_MODULES}.StaticEmbedding"},
        {"idx": 1, "name": "1", "path": "1_Normalize", "type": f"{_MODULES}.Normalize"},
    ]
    config = {
        "model_type": "SentenceTransformer",
        "prompts": {"query": "", "document": ""},
        "default_prompt_name": None,
        "similarity_fn_name": "cosine",
    }
    _replace(out / _PART / "tokenizer.json", tokenizer.to_str().encode())
    temporary = out / _PART / ".model.safetensors"
    save_file({"embedding.weight": vectors.astype(np.float16)}, temporary)
    temporary.replace(out / _PART / "model.safetensors")
    _replace(out / "1_Normalize" / "config.json", b"{}\n")
    _replace(out / "config_sentence_transformers.json", json.dumps(config, indent=1).encode() + b"\n")
    _replace(out / "modules.json", json.dumps(modules, indent=1).encode() + b"\n")


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.write_bytes(content)
    temporary.replace(path)
