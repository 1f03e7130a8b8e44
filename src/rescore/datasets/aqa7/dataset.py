"""AQA-7: seven actions, a video a sample (Parmar and Morris, WACV 2019)."""

from rescore.datasets.declaration import FILMED, Dataset, Step, Videos

PERFORMANCES = (*FILMED, "synthetic.samples", "synthetic.trampoline_samples", "synthetic.length")
DATASET = Dataset(
    "aqa7",
    "AQA-7",
    Videos(
        Step("datasets.aqa7.official.write_manifest", ("clips",), reads={"lists": "raw/aqa7-lists"}),
        Step("clips.store.write_clips", ("clips",)),
        made=Step("synthetic_athlete.generate.make_videos", PERFORMANCES),
        directory="sources.aqa7_directory",
        features={"aqa7": Step("features.extract.extract", ("seed", "clips", "backbone"))},
        joints=Step("synthetic_athlete.joints.write_aqa7", PERFORMANCES),
    ),
    samples="data/clips/aqa7.parquet",
)
