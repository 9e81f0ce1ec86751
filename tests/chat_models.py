"""Stand-ins for the conversation formats of the models that there are presets for: our own wording of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from rag.hf_model import Loaded
from rag.reader import Identity
from rag.reader_transformers import ModelWording

_TEXTS = [
    "지문을 읽고 질문의 답을 구하세요. 선택지: 1 - 경기도 2 - 충청도 중에 하나를 정답으로 고르세요. 정답: 3",
    '{"풀이": "ㄱ", "정답": "2"}',
] * 20


@dataclass(frozen=True, slots=True)
class Family:
    """How one family of models talks; template "" = it has none."""

    template: str
    special: tuple[str, ...]
    end: str  # closes the assistant's turn
    opens: str = ""  # a token that the tokenizer puts before plain text


_CHATML = """{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
_THINKING = """{% for m in messages %}<|im_start|>{{ m.role }}
{% if m.role == 'assistant' and loop.last %}<think>

</think>

{% endif %}{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% if enable_thinking is defined and not enable_thinking %}<think>

</think>

{% endif %}{% endif %}"""
_LLAMA3 = """<|begin_of_text|>{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>

{{ m.content | trim }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>

{% endif %}"""
_AX = (
    "{% for m in messages %}<|im_start|><|{{ m.role }}|>{{ m.content }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|><|assistant|>{% endif %}"
)
_EXAONE = """{% for m in messages %}{% if loop.first and m.role != 'system' %}[|system|][|endofturn|]
{% endif %}[|{{ m.role }}|]{{ m.content }}{% if m.role != 'user' %}[|endofturn|]{% endif %}
{% endfor %}{% if add_generation_prompt %}[|assistant|]{% endif %}"""
_PAIR = ("<|im_end|>", "<|im_start|>")

FAMILIES = {
    "qwen2.5": Family(_CHATML, _PAIR, "<|im_end|>"),
    "qwen3": Family(_THINKING, (*_PAIR, "<think>", "</think>"), "<|im_end|>"),
    "kanana": Family(
        _LLAMA3,
        ("<|end_of_text|>", "<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"),
        "<|eot_id|>",
    ),
    "kanana base": Family("", ("<|end_of_text|>", "<|begin_of_text|>"), "<|end_of_text|>", opens="<|begin_of_text|>"),
    "a.x": Family(_AX, (*_PAIR, "<|user|>", "<|assistant|>", "<|system|>"), "<|im_end|>"),
    "exaone": Family(_EXAONE, ("[|endofturn|]", "[BOS]", "[|user|]", "[|assistant|]", "[|system|]"), "[|endofturn|]"),
}


def tokenizer_of(family: Family, texts: list[str] | None = None, *, words: bool = True) -> Any:
    """A byte-level BPE in the family's manner; words=False: merges run over spaces and punctuation."""
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Digits(individual_digits=True)
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=words)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, level] if words else [level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=list(family.special), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(texts or _TEXTS, trainer)
    if family.opens:
        from tokenizers.processors import TemplateProcessing

        first = (family.opens, tokenizer.token_to_id(family.opens))
        tokenizer.post_processor = TemplateProcessing(single=f"{family.opens} $A", special_tokens=[first])
    fast: Any = PreTrainedTokenizerFast
    made = fast(tokenizer_object=tokenizer, eos_token=family.special[0])
    made.chat_template = family.template or None
    return made


def wording_of(tokenizer: Any) -> ModelWording:
    """The wording that a reader with this tokenizer has."""
    is_chat = tokenizer.chat_template is not None
    return ModelWording(Loaded(None, tokenizer, Identity("transformers", {}), 4096, is_chat), thinking=False)
