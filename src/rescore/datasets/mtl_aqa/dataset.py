"""MTL-AQA: dives cut out of broadcasts, with classes and captions (Parmar and Morris, CVPR 2019); UNLV-Dive's are among them."""

from rescore.datasets.declaration import FILMED, OFFICIAL, SYNTHETIC, Dataset, Step, Videos, store

SHOWN = ("synthetic.dives", "synthetic.length", "multitask.clips.frames", "multitask.clips.shift")
EVENTS = (*FILMED, *SHOWN, "multitask.validation")
CLIPS = ("clips", "multitask.clips")
PANELS = ("seed", "synthetic.dives")
SETS = ("multitask.training_sets", "multitask.vocabulary", "multitask.validation")
RELEASE, UNLV_DIVE = "raw/mtl-aqa-annotations", {"unlv_dive": "raw/unlv-dive-s3d"}
SPLITS = {"splits": "data/manifests/mtl_aqa_splits.parquet", "vocabulary": "data/manifests/mtl_aqa_vocabulary.json"}
STAGES = {
    OFFICIAL: Step("datasets.mtl_aqa.stages.write_official", reads={"release": RELEASE, **UNLV_DIVE}),
    SYNTHETIC: Step("synthetic_athlete.stages.write_synthetic", EVENTS),
}
JUDGES = {
    OFFICIAL: Step("datasets.mtl_aqa.judges.write_judges", PANELS, {"directory": RELEASE}),
    SYNTHETIC: Step("datasets.mtl_aqa.judges.write_judges", PANELS),
}
FEATURES = {
    "mtl_aqa": Step("features.extract.extract_dives", ("backbone", *CLIPS)),
    "mtl_aqa_segments": Step("features.segments.extract_segments", ("backbone", *CLIPS, "semi_supervised.segments")),
}
DATASET = Dataset(
    "mtl_aqa",
    "MTL-AQA",
    Videos(
        Step(
            "datasets.mtl_aqa.official.write_dataset",
            ("seed", "clips", *SETS),
            {"directory": RELEASE, **UNLV_DIVE},
            {**SPLITS, "findings": "runs/summary/mtl_aqa_findings.csv"},
        ),
        Step(
            "clips.broadcasts.write_broadcast_clips", CLIPS, {}, store("clips/mtl_aqa_wide", "wide_clips", "wide_rows")
        ),
        made=Step("synthetic_athlete.broadcasts.make_broadcasts", (*EVENTS, "multitask.vocabulary"), {}, SPLITS),
        index="manifests.broadcasts.index_broadcasts",
        directory="sources.mtl_aqa_directory",
        tables={"stages": STAGES, "judges": JUDGES},
        features=FEATURES,
        joints=Step("synthetic_athlete.joints.write_mtl_aqa", EVENTS),
    ),
    samples="data/clips/mtl_aqa.parquet",
)
