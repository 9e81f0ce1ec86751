"""The transformers reader: scores are the model's own, whatever the batch; folders are checked before they are loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from configs.errors import UserError
from configs.reader import Channel, PromptSettings, TransformersSettings
from corpora.records import Question
from rag.answer import answer
from rag.hf_model import load_model
from rag.prompt import render
from rag.reader import Prompt
from rag.reader_transformers import TransformersReader, load_reader
from tests.tiny_model import save_model

ITEMS = [
    Question(
        f"q{number}",
        "multiple_choice",
        "한국사",
        "대동법이 처음 실시된 곳은? " + "가나다 " * 7 * number,
        choices,
        answer=1,
    )
    for number, choices in enumerate(
        [
            ("경기도", "충청도"),
            ("전라도", "강원도", "황해도", "평안도", "함경도"),
            tuple(f"고을 {n}" for n in range(10)),
            ("ㄱ", "ㄱ, ㄴ"),
        ]
    )
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One folder per kind of model."""
    root = tmp_path_factory.mktemp("models")
    return {
        "qwen3 chat": save_model(root / "qwen3-chat", kind="qwen3", is_chat=True),
        "qwen3 plain": save_model(root / "qwen3", kind="qwen3", is_chat=False),
        "llama plain": save_model(root / "llama", kind="llama", is_chat=False),
        "no system": save_model(root / "no-system", kind="qwen3", is_chat=True, has_system=False),
    }


def _settings(folder: Path, **changes: object) -> TransformersSettings:
    values = {"kind": "transformers", "model": str(folder), "precision": "fp32", "device": "cpu", **changes}
    return TransformersSettings.model_validate(values)


def _prompts(reader: TransformersReader, channel: Channel, **changes: object) -> list[Prompt]:
    settings = PromptSettings.model_validate(changes)
    return [render(item, (), settings=settings, channel=channel, wording=reader.wording) for item in ITEMS]


def _reference(loaded: Any, text: str, continuation: str, *, special: bool) -> float:
    """The log-likelihood of a continuation as EleutherAI's harness computes it: one row, no padding, all logits."""
    context = loaded.tokenizer(text, add_special_tokens=special)["input_ids"]
    whole = loaded.tokenizer(text + continuation, add_special_tokens=special)["input_ids"]
    with torch.inference_mode():
        logits = loaded.model(torch.tensor([whole])).logits[0]
    scores = torch.log_softmax(logits, dim=-1)
    return sum(float(scores[place - 1, whole[place]]) for place in range(len(context), len(whole)))


@pytest.mark.parametrize("kind", ["qwen3 chat", "qwen3 plain", "llama plain"])
@pytest.mark.parametrize("channel", ["labels", "texts"])
def test_scores_are_those_of_one_unpadded_row(folders: dict[str, Path], kind: str, channel: Channel) -> None:
    settings = _settings(folders[kind])
    reader, loaded = load_reader(settings), load_model(settings)
    prompts = _prompts(reader, channel)
    found = reader.label_logprobs(prompts) if channel == "labels" else reader.text_loglikelihoods(prompts)
    for prompt, scores in zip(prompts, found, strict=True):
        answers = prompt.labels if channel == "labels" else prompt.question.choices
        expected = [_reference(loaded, prompt.text, prompt.lead + text, special="chat" not in kind) for text in answers]
        assert scores == pytest.approx(expected, abs=1e-4)


def test_the_batch_does_not_change_scores_and_answers(folders: dict[str, Path]) -> None:
    alone = load_reader(_settings(folders["qwen3 plain"], batch_size=1))
    together = load_reader(_settings(folders["qwen3 plain"], batch_size=64))
    for one, all_ in zip(
        alone.label_logprobs(_prompts(alone, "labels")),
        together.label_logprobs(_prompts(together, "labels")),
        strict=True,
    ):
        assert one == pytest.approx(all_, abs=1e-4)
    written = [reader.generate(_prompts(reader, "generate", max_answer_tokens=8)) for reader in (alone, together)]
    assert written[0] == written[1]


def test_the_order_of_prompts_is_kept(folders: dict[str, Path]) -> None:
    reader = load_reader(_settings(folders["qwen3 plain"]))
    prompts = _prompts(reader, "labels")
    forward, backward = reader.label_logprobs(prompts), reader.label_logprobs(prompts[::-1])
    for one, other in zip(forward, backward[::-1], strict=True):
        assert one == pytest.approx(other, abs=1e-4)
    assert [found.question_id for found in answer(prompts[::-1], reader)] == ["q3", "q2", "q1", "q0"]


