"""Pairs of texts -> token vectors: Unigram tokenizer, first vectors from LSA, then contrastive training.

Loss of a batch: cross-entropy of scale * cos(anchor, positive) over all positives (and hard negatives), and the same
from positives to anchors, averaged over the Matryoshka lengths. Sources: van den Oord et al. 2018 (InfoNCE),
Henderson et al. 2017 (in-batch negatives), Kusupati et al. 2022 (Matryoshka), Deerwester et al. 1990 (LSA).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from scipy.sparse import csr_array
from sklearn.decomposition import TruncatedSVD
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from tqdm import tqdm

from configs.dense import EncoderTrainingSettings
from finetune.encoder_pairs import Pair
from index_build.encoder import normalised

_UNKNOWN = "[UNK]"


@dataclass(frozen=True, slots=True)
class Ragged:
    """Rows of token ids of unequal length, end to end."""

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]  # where each row starts, and the end of the last; shape [rows + 1]

    def take(self, rows: NDArray[np.int64]) -> Ragged:
        """Some rows, in the order asked for."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        places = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths) + np.repeat(self.offsets[rows], lengths)
        return Ragged(self.ids[places], offsets)

    def owners(self) -> NDArray[np.int64]:
        """The row of every id."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


@dataclass(frozen=True, slots=True)
class Encoded:
    """The pairs of one source as token ids; `groups` numbers pairs that are not each other's negatives."""

    anchors: Ragged
    positives: Ragged
    negatives: Ragged  # an empty row = none of its own
    groups: NDArray[np.int64]
    negative_groups: NDArray[np.int64]  # the group that a negative is the positive of; -1 = none

    def __len__(self) -> int:
        return len(self.groups)


def train_tokenizer(texts: Iterator[str], settings: EncoderTrainingSettings) -> Tokenizer:
    """A Unigram tokenizer over lower-cased words, numbers and punctuation; spaces leave no trace.

    Without marks at word starts, 은행 and 한국은행 share a token.
    """
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits()])
    tokenizer.train_from_iterator(
        texts,
        trainers.UnigramTrainer(
            vocab_size=settings.vocabulary,
            special_tokens=[_UNKNOWN],
            unk_token=_UNKNOWN,
            max_piece_length=8,
            n_sub_iterations=2,
            show_progress=False,
        ),
    )
    tokenizer.model = _in_order(tokenizer)
    return tokenizer


def _in_order(tokenizer: Tokenizer) -> models.Unigram:
    """The tokenizer's model with its pieces by score, equal ones by their letters, the unknown token first.

    The trainer gives pieces of equal score in an order of chance and sums floats in one, so scores are rounded.
    """
    pieces = json.loads(tokenizer.to_str())["model"]["vocab"]
    scored = sorted(((piece, round(score, 5)) for piece, score in pieces[1:]), key=lambda one: (-one[1], one[0]))
    return models.Unigram([(_UNKNOWN, 0.0), *scored], unk_id=0)


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> Ragged:
    """Texts as token ids."""
    rows: list[NDArray[np.int32]] = []
    for begin in range(0, len(texts), 4_096):
        encodings = tokenizer.encode_batch_fast(list(texts[begin : begin + 4_096]), add_special_tokens=False)
        rows.extend(np.array(encoding.ids, dtype=np.int32) for encoding in encodings)
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return Ragged(np.concatenate([np.zeros(0, np.int32), *rows]), offsets)


def sampled(pairs: Mapping[str, Encoded], every: int) -> Ragged:
    """Every so manieth positive of each source, sources in order of their names."""
    parts = [pairs[name].positives.take(np.arange(0, len(pairs[name]), every)) for name in sorted(pairs)]
    offsets = np.concatenate([[0], *(np.diff(part.offsets) for part in parts)]).cumsum()
    return Ragged(np.concatenate([part.ids for part in parts]), offsets)


