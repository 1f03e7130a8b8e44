"""What of params.yaml the controls' trainings read, with its defaults and what scales change."""

from pydantic import Field

from rescore.systems.common.knobs import Knobs, Positive


class Settings(Knobs):
    """Trainings whose outcome the synthetic athlete makes certain (papers/controls)"""

    trainings: bool = Field(False, description="whether they run, where every video is synthetic")
    epochs: Positive = Field(8, description="of the network that finds the score painted into its clips")
    iterations: Positive = Field(1000, description="of C3D-LSTM on shuffled labels and on disjoint elements")


SETTINGS = {"controls": Settings}
SCALES = {
    "demo": {"controls": {"trainings": True, "epochs": 3}},
    **{scale: {"controls": {"trainings": False}} for scale in ("replication", "smoke", "variance")},
}
