"""The other systems of MTL-AQA's Table 7 (What and How Well You Performed?, Section 6), and variants of them that are ours.

No framework is imported: scoring and the workflow read this. Each system writes `runs/<scale>/<experiment>/predictions.parquet`
with members `<system>/<training set>`; how a system is repeated says `experiments.trainings`.
"""

from dataclasses import dataclass

from rescore.experiments.mtl_aqa_members import UNLV_DIVE, WHOLE


@dataclass(frozen=True)
class System:
    title: str
    """Its row; the paper's own spelling where it prints one."""
    experiment: str
    """Its folder under runs/<scale>."""


SYSTEMS = {
    "pose_dct": System("Pose+DCT", "pose_dct"),
    "pose_dct_true": System("Pose+DCT, true joints", "pose_dct"),
    "pose_apen": System("Pose+ApEn", "pose_apen"),
    "pose_apen_true": System("Pose+ApEn, true joints", "pose_apen"),
    "c3d_svr": System("C3D-SVR", "c3d_svr"),
    "c3d_lstm": System("C3D-LSTM", "c3d_lstm"),
    "c3d_lstm_svr": System("C3D-LSTM-SVR", "c3d_lstm_svr"),
    "c3d_lstm_incremental": System("C3D-LSTM, incremental label", "c3d_lstm_incremental"),
    "s3d": System("S3D", "s3d"),
    "li": System("Li et al.", "li"),
}
"""By the first part of a member's name, in the order of the table's rows."""
TRAINING_SETS = (WHOLE, UNLV_DIVE)


def system_of(member: str) -> System | None:
    """The system behind `c3d_svr/1059`; None for other members."""
    return SYSTEMS.get(member.partition("/")[0])
