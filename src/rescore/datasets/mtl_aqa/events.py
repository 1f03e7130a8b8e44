"""What MTL-AQA's release says about its events without a column for it: synchronised or not, gender, height.

The paper's Table 1 counts individual and synchronised events, two heights and both genders. No released file has a column of
them, and `Video_List.xlsx` has addresses alone. Three rules read them off what is there; what a rule cannot decide is empty:

    synchronised   raw sheets: a panel of nine or eleven marks is a synchronised event's, one of seven an individual one's
    gender         captions: the commentators' pronouns, where one gender's are at least four times as frequent
    height         annotations: armstand dives are dived from a platform only, so an event without one is 3 m, one with 10 m;
                   where the gender is open, both boards may be in use, and only armstand dives are known to be from 10 m
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rescore.datasets.mtl_aqa.release import Key
from rescore.datasets.mtl_aqa.sheets import SheetDive
from rescore.manifests.diving_rule import SYNCHRONISED_PANELS

PRONOUNS = {"male": {"he", "he's", "his", "him"}, "female": {"she", "she's", "her", "hers"}}
CLEAR = 4
"""How many times as frequent one gender's pronouns must be."""


@dataclass(frozen=True)
class Event:
    dives: int
    armstands: int
    pronouns: Mapping[str, int]
    """By gender."""
    panels: frozenset[int]
    """Numbers of marks that its sheet's dives have."""

    @property
    def synchronised(self) -> bool | None:
        kinds = {panel in SYNCHRONISED_PANELS for panel in self.panels}
        return kinds.pop() if len(kinds) == 1 else None

    @property
    def gender(self) -> str | None:
        (often, first), (_, second) = Counter(self.pronouns).most_common()
        return often if first and first >= CLEAR * second else None

    def height(self, armstand: bool) -> int | None:
        """Metres, of a dive."""
        if armstand:
            return 10
        if not self.armstands:
            return 3
        return 10 if self.gender else None


def read_events(
    annotations: Mapping[Key, Mapping[str, Any]], captions: Mapping[Key, Sequence[str]], sheets: Sequence[SheetDive]
) -> dict[int, Event]:
    """Every annotated event, by number."""
    events = {}
    for number in sorted({key[0] for key in annotations}):
        dives = [annotation for key, annotation in annotations.items() if key[0] == number]
        words = Counter(
            word.lower().strip(".,'") for key, caption in captions.items() if key[0] == number for word in caption
        )
        events[number] = Event(
            len(dives),
            sum(bool(dive["armstand"]) for dive in dives),
            {gender: sum(words[word] for word in known) for gender, known in PRONOUNS.items()},
            frozenset(len(dive.marks) for dive in sheets if dive.key[0] == number),
        )
    return events


def event_columns(events: Mapping[int, Event], number: int, armstand: bool) -> dict[str, Any]:
    """`synchronised`, `height` (metres), `gender` of a dive of this event; None where unknown."""
    event = events[number]
    return {"synchronised": event.synchronised, "height": event.height(armstand), "gender": event.gender}


def event_findings(events: Mapping[int, Event]) -> list[str]:
    """What the rules decided and what they could not, a sentence each."""
    named = {
        "male": [number for number, event in events.items() if event.gender == "male"],
        "female": [number for number, event in events.items() if event.gender == "female"],
        "of both genders or unclear": [number for number, event in events.items() if event.gender is None],
        "from 3 m (no armstand dive)": [number for number, event in events.items() if not event.armstands],
        "synchronised": [number for number, event in events.items() if event.synchronised],
    }
    return [
        f"events {kind}, by rule and not by annotation: {', '.join(f'{number:02d}' for number in numbers) or 'none'}"
        for kind, numbers in named.items()
    ]
