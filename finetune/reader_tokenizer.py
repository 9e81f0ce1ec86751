"""The embedded reader's tokenizer: byte-level BPE for Korean, with the frame of our prompts as tokens of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from configs.reader_training import ReaderModelSettings
from rag.template import bundled

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
MOST_CHOICES = 10
_ALONE = 3_000  # times that each Hangul syllable is seen besides, so that all are whole before they are joined
_SIGN = 100  # times that a sign of punctuation occurs for the same to be done for it
_ROLES = 500  # times that the words of the chat format are seen, so that they become tokens
_PIECES_OF = {"system": 4, "passages": 6}  # what every prompt with passages begins with, cut into landmarks

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.role == 'assistant' %}"
    "{% generation %}{{ message.content }}<|im_end|>{% endgeneration %}\n"
    "{% else %}{{ message.content }}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# words take the space before them, digits stand alone, line ends are never joined to what follows
_PIECES = r"[^\S\r\n]{2,}| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|[\r\n]+|\s"


def frame() -> dict[str, str]:
    """Name -> text of the parts of a prompt that are the same in all: "mark 1", "question", "choice 2", "ask 4" ...

    The marks are pieces of what stands before the passages, in order; the last piece is "passages". As single tokens
    all these are cheap to read and cannot be taken for anything else. A choice's token ends before the space, so that
    its first word is cut into tokens as it is in the middle of a sentence.
    """
    template = bundled("base")
    *marks, heading = (piece for name, count in _PIECES_OF.items() for piece in _cut(opening(name), count))
    parts = {f"mark {number}": piece for number, piece in enumerate(marks, start=1)} | {"passages": heading}
    parts |= {name: opening(name) for name in ("paragraph", "question", "box")}
    labels = [str(number) for number in range(1, MOST_CHOICES + 1)]
    choice = {label: template.fill("choice", label=label, text="").rstrip() for label in labels}
    parts["choice 1"] = "\n\n" + template.blocks["choices"].split("{")[0] + choice["1"]
    parts |= {f"choice {label}": "\n" + choice[label] for label in labels[1:]}
    for count in range(2, MOST_CHOICES + 1):
        parts[f"ask {count}"] = "\n\n" + template.fill("multiple_choice", labels=", ".join(labels[:count]))
    parts["ask"] = "\n\n" + template.blocks["short_answer"]
    return parts


def opening(name: str) -> str:
    """What a block of the template begins with, before anything is filled in."""
    return bundled("base").blocks[name].split("{")[0]


def _cut(text: str, count: int) -> list[str]:
    return [text[len(text) * part // count : len(text) * (part + 1) // count] for part in range(count)]


def train_tokenizer(texts: Sequence[str], settings: ReaderModelSettings) -> Tokenizer:
    """A tokenizer of exactly the wanted size, if the texts give as many merges. Same texts, same tokenizer."""
    added = list(dict.fromkeys(frame().values()))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocabulary - len(added),
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    roles = ["system\nuser\nassistant\n" + bundled("base").blocks["system"]] * _ROLES
    counts = Counter(char for text in texts for char in text)
    whole = sorted(
        char for char, count in counts.items() if "가" <= char <= "힣" or (_is_sign(char) and count >= _SIGN)
    )
    alone = ["\n".join(whole)] * _ALONE
    tokenizer.train_from_iterator([*texts, *roles, *alone], trainer)
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=False) for text in added])
    return tokenizer


def _is_sign(char: str) -> bool:
    return char > "\x7f" and not char.isalnum() and not char.isspace()


def as_pretrained(tokenizer: Tokenizer, settings: ReaderModelSettings) -> Any:
    """The tokenizer as transformers wants it, with the chat template."""
    from transformers import PreTrainedTokenizerFast

    fast: Any = PreTrainedTokenizerFast
    wrapped = fast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[START],
        model_max_length=settings.window,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return wrapped
