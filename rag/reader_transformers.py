"""The transformers reader: a causal language model on this machine's CPU or GPU."""

from __future__ import annotations

import inspect
import resource
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jinja2 import TemplateError

from configs.reader import Channel, TransformersSettings
from rag.batching import OutOfMemoryError, in_batches
from rag.continuations import Plan, plan
from rag.hf_model import Loaded, load_model
from rag.reader import Generation, Identity, Prompt
from rag.tokens import Message, Rendered, Wording, plain


def load_reader(settings: TransformersSettings) -> TransformersReader:
    """The reader of the settings; see `load_model` for what it raises."""
    return TransformersReader(load_model(settings), settings)


class ModelWording:
    """A model's tokenizer and chat template, or plain text where it has none."""

    def __init__(self, loaded: Loaded, *, thinking: bool) -> None:
        self._tokenizer = loaded.tokenizer
        self._is_chat = loaded.is_chat
        self._thinking = thinking
        self._window = loaded.window

    @property
    def window(self) -> int:
        """What the settings or the model's configuration say."""
        return self._window

    def count(self, text: str) -> int:
        """Tokens, without special ones that the tokenizer would add."""
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def encode(self, text: str) -> list[int]:
        """Token ids of a rendered text; in plain text the tokenizer opens the sequence, a template has done so."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=not self._is_chat)["input_ids"]
        return ids

    def render(self, messages: Sequence[Message]) -> Rendered:
        """The chat template's text up to where the assistant begins; a system turn that it refuses joins the user's."""
        if not self._is_chat:
            return plain(messages)
        try:
            return Rendered(self._templated(messages), "")
        except TemplateError:
            system, first, *rest = messages
            joined = Message(first.role, f"{system.content}\n\n{first.content}")
            return Rendered(self._templated([joined, *rest]), "")

    def _templated(self, messages: Sequence[Message]) -> str:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        text: str = self._tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True, enable_thinking=self._thinking
        )
        return text


class TransformersReader:
    """Scores and writes with a loaded model; batches are sorted by length and padded on the left."""

    def __init__(self, loaded: Loaded, settings: TransformersSettings) -> None:
        self._model = loaded.model
        self._tokenizer = loaded.tokenizer
        self._settings = settings
        self._identity = loaded.identity
        self._wording = ModelWording(loaded, thinking=settings.thinking)
        base = loaded.model.get_base_model() if hasattr(loaded.model, "get_base_model") else loaded.model
        # the head over the vocabulary is the dearest layer of a small model: apply it only where scores are read
        self._can_keep = "logits_to_keep" in inspect.signature(base.forward).parameters
        padding = loaded.tokenizer.pad_token_id
        self._padding = int(padding if padding is not None else (loaded.tokenizer.eos_token_id or 0))

    @property
    def identity(self) -> Identity:
        """Digests of weights, adapter and template; precision, device, window and versions."""
        return self._identity

    @property
    def wording(self) -> Wording:
        """The model's own."""
        return self._wording

    @property
    def channels(self) -> frozenset[Channel]:
        """All; only the written ones while the model thinks, for an answer does not follow its prompt then."""
        written: frozenset[Channel] = frozenset({"generate", "reason"})
        return written if self._settings.thinking else written | {"labels", "texts", "texts_per_character"}

    @property
    def peak_memory(self) -> int | None:
        """Bytes: of tensors on the GPU, else of the process."""
        if self._model.device.type == "cuda":
            return int(torch.cuda.max_memory_allocated())
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def label_logprobs(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        """log P(label | prompt), tokens summed; one row of tokens per prompt where labels are single tokens."""
        return self._score([self._planned(prompt, prompt.labels) for prompt in prompts])

    def text_loglikelihoods(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        """log P(text of the choice | prompt), tokens summed."""
        return self._score([self._planned(prompt, prompt.question.choices) for prompt in prompts])

    def generate(self, prompts: Sequence[Prompt]) -> list[Generation]:
        """Greedy: neither sampling nor repetition penalty, whatever the model's own generation settings say."""
        encoded = [self._wording.encode(prompt.text) for prompt in prompts]

        def run(rows: list[int]) -> list[Generation]:
            longest = max(prompts[row].max_new_tokens for row in rows)
            written = self._written([encoded[row] for row in rows], longest)
            return [self._cut(ids, prompts[row]) for ids, row in zip(written, rows, strict=True)]

        lengths = [len(ids) + prompt.max_new_tokens for ids, prompt in zip(encoded, prompts, strict=True)]
        return self._batched(lengths, run)

    def stream(self, prompt: Prompt) -> Iterator[str]:
        """The same for one prompt, as it is written."""
        from transformers import TextIteratorStreamer

        streamer = TextIteratorStreamer(self._tokenizer, skip_prompt=True, skip_special_tokens=True)
        ids, mask = self._padded([self._wording.encode(prompt.text)])
        arguments = {"input_ids": ids, "attention_mask": mask, "streamer": streamer}
        arguments["generation_config"] = self._greedy(prompt.max_new_tokens)

        def write() -> None:
            try:
                self._model.generate(**arguments)
            finally:
                streamer.end()  # type: ignore[no-untyped-call]  # or whoever reads would wait for ever

        worker = threading.Thread(target=write, daemon=True)
        worker.start()
        yield from streamer
        worker.join()

    def _planned(self, prompt: Prompt, answers: Sequence[str]) -> Plan:
        return plan(prompt.text, [prompt.lead + answer for answer in answers], self._wording.encode)

    def _score(self, plans: Sequence[Plan]) -> list[tuple[float, ...]]:
        flat = [(number, row) for number, made in enumerate(plans) for row in range(len(made.rows))]
        wanted = [[scored for scored in plans[number].scored if scored.row == row] for number, row in flat]

        def run(places: list[int]) -> list[list[float]]:
            rows = [plans[flat[place][0]].rows[flat[place][1]] for place in places]
            keep = max(
                len(row) - min(scored.first for scored in wanted[place])
                for row, place in zip(rows, places, strict=True)
            )
            logits = self._logits(rows, keep)
            return [
                [self._sum(logits[at], len(row), scored.first, scored.targets) for scored in wanted[place]]
                for at, (row, place) in enumerate(zip(rows, places, strict=True))
            ]

        lengths = [len(plans[number].rows[row]) for number, row in flat]
        sums = self._batched(lengths, run)
        found = {(number, row): iter(values) for (number, row), values in zip(flat, sums, strict=True)}
        return [tuple(next(found[number, scored.row]) for scored in made.scored) for number, made in enumerate(plans)]

    @staticmethod
    def _sum(logits: torch.Tensor, length: int, first: int, targets: tuple[int, ...]) -> float:
        """The targets' log-probabilities; logits are of the row's last positions, shape [kept, vocabulary]."""
        start = logits.shape[0] - length + first
        part = torch.log_softmax(logits[start : start + len(targets)].float(), dim=-1)
        chosen = part.gather(1, torch.tensor(targets, device=part.device).unsqueeze(1))
        return float(chosen.double().sum())

    @torch.inference_mode()
    def _logits(self, rows: Sequence[Sequence[int]], keep: int) -> torch.Tensor:
        """Logits after the last `keep` positions of every row; shape [rows, keep, vocabulary]."""
        ids, mask = self._padded(rows)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        arguments: dict[str, Any] = {"logits_to_keep": keep} if self._can_keep else {}
        output = self._model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False, **arguments)
        logits: torch.Tensor = output.logits[:, -keep:]
        return logits

    @torch.inference_mode()
    def _written(self, rows: Sequence[Sequence[int]], max_new_tokens: int) -> list[list[int]]:
        ids, mask = self._padded(rows)
        output = self._model.generate(
            input_ids=ids, attention_mask=mask, generation_config=self._greedy(max_new_tokens)
        )
        written: list[list[int]] = output[:, ids.shape[1] :].tolist()
        return written

    def _cut(self, ids: list[int], prompt: Prompt) -> Generation:
        """A row up to its end-of-sequence token, or to the prompt's own limit."""
        ids = ids[: prompt.max_new_tokens]
        ends = self._ends()
        stop = next((place for place, token in enumerate(ids) if token in ends), None)
        text = self._tokenizer.decode(ids if stop is None else ids[:stop], skip_special_tokens=True)
        return Generation(text, len(ids) if stop is None else stop, is_cut=stop is None)

    def _ends(self) -> list[int]:
        ends = self._model.generation_config.eos_token_id
        ends = self._tokenizer.eos_token_id if ends is None else ends
        return ends if isinstance(ends, list) else [] if ends is None else [ends]

    def _greedy(self, max_new_tokens: int) -> Any:
        from transformers import GenerationConfig

        return GenerationConfig(  # type: ignore[no-untyped-call]
            max_new_tokens=max_new_tokens,
            do_sample=False,
            pad_token_id=self._padding,
            eos_token_id=self._ends() or None,
        )

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and mask, padded on the left; shape [rows, longest]."""
        width = max(len(row) for row in rows)
        ids = torch.tensor([[self._padding] * (width - len(row)) + list(row) for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        return ids.to(self._model.device), mask.to(self._model.device)

    def _batched(self, lengths: Sequence[int], run: Any) -> list[Any]:
        def guarded(rows: list[int]) -> list[Any]:
            try:
                found: list[Any] = run(rows)
            except torch.OutOfMemoryError:
                pass
            except RuntimeError as error:
                if "can't allocate memory" not in str(error):  # the CPU's allocator has no class of its own
                    raise
            else:
                return found
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            raise OutOfMemoryError

        return in_batches(
            lengths, guarded, batch_size=self._settings.batch_size, batch_tokens=self._settings.batch_tokens
        )
