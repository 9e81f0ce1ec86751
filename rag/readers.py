"""Settings -> reader."""

from __future__ import annotations

from typing import assert_never

from configs.reader import OpenAiSettings, ReaderSettings, ScriptedSettings, SolverSettings, TransformersSettings
from rag.reader import Reader
from rag.reader_scripted import ScriptedReader
from rag.reader_solver import SolverReader


def reader_for(settings: ReaderSettings) -> Reader:
    """The reader that the settings name, its model loaded. Raises UserError when it cannot be had."""
    match settings:
        case SolverSettings():
            return SolverReader()
        case ScriptedSettings():
            return ScriptedReader(settings)
        case OpenAiSettings():
            from rag.reader_openai import OpenAiReader  # only this kind needs the network's modules

            return OpenAiReader(settings)
        case TransformersSettings():
            from rag.reader_transformers import load_reader  # torch and transformers take seconds to import

            return load_reader(settings)
        case _:
            assert_never(settings)
