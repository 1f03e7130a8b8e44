"""What the backbone is trained on to tell classes apart: UCF-101, or labelled motions of the synthetic athlete."""

from rescore.datasets.declaration import FILMED, Dataset, Step, Videos

MOTIONS = (*FILMED, "synthetic.motions_per_class", "synthetic.motion_frames")
DATASET = Dataset(
    "pretraining",
    "UCF-101",
    Videos(
        Step("datasets.pretraining.official.write_manifest", ("clips",), reads={"lists": "raw/ucf101-lists"}),
        Step("clips.store.write_windows", ("clips", "backbone", "pretraining")),
        made=Step("synthetic_athlete.generate.make_motions", MOTIONS),
        directory="sources.ucf101_directory",
    ),
)