def test_the_answer_stands_at_the_end_of_the_chat_template(folders: dict[str, Path]) -> None:
    reader = load_reader(_settings(folders["qwen3 chat"]))
    prompt = _prompts(reader, "labels")[0]
    assert prompt.text.endswith("정답:<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert prompt.lead == ""
    thinking = load_reader(_settings(folders["qwen3 chat"], thinking=True))
    assert _prompts(thinking, "generate")[0].text.endswith("<|im_start|>assistant\n")
    assert thinking.channels == {"generate", "reason"}


def test_a_system_turn_that_a_template_refuses_joins_the_users(folders: dict[str, Path]) -> None:
    prompt = _prompts(load_reader(_settings(folders["no system"])), "labels")[0]
    assert prompt.text.startswith("<|im_start|>user\n지문을 읽고 질문의 답을 구하세요.\n\n질문:")


def test_a_stream_is_what_generate_gives(folders: dict[str, Path]) -> None:
    reader = load_reader(_settings(folders["qwen3 plain"]))
    prompt = _prompts(reader, "generate", max_answer_tokens=12)[0]
    whole = reader.generate([prompt])[0]
    assert "".join(reader.stream(prompt)) == whole.text
    assert whole.tokens <= 12


def test_written_answers_stop_at_their_own_limit(folders: dict[str, Path]) -> None:
    reader = load_reader(_settings(folders["qwen3 plain"]))
    prompts = [
        replace(prompt, max_new_tokens=limit)
        for prompt, limit in zip(_prompts(reader, "generate"), (1, 5, 9, 3), strict=True)
    ]
    for prompt, written in zip(prompts, reader.generate(prompts), strict=True):
        assert written.is_cut == (written.tokens == prompt.max_new_tokens)


def test_four_bits_read_the_same_prompts(folders: dict[str, Path]) -> None:
    reader = load_reader(_settings(folders["qwen3 plain"], precision="nf4"))
    scores = reader.label_logprobs(_prompts(reader, "labels"))
    assert [len(row) for row in scores] == [2, 5, 10, 2]
    assert all(value < 0 for row in scores for value in row)


def test_an_adapter_changes_scores_and_identity(folders: dict[str, Path], tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    base = load_model(_settings(folders["qwen3 plain"]))
    torch.manual_seed(1)
    tuned = get_peft_model(base.model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    tuned.save_pretrained(str(tmp_path))
    plain = load_reader(_settings(folders["qwen3 plain"]))
    adapted = load_reader(_settings(folders["qwen3 plain"], adapter=tmp_path))
    assert adapted.identity.digest != plain.identity.digest
    assert adapted.label_logprobs(_prompts(adapted, "labels")) != plain.label_logprobs(_prompts(plain, "labels"))


def test_the_same_folder_has_the_same_identity_and_other_weights_another(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    first, again = (load_reader(_settings(folders["qwen3 plain"])).identity.digest for _ in range(2))
    other = load_reader(_settings(save_model(tmp_path / "m", kind="qwen3", is_chat=False, seed=1)))
    assert first == again != other.identity.digest


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "tokenizer.json", "model.safetensors"])
def test_an_incomplete_folder_is_refused_with_the_file_named(tmp_path: Path, name: str) -> None:
    folder = save_model(tmp_path / "m", kind="qwen3", is_chat=False)
    (folder / name).unlink()
    with pytest.raises(UserError, match=f"incomplete: no {name}"):
        load_reader(_settings(folder))


def test_faults_of_a_model_are_one_line(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = save_model(tmp_path / "m", kind="qwen3", is_chat=False)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UserError, match="damaged weights"):
        load_reader(_settings(folder))
    with pytest.raises(UserError, match=r"no adapter_config\.json"):
        load_reader(_settings(folders["qwen3 plain"], adapter=tmp_path))
    with pytest.raises(UserError, match="no chat template"):
        load_reader(_settings(folders["qwen3 plain"], format="chat"))


def test_code_that_comes_with_a_model_does_not_run(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "m", kind="qwen3", is_chat=False)
    config = (folder / "config.json").read_text(encoding="utf-8").replace('"qwen3"', '"own"')
    config = config.replace("{", '{"auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"},', 1)
    (folder / "config.json").write_text(config, encoding="utf-8")
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n", encoding="utf-8")
    with pytest.raises(UserError, match="trust_remote_code"):
        load_reader(_settings(folder))
    assert not (tmp_path / "ran").exists()
