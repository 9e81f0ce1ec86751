"""What a training reads: corpus, blocks, tokenizer and dev sets, each made once and kept in the work folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import xxhash
from tokenizers import Tokenizer

from configs.reader_training import ReaderTrainingSettings
from configs.schema import CorporaSettings, IndexBuildSettings, Settings, SourceSettings
from finetune.reader_blocks import Block, from_index, read_blocks, write_blocks
from finetune.reader_corpus import LESSONS, build_corpus, lesson_questions, sample_questions
from finetune.reader_dev import DevSet, exam_sets, held_out
from finetune.reader_human import exam_blocks, human_blocks
from finetune.reader_rows import Composer
from finetune.reader_tokenizer import train_tokenizer
from finetune.reader_train import Lessons
from index_build.__main__ import Bars
from index_build.build import build
from rag.index import Index

_HELD = 50  # of the blocks made by rules, one of so many is for dev


def lessons_of(data: Path | None, work: Path, settings: ReaderTrainingSettings) -> tuple[Lessons, list[Block]]:
    """(blocks to learn from by source, blocks held out for dev). Raises UserError when data are missing."""
    blocks = work / "blocks.jsonl"
    if not blocks.is_file():
        bars = Bars()
        try:
            made = build_corpus(data, work, settings.corpus, bars)
        finally:
            bars.close()
        write_blocks(blocks, from_index(made, settings.corpus, seed=settings.seed))
    ruled = read_blocks(blocks)
    held = [block for block in ruled if _is_held(block)][: settings.dev_blocks]
    sources: dict[str, Sequence[Block]] = {"rules": [block for block in ruled if not _is_held(block)]}
    if data is not None:
        sources |= human_blocks(data, seed=settings.seed)
    index = Index(work / "index")  # without the articles of the other splits
    sources["sample"] = exam_blocks(index, sample_questions("train"), distractors=settings.corpus.distractors)
    if data is not None:
        sources["lessons"] = exam_blocks(index, lesson_questions("train"), distractors=settings.corpus.distractors)
    return Lessons(sources, {name: settings.shares[name] for name in sources}), held


def _is_held(block: Block) -> bool:
    name = block.gold.passage_id if block.gold is not None else ""
    return xxhash.xxh3_64_intdigest(name.encode()) % _HELD == 0


def tokenizer_of(lessons: Lessons, work: Path, settings: ReaderTrainingSettings) -> Tokenizer:
    """The tokenizer, trained on the blocks' passages and questions, or the one that is kept already."""
    saved = work / "tokenizer.json"
    if not saved.is_file():
        texts = [text for name in sorted(lessons.sources) for block in lessons.sources[name] for text in _texts(block)]
        temporary = saved.with_suffix(".part")
        train_tokenizer(texts, settings.model).save(str(temporary))
        temporary.replace(saved)
    return Tokenizer.from_file(str(saved))


def _texts(block: Block) -> list[str]:
    asked = [
        text for question in block.questions for text in (question.paragraph, question.question, *question.choices)
    ]
    return [block.gold.title, block.gold.text, *asked] if block.gold is not None else asked


def dev_sets(composer: Composer, held: Sequence[Block], work: Path, settings: ReaderTrainingSettings) -> list[DevSet]:
    """Held-out blocks; the sample's dev items that need knowledge, in three arms; the same of the reading lessons."""
    asked = [each for each in sample_questions("dev") if each.needs_knowledge == "retrieval" and each.choices]
    lessons = [each for each in lesson_questions("dev") if each.choices][:: settings.dev_lessons]
    sample = index_of(work, "sample-index", SourceSettings(kind="sample"))
    own = index_of(work, "lessons-index", SourceSettings(kind="jsonl", path=LESSONS / "documents.jsonl"))
    count = settings.corpus.distractors
    return [
        held_out(composer, held, seed=settings.seed),
        *exam_sets(composer, exam_blocks(sample, asked, distractors=count)),
        *exam_sets(composer, exam_blocks(own, lessons, distractors=count), prefix="lessons "),
    ]


def index_of(work: Path, name: str, source: SourceSettings) -> Index:
    """The index of a whole bundled corpus, from which dev items get their passages; nothing is learnt from it."""
    dense = IndexBuildSettings().dense.model_copy(update={"enabled": False})
    out = work / name
    made = Settings(
        corpora=CorporaSettings(sources=(source,)),
        index_build=IndexBuildSettings(out=out, cache=work / "cache", workers=1, dense=dense),
    )
    bars = Bars()
    try:
        build(made, bars)
    finally:
        bars.close()
    return Index(out)
