"""Settings of prompts and readers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from configs.strict import Strict

Channel = Literal["labels", "texts", "texts_per_character", "generate", "reason"]
"""How an answer is got: by the log-probability of the label or of the choice's text, or by parsing what is written."""

Device = Literal["auto", "cpu", "cuda"]
Unsloth = Literal["auto", "always", "never"]  # not on and off, which YAML reads as booleans


class FewShotSettings(Strict):
    """Worked examples before the question; never taken from the split under test."""

    count: int = Field(0, ge=0, le=32)
    choose: Literal["fixed", "random", "similar"] = Field("fixed", description="similar: by BM25 over the questions")
    split: str = "train"
    seed: int = Field(20260101, ge=0, description="of random")


class PromptSettings(Strict):
    """How a question is put to a reader. Lengths are in the reader's own tokens."""

    template: Literal["base", "english"] = Field("base", description="channel `reason` has its own, cot_json")
    passages_at: Literal["before_paragraph", "before_question", "after_choices"] = "before_paragraph"
    passages_order: Literal["best_first", "best_last"] = "best_first"
    max_passages: int = Field(5, ge=0, le=100)
    max_passage_tokens: int = Field(2000, ge=0, le=1_000_000, description="of all passages together")
    min_passage_tokens: int = Field(40, ge=1, description="a shorter rest of a passage is left out, not shown")
    near_duplicate: float = Field(0.8, gt=0, le=1, description="share of 5-grams that a better passage holds already")
    max_answer_tokens: int = Field(64, ge=1, le=32_768, description="written by channel `generate`")
    max_reason_tokens: int = Field(768, ge=1, le=32_768, description="written by channel `reason` and for essays")
    shots: FewShotSettings = FewShotSettings()


class SolverSettings(Strict):
    """The word-overlap solver: no language model, needs nothing but the passages."""

    kind: Literal["solver"] = "solver"


class TransformersSettings(Strict):
    """A causal language model on this machine."""

    kind: Literal["transformers"]
    model: str = Field(min_length=1, description="embedded, a folder, or a model's name on the hub")
    revision: str | None = Field(None, description="of a hub model; a commit keeps results repeatable")
    adapter: Path | None = Field(None, description="a LoRA adapter's folder")
    precision: Literal["bf16", "fp16", "fp32", "nf4"] = Field("bf16", description="nf4: 4-bit, double quantisation")
    device: Device = "auto"
    format: Literal["auto", "chat", "plain"] = Field("auto", description="auto: chat where the model has a template")
    thinking: bool = Field(False, description="let a model that can think do so before it answers")
    trust_remote_code: bool = Field(False, description="run Python that comes with the model")
    unsloth: Unsloth = Field("auto", description="auto: where it is installed and there is a GPU")
    batch_size: int = Field(16, ge=1, le=4096, description="halved when memory runs out")
    batch_tokens: int = Field(16_384, ge=1, description="of one batch, padding included")
    window: int | None = Field(None, ge=64, description="None: what the model's configuration says")


class OpenAiSettings(Strict):
    """An endpoint that speaks OpenAI's chat completions: vLLM, Ollama, llama.cpp, `transformers serve` ..."""

    kind: Literal["openai"]
    model: str = Field(min_length=1)
    url: str = Field("http://localhost:8000/v1", pattern=r"^https?://[^@\s]+$", description="up to and with /v1")
    key_from: str = Field("OPENAI_API_KEY", description="the environment variable that holds the key; may be unset")
    logprobs: Literal["auto", "yes", "no"] = Field("auto", description="auto: asked of the endpoint once")
    thinking: bool | None = Field(None, description="sent as chat_template_kwargs.enable_thinking; None: not sent")
    tokenizer: Path | None = Field(None, description="a tokenizer.json to count with; None: an upper estimate")
    window: int = Field(8192, ge=64)
    concurrency: int = Field(8, ge=1, le=256)
    timeout: float = Field(120.0, gt=0, description="seconds for one answer")
    retries: int = Field(5, ge=0, le=20, description="after rate limits, time-outs and 5xx, each wait doubled")
    wait: float = Field(1.0, ge=0, description="seconds before the first retry")
    seed: int = Field(0, ge=0)


class ScriptedSettings(Strict):
    """A reader whose answers are written down beforehand: for tests and for measuring everything else."""

    kind: Literal["scripted"]
    answers: dict[str, str] = Field({}, description="question id -> what it answers")
    otherwise: str = Field("1", description="to any other question")


ReaderSettings = Annotated[
    SolverSettings | TransformersSettings | OpenAiSettings | ScriptedSettings, Field(discriminator="kind")
]