def encode_pairs(tokenizer: Tokenizer, pairs: Mapping[str, Sequence[Pair]]) -> dict[str, Encoded]:
    """Every source's pairs as token ids; sources without pairs are left out."""
    return {
        source: Encoded(
            encode(tokenizer, [pair.anchor for pair in found]),
            encode(tokenizer, [pair.positive for pair in found]),
            encode(tokenizer, [pair.negative for pair in found]),
            np.unique([pair.group for pair in found], return_inverse=True)[1].astype(np.int64),
            np.full(len(found), -1, dtype=np.int64),
        )
        for source, found in tqdm(pairs.items(), desc="tokenise", unit=" sources", disable=None)
        if found
    }


def first_vectors(texts: Ragged, size: int, settings: EncoderTrainingSettings) -> NDArray[np.float32]:
    """Token vectors by latent semantic analysis and chance; shape [size, dimensions].

    v(t) = idf(t) * (unit LSA vector of t + noise * random unit vector of t). The first part says what a token
    means, the second keeps tokens apart: with LSA alone nDCG@10 on boolq dev is .73, with both .76.
    """
    shape = (len(texts.offsets) - 1, size)
    counts = csr_array((np.ones(len(texts.ids), np.float32), texts.ids, texts.offsets), shape=shape)
    counts.sum_duplicates()
    frequencies = np.bincount(counts.indices, minlength=size)
    idf = np.log((shape[0] + 1) / (frequencies + 1)).astype(np.float32)
    counts.data = (1 + np.log(counts.data)) * idf[counts.indices]
    lengths = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1))).ravel()
    counts.data /= np.repeat(np.maximum(lengths, 1e-9), np.diff(counts.indptr))
    svd = TruncatedSVD(settings.dimensions, n_iter=3, random_state=settings.seed).fit(counts)
    meaning = normalised((svd.components_.T / np.sqrt(np.maximum(svd.singular_values_, 1e-6))).astype(np.float32))
    chance = np.random.default_rng(settings.seed).normal(size=meaning.shape).astype(np.float32)
    vectors: NDArray[np.float32] = idf[:, None] / idf.mean() * (meaning + settings.noise * normalised(chance))
    return vectors


