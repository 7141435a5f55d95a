"""Skin tone as a group of people, measured in their photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vera.data.people import Person, Selection
from vera.evaluation.metrics.appearance import skin_tone
from vera.evaluation.protocol.cache import Records, load_seen
from vera.evaluation.protocol.items import ORIGINALS, Files, Item

SKIN_TONE = "skin_tone"


def with_skin_tone(people: Sequence[Person], items: Records, files: Files) -> Sequence[Person]:
    """The people with the group ``skin_tone``, by the typology angle of the skin in their first photograph; none where no face is seen.

    Args:
        people: people of an evaluation whose originals the judges have looked at.
        items: records of the run's items.
        files: paths of the run's files.

    Raises:
        VeraError: a photograph or its observations can't be read.

    """
    labelled = []
    for person in people:
        item = Item(ORIGINALS, person.id)
        marks = load_seen(files.seen(item))[0].landmarks if items[item]["status"] == "written" else np.full((68, 2), np.nan)
        tone = skin_tone(person.photographs[0].read().pixels, marks) if np.isfinite(marks).all() else None
        labelled.append(replace(person, groups={**person.groups, SKIN_TONE: tone}) if tone else person)
    return Selection(labelled, people.left_out) if isinstance(people, Selection) else labelled
