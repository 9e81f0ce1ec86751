"""Settings of everything that is trained."""

from __future__ import annotations

from configs.dense import EncoderTrainingSettings
from configs.strict import Strict


class FinetuneSettings(Strict):
    """One section per thing that is trained."""

    encoder: EncoderTrainingSettings = EncoderTrainingSettings()
