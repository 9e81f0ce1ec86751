"""Settings of everything that is trained."""

from __future__ import annotations

from configs.dense import EncoderTrainingSettings
from configs.examples import AugmentSettings, ExamplesSettings, MineSettings
from configs.reader_training import ReaderTrainingSettings
from configs.strict import Strict
from configs.training import DpoSettings, SftSettings


class FinetuneSettings(Strict):
    """One section per thing that is trained."""

    encoder: EncoderTrainingSettings = EncoderTrainingSettings()
    examples: ExamplesSettings = ExamplesSettings()
    mine: MineSettings = MineSettings()
    augment: AugmentSettings = AugmentSettings()
    reader: ReaderTrainingSettings = ReaderTrainingSettings()
    sft: SftSettings = SftSettings()
    dpo: DpoSettings = DpoSettings()
