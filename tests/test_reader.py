"""Readers: settings name them, the solver reads only what the prompt shows, the scripted one what is written."""

from __future__ import annotations

from math import exp, isclose, log
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs import load
from configs.reader import PromptSettings, ScriptedSettings, SolverSettings, TransformersSettings
from configs.schema import RagSettings
from corpora import sample
from corpora.exams import load_exam
from corpora.records import Question
from rag.answer import answer
from rag.index import Index
from rag.pipeline import Library, Pipeline, evidence_of
from rag.prompt import render
from rag.reader import Evidence, Identity, Prompt
from rag.reader_scripted import ScriptedReader
from rag.reader_solver import SolverReader
from rag.readers import reader_for
from rag.retrieve import LexicalRetriever
from rag.shots import Shots
from rag.tokens import EstimatedWording

PRESETS = sorted((Path(__file__).resolve().parents[1] / "configs" / "readers").glob("*.yaml"))
ITEM = Question(
    "q", "multiple_choice", "과학", "콩 단백질을 분해하는 세균은?", ("젖산균", "고초균", "초산균", "효모"), answer=2
)
TEXT = "김치에서는 젖산균이 늘어난다. 메주에서는 고초균이 콩의 단백질을 분해한다. 초산균은 에탄올을 산화한다."


@pytest.fixture(scope="module")
def solver() -> SolverReader:
    """One solver: Kiwi takes two seconds to load."""
    return SolverReader()


def _prompt(question: Question, *texts: str) -> Prompt:
    evidence = [Evidence(f"d#{number}", "제목", "", text) for number, text in enumerate(texts)]
    return render(question, evidence, settings=PromptSettings(), channel="labels", wording=EstimatedWording(10_000))


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_every_preset_is_valid_and_runs_no_foreign_code(path: Path) -> None:
    reader = load(path).rag.reader
    assert reader.kind in ("transformers", "openai")
    assert not (isinstance(reader, TransformersSettings) and (reader.trust_remote_code or reader.thinking))


def test_settings_name_the_reader() -> None:
    assert reader_for(SolverSettings()).identity.kind == "solver"
    assert reader_for(ScriptedSettings(kind="scripted")).identity.kind == "scripted"


def test_the_solver_takes_the_choice_that_a_sentence_joins_to_the_question(solver: SolverReader) -> None:
    assert answer([_prompt(ITEM, TEXT)], solver)[0].number == 2
    scores = solver.label_logprobs([_prompt(ITEM, TEXT)])[0]
    assert isclose(sum(exp(score) for score in scores), 1)


def test_without_passages_the_solver_knows_nothing(solver: SolverReader) -> None:
    assert solver.label_logprobs([_prompt(ITEM)])[0] == pytest.approx([log(0.25)] * 4)
    assert answer([_prompt(ITEM)], solver) == answer([_prompt(ITEM)], SolverReader())
    assert solver.generate([_prompt(ITEM)])[0].text == ""


def test_the_solver_reads_the_items_own_paragraph(solver: SolverReader) -> None:
    own = Question("q", "multiple_choice", "과학", ITEM.question, ITEM.choices, answer=2, paragraph=TEXT)
    assert answer([_prompt(own)], solver)[0].number == 2


def test_an_open_question_gets_the_nearest_sentence_or_none(solver: SolverReader) -> None:
    item = Question("q", "short_answer", "과학", "콩의 단백질을 분해하는 세균은?", answers=("고초균",))
    texts = [found.text for found in answer([_prompt(item, TEXT), _prompt(item)], solver)]
    assert texts == ["메주에서는 고초균이 콩의 단백질을 분해한다", None]


def test_a_scripted_text_that_is_no_answer_is_unparsed() -> None:
    reader = ScriptedReader(ScriptedSettings(kind="scripted", otherwise="모릅니다"))
    assert answer([_prompt(ITEM)], reader)[0].number is None


@given(
    st.dictionaries(st.text(max_size=5), st.integers() | st.booleans() | st.none() | st.text(max_size=5), max_size=5)
)
def test_an_identity_is_known_by_its_facts_whatever_their_order(facts: dict[str, int | bool | str | None]) -> None:
    turned = dict(reversed(facts.items()))
    assert Identity("k", facts).digest == Identity("k", turned).digest
    assert Identity("k", facts).digest != Identity("other", facts).digest


@given(st.text(max_size=300))
def test_the_estimate_counts_every_text_and_never_more_than_its_characters(text: str) -> None:
    assert len(text) / 3 <= EstimatedWording(100).count(text) <= len(text)


def test_the_whole_path_answers_the_bundled_exam_better_with_passages(
    sample_index: Index, solver: SolverReader
) -> None:
    items = [item for item in load_exam(sample.EXAM) if item.kind == "multiple_choice" and item.split == "train"][:120]
    settings = RagSettings()
    library = Library(sample_index, LexicalRetriever(sample_index, settings.lexical), settings.query)
    pipeline = Pipeline(settings, solver, library, Shots((), settings.prompt.shots))
    correct = [
        sum(one.answer.number == one.question.answer for one in pipeline.ask(items, with_passages=with_passages))
        for with_passages in (True, False)
    ]
    assert correct[0] > correct[1] + 10  # .42 against .22 at chance level; the margin is for items being mended
    assert all(one.hits == () for one in pipeline.ask(items[:3], with_passages=False))


def test_evidence_bears_title_headings_and_page(sample_index: Index) -> None:
    first = sample_index.store.passage_id(0)
    evidence = evidence_of(sample_index, [first])[0]
    assert evidence.text == sample_index.store.passage(0).text
    assert evidence.title.startswith(sample_index.store.document(0).title)
