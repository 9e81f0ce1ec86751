"""How a reader's text is counted and rendered, without loading what reads it."""

from __future__ import annotations

from pathlib import Path

from configs.errors import UserError
from configs.reader import ReaderSettings, TransformersSettings
from rag.embedded import located
from rag.reader import Identity
from rag.readers import reader_for
from rag.tokens import Wording


def wording_for(settings: ReaderSettings) -> Wording:
    """The wording of the reader that the settings name. Raises UserError when its tokenizer cannot be had."""
    if isinstance(settings, TransformersSettings):
        return _of_model(located(settings))
    return reader_for(settings).wording


def _of_model(settings: TransformersSettings) -> Wording:
    """The tokenizer and chat template of a model whose weights stay where they are."""
    from transformers import AutoConfig, AutoTokenizer

    from rag.hf_model import Loaded
    from rag.reader_transformers import ModelWording

    source = {"revision": settings.revision, "trust_remote_code": settings.trust_remote_code}
    try:
        tokenizer = AutoTokenizer.from_pretrained(settings.model, **source)
        config = AutoConfig.from_pretrained(settings.model, **source)
    except (OSError, ValueError) as error:
        where = "an incomplete folder" if Path(settings.model).is_dir() else "no such folder, and not on the hub"
        raise UserError(f"{settings.model}: {where}: {str(error).splitlines()[0]}") from None
    is_chat = settings.format == "chat" or (settings.format == "auto" and tokenizer.chat_template is not None)
    if is_chat and tokenizer.chat_template is None:
        raise UserError(f"{settings.model}: has no chat template; use rag.reader.format=plain")
    window = settings.window or getattr(config, "max_position_embeddings", None) or 4096
    loaded = Loaded(None, tokenizer, Identity("transformers", {"model": settings.model}), int(window), is_chat)
    return ModelWording(loaded, thinking=settings.thinking)
