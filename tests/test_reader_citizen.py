"""The embedded reader as it lies in the project: in 4 bits, tuned, merged and streaming, like any large model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from configs.reader import PromptSettings, TransformersSettings
from configs.training import EMBEDDED_READER
from corpora.records import Question
from finetune.examples import Example
from finetune.merge import TOLERANCE, merge
from finetune.merge import Request as MergeRequest
from finetune.run_folder import RunFolder
from finetune.sft import Request, run_sft
from rag.answer import answer
from rag.embedded import FOLDER, NAME
from rag.hf_model import load_model
from rag.prompt import render
from rag.reader import Evidence, Prompt
from rag.reader_transformers import TransformersReader, load_reader
from tests.tuning import settings_for, write

torch.set_num_threads(1)

pytestmark = pytest.mark.skipif(
    not (FOLDER / NAME).is_file(), reason="no embedded reader here: python -m finetune reader --data DIR"
)

ITEM = Question(
    "q", "multiple_choice", "한국사", "대동법이 처음 실시된 곳은 어디인가?", ("경기도", "충청도", "전라도", "강원도"), 1
)
PASSAGE = Evidence(
    "daedongbeop#0", "대동법", "", "대동법은 광해군 때 경기도에서 처음 실시되었다. 뒤에 충청도로 넓혀졌다."
)


def _settings(**changes: object) -> TransformersSettings:
    values = {"kind": "transformers", "model": EMBEDDED_READER, "precision": "fp32", "device": "cpu", **changes}
    return TransformersSettings.model_validate(values)


def _prompt(reader: TransformersReader, *, channel: str = "labels") -> Prompt:
    settings = PromptSettings(max_answer_tokens=8)
    return render(ITEM, [PASSAGE], settings=settings, channel=channel, wording=reader.wording)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def reader() -> TransformersReader:
    """The reader in full precision."""
    return load_reader(_settings())


@pytest.fixture(scope="module")
def adapter(reader: TransformersReader, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter after one step of QLoRA on one example."""
    folder = tmp_path_factory.mktemp("citizen")
    prompt = _prompt(reader)
    example = Example(
        id="e", messages=prompt.messages, answer="1", reasoning="", channel="labels", question_id="q",
        choices=ITEM.choices, split="train", mode="raft_gold", passages=(PASSAGE.passage_id,), gold_shown=True,
        template=prompt.template, source="test", subject=ITEM.subject,
    )  # fmt: skip
    settings = settings_for(Path(EMBEDDED_READER), "precision=nf4", "epochs=1", "lora.dropout=0", "warmup=0")
    examples = write(folder / "examples.jsonl", [example])
    record = run_sft(Request(examples, None, RunFolder(folder / "run"), settings, PromptSettings()))
    assert (record.steps, record.recipe.base["model"]) == (1, EMBEDDED_READER)
    return folder / "run" / "adapter"


def test_in_four_bits_it_answers_on_the_cpu(reader: TransformersReader) -> None:
    settings = _settings(precision="nf4")
    loaded = load_model(settings)
    kinds = {type(module).__name__ for name, module in loaded.model.named_modules() if name.endswith("_proj")}
    assert kinds == {"Linear4bit"}
    small = TransformersReader(loaded, settings)
    (found,), (whole,) = answer([_prompt(small)], small), answer([_prompt(reader)], reader)
    assert found.number in range(1, 5)
    assert len(found.logprobs) == 4
    assert found.logprobs != whole.logprobs  # it is not full precision under another name


def test_one_step_of_an_adapter_makes_its_example_likelier(adapter: Path) -> None:
    assert any(
        weight.any() for name, weight in load_file(adapter / "adapter_model.safetensors").items() if "_B" in name
    )
    reader, tuned = (load_reader(_settings(precision="nf4", adapter=each)) for each in (None, adapter))  # as it learnt
    (before,), (after,) = (each.label_logprobs([_prompt(each)]) for each in (reader, tuned))
    assert after[0] > before[0]


def test_merged_into_the_base_it_answers_as_with_the_adapter_beside_it(adapter: Path, tmp_path: Path) -> None:
    merged = merge(MergeRequest((adapter,), tmp_path / "merged", precision="fp32"))
    assert merged.base == EMBEDDED_READER
    assert merged.logits_off is not None and merged.logits_off <= TOLERANCE
    readers = load_reader(_settings(adapter=adapter)), load_reader(_settings(model=str(tmp_path / "merged")))
    beside, inside = (each.label_logprobs([_prompt(each)])[0] for each in readers)
    assert inside == pytest.approx(beside, abs=1e-3)


def test_what_it_streams_is_what_it_writes_at_once(reader: TransformersReader) -> None:
    prompt = _prompt(reader, channel="generate")
    (whole,) = reader.generate([prompt])
    pieces = list(reader.stream(prompt))
    assert "".join(pieces) == whole.text
    assert whole.tokens > 0
