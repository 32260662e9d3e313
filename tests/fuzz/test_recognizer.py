"""Any damage to a recognizer file gives WeightsError, or examples that fit together."""

from __future__ import annotations

import numpy as np

from sqznet.errors import WeightsError
from sqznet.learning import storage
from sqznet.learning.gaussian_process import GaussianProcess
from sqznet.learning.scoring import Scorer

from ..support.learning_files import small
from .damage import damaged, edits
from .harness import check_message, every_length, fuzz, held, limited


def read(content: bytes) -> bool:
    """Whether it is still accepted as a recognizer, which then answers."""
    if not content:
        return False
    try:
        with limited():
            examples, _, backbone = storage.decode(held("small.sqz", content).view)
    except WeightsError as error:
        check_message(str(error))
        return False
    assert len(backbone.sha256) == 64
    assert set(examples.classes.tolist()) == set(range(len(examples.labels)))
    assert len(examples.codes) == len(examples.classes) == len(examples.mirrored)
    process = GaussianProcess.of(examples.codes)
    answers = Scorer(examples, process).ask(process.rows[:1] / 100)
    assert np.isfinite(answers.scores).all()
    assert np.isfinite(answers.familiarity).all()
    return True


@every_length
def test_damage(examples: int) -> None:
    content = small()
    assert read(content)
    outcomes = set()
    fuzz(lambda changes: outcomes.add(read(damaged(content, changes))), edits(content), examples)
    assert False in outcomes
