"""The solver: answers by word overlap with the sentences that a prompt shows, without a language model.

After the information-retrieval solver of ARC (Clark et al., "Think you have Solved Question Answering?", 2018,
section 3.1), which searches for every choice together with its question and takes the choice with the best hit. Here

  score(choice) = max over sentences s of BM25(choice, s) * BM25(question, s)

so that, as there, a hit must share something with both. Sentences are those of the passages and of the item's own
지문; terms are content morphemes and character bigrams. On the 160 multiple-choice items of the bundled train and dev
split, five passages retrieved: .41 correct; .38 with the sum in place of the product; .24 without passages, by chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import fsum, log

from configs.reader import Channel
from index_build.terms import Analyser, analyser_identity, bigram_text, bigrams
from rag.budget import sentences
from rag.reader import Generation, Identity, Prompt
from rag.tokens import EstimatedWording, Wording

_VERSION = 1
_WINDOW = 1 << 20
_K1, _B = 0.8, 0.75
_CACHED = 1 << 14  # sentences whose terms are kept: the same passages are shown for many questions


@dataclass(frozen=True, slots=True)
class _Bag:
    """A sentence as terms, morphemes and bigrams apart."""

    text: str
    fields: tuple[Counter[str], Counter[str]]


class SolverReader:
    """Scores choices by BM25 over the sentences shown. Without any, all choices are equal."""

    def __init__(self) -> None:
        analyser: list[Analyser] = []  # loaded with the first question: Kiwi takes two seconds

        @lru_cache(maxsize=_CACHED)
        def bag(text: str) -> _Bag:
            if not analyser:
                analyser.append(Analyser())
            codes, _ = bigrams([text])
            return _Bag(text, (Counter(analyser[0].terms(text)), Counter(map(bigram_text, codes.tolist()))))

        self._bag = bag
        self._wording = EstimatedWording(_WINDOW)
        self._identity = Identity("solver", {"version": _VERSION, "k1": _K1, "b": _B, **analyser_identity(None)})

    @property
    def identity(self) -> Identity:
        """Its version, its parameters and the analyser's version."""
        return self._identity

    @property
    def wording(self) -> Wording:
        """Plain text in a window of a million estimated tokens."""
        return self._wording

    @property
    def channels(self) -> frozenset[Channel]:
        """Scores of choices; and a sentence for what is no multiple choice."""
        return frozenset({"labels", "generate"})

    @property
    def peak_memory(self) -> int | None:
        """None: there is no model."""
        return None

    def label_logprobs(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        """log((1 + score) / sum of (1 + score)): equal where no sentence is shown or none is to the point."""
        return [self._logprobs(prompt) for prompt in prompts]

    def text_loglikelihoods(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        """The same."""
        return self.label_logprobs(prompts)

    def generate(self, prompts: Sequence[Prompt]) -> list[Generation]:
        """The sentence shown that is nearest to the question; "" without sentences. For choices, a label."""
        texts = [self._written(prompt) for prompt in prompts]
        return [Generation(text, self._wording.count(text), is_cut=False) for text in texts]

    def stream(self, prompt: Prompt) -> Iterator[str]:
        """The same, in one piece."""
        yield self._written(prompt)

    def _logprobs(self, prompt: Prompt) -> tuple[float, ...]:
        bags = self._shown(prompt)
        if not bags:
            return tuple(-log(len(prompt.question.choices)) for _ in prompt.question.choices)
        by_question = _bm25(self._asked(prompt), bags)
        scores = []
        for choice in prompt.question.choices:
            by_choice = _bm25(self._bag(choice), bags)
            scores.append(max(a * b for a, b in zip(by_choice, by_question, strict=True)))
        total = fsum(1 + score for score in scores)
        return tuple(log((1 + score) / total) for score in scores)

    def _written(self, prompt: Prompt) -> str:
        bags = self._shown(prompt)
        if prompt.question.choices:
            scores = self._logprobs(prompt)
            return str(scores.index(max(scores)) + 1) if len(set(scores)) > 1 else ""
        if not bags:
            return ""
        nearness = _bm25(self._asked(prompt), bags)
        best = max(range(len(bags)), key=lambda row: (nearness[row], -row))
        return bags[best].text if nearness[best] > 0 else ""

    def _asked(self, prompt: Prompt) -> _Bag:
        return self._bag(f"{prompt.question.question}\n{prompt.question.box}")

    def _shown(self, prompt: Prompt) -> list[_Bag]:
        texts = [prompt.question.paragraph, *(passage.text for passage in prompt.passages)]
        return [self._bag(sentence) for text in texts for sentence in sentences(text)]


def _bm25(query: _Bag, bags: Sequence[_Bag]) -> list[float]:
    """The score of every sentence, both fields added; frequencies of terms are those among the sentences."""
    scores = [0.0] * len(bags)
    for field, terms in enumerate(query.fields):
        counters = [bag.fields[field] for bag in bags]
        lengths = [counter.total() for counter in counters]
        average = max(sum(lengths) / max(len(bags), 1), 1e-9)
        for term, count in terms.items():
            rows = [(row, counter[term]) for row, counter in enumerate(counters) if term in counter]
            gain = count * log(1 + (len(bags) - len(rows) + 0.5) / (len(rows) + 0.5)) * (_K1 + 1)
            for row, tf in rows:
                scores[row] += gain * tf / (tf + _K1 * (1 - _B + _B * lengths[row] / average))
    return scores