def batch_of(pairs: Encoded, step: int, settings: EncoderTrainingSettings) -> NDArray[np.int64]:
    """The rows of a step's batch: runs of neighbouring pairs from random places; the same for the same step."""
    generator = np.random.default_rng([settings.seed, step])
    runs = -(-settings.batch // settings.neighbours)
    starts = generator.integers(0, max(len(pairs) - settings.neighbours, 1), runs)
    rows = (starts[:, None] + np.arange(settings.neighbours)).ravel() % len(pairs)
    return np.unique(rows)[: settings.batch]


def without_shared(anchors: Ragged, positives: Ragged, dropped: NDArray[np.bool_], size: int) -> Ragged:
    """The positives with the tokens taken out that their anchor has too, in the rows where `dropped` is true.

    So the vectors must learn what BM25 cannot see. A row that would be left empty keeps its tokens.
    """
    shared = np.isin(positives.owners() * size + positives.ids, anchors.owners() * size + anchors.ids)
    rows = len(dropped)
    left = np.bincount(positives.owners(), weights=~shared, minlength=rows)
    keep = ~(shared & (dropped & (left > 0))[positives.owners()])
    offsets = np.zeros(rows + 1, dtype=np.int64)
    np.cumsum(np.bincount(positives.owners()[keep], minlength=rows), out=offsets[1:])
    return Ragged(positives.ids[keep], offsets)


class Trainer:
    """Token vectors under training, with a checkpoint from which an interrupted run goes on."""

    def __init__(self, vectors: NDArray[np.float32], settings: EncoderTrainingSettings, checkpoint: Path) -> None:
        torch.set_num_threads(settings.threads)
        self._settings = settings
        self._path = checkpoint
        self._bag = torch.nn.EmbeddingBag.from_pretrained(torch.from_numpy(vectors.copy()), freeze=False, mode="mean")
        self._optimiser = torch.optim.Adam(self._bag.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99))
        self._step = 0
        if checkpoint.is_file():
            self._resume()

    @property
    def vectors(self) -> NDArray[np.float32]:
        """The token vectors as they are now; shape [tokens, dimensions]."""
        found: NDArray[np.float32] = self._bag.weight.detach().numpy().copy()
        return found

    def run(self, sources: Mapping[str, Encoded], look: Callable[[int, NDArray[np.float32]], None]) -> None:
        """Train to the last step; `look` is called with step and vectors at every checkpoint."""
        names = sorted(sources)
        shares = np.array([self._settings.shares.get(name, 0.0) for name in names])
        plan = np.random.default_rng(self._settings.seed).choice(names, self._settings.steps, p=shares / shares.sum())
        bar = tqdm(total=self._settings.steps, initial=self._step, desc="train", unit=" steps", disable=None)
        while self._step < self._settings.steps:
            loss = self._advance(sources[plan[self._step]])
            self._step += 1
            bar.update()
            if self._step % self._settings.checkpoint == 0 or self._step == self._settings.steps:
                bar.set_postfix(loss=f"{loss:.3f}")
                self._save()
                look(self._step, self.vectors)
        bar.close()
        self._path.unlink(missing_ok=True)

    def _advance(self, pairs: Encoded) -> float:
        for group in self._optimiser.param_groups:
            # warm-up over a fiftieth of the steps, then down to zero in a line
            warm = min(1.0, 50 * (self._step + 1) / self._settings.steps)
            group["lr"] = self._settings.learning_rate * warm * (1 - self._step / self._settings.steps)
        loss = self._loss(pairs, batch_of(pairs, self._step, self._settings))
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward([loss])
        self._optimiser.step()
        return float(loss.detach())

    def _loss(self, pairs: Encoded, rows: NDArray[np.int64]) -> torch.Tensor:
        anchors, positives = pairs.anchors.take(rows), pairs.positives.take(rows)
        generator = np.random.default_rng([self._settings.seed, self._step, 1])
        dropped = generator.random(len(rows)) < self._settings.drop_shared
        negatives = pairs.negatives.take(rows)
        positives, negatives = (
            without_shared(anchors, side, dropped, self._bag.num_embeddings) for side in (positives, negatives)
        )
        groups = pairs.groups[rows]
        same = (groups[:, None] == groups[None, :]) & ~np.eye(len(rows), dtype=np.bool_)
        # a negative is none for the anchors that it belongs to, and an empty one is none at all
        missing = np.diff(negatives.offsets) == 0
        own = (groups[:, None] == pairs.negative_groups[rows][None, :]) | missing[None, :]
        sides = (self._pool(anchors), self._pool(positives), self._pool(negatives))
        masks = (torch.from_numpy(same), torch.from_numpy(own))
        return torch.stack([self._contrast(sides, masks, length) for length in self._settings.matryoshka]).mean()

    def _contrast(
        self, sides: tuple[torch.Tensor, ...], masks: tuple[torch.Tensor, torch.Tensor], length: int
    ) -> torch.Tensor:
        """The loss of (anchors, positives, negatives) cut to a length; masks: what is no negative of which anchor."""
        one, other, worse = (torch.nn.functional.normalize(side[:, :length], dim=1) for side in sides)
        cosines = (self._settings.scale * one @ other.T).masked_fill(masks[0], -1e4)
        hard = (self._settings.scale * one @ worse.T).masked_fill(masks[1], -1e4)
        targets = torch.arange(len(one))
        entropy = torch.nn.functional.cross_entropy
        return (entropy(torch.cat([cosines, hard], dim=1), targets) + entropy(cosines.T, targets)) / 2

    def _pool(self, texts: Ragged) -> torch.Tensor:
        pooled: torch.Tensor = self._bag(
            torch.from_numpy(texts.ids.astype(np.int64)), torch.from_numpy(texts.offsets[:-1])
        )
        return pooled

    def _save(self) -> None:
        state = self._optimiser.state[self._bag.weight]
        tensors = {
            "weight": self._bag.weight.detach(),
            **{name: state[name] for name in ("step", "exp_avg", "exp_avg_sq")},
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(f".{self._path.name}")
        save_file(tensors | {"steps": torch.tensor(self._step)}, temporary)
        temporary.replace(self._path)

    def _resume(self) -> None:
        saved = load_file(self._path)
        with torch.no_grad():
            self._bag.weight.copy_(saved["weight"])
        self._optimiser.state[self._bag.weight] = {name: saved[name] for name in ("step", "exp_avg", "exp_avg_sq")}
        self._step = int(saved["steps"])
