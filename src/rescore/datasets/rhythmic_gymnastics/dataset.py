"""Rhythmic Gymnastics: routines of four apparatus, by features of their segments and moments (Zeng et al., ACM MM 2020)."""

from rescore.datasets.declaration import Dataset, Step, store

ROWS = {"rows": "data/features/rhythmic_gymnastics.parquet"}
DATASET = Dataset(
    "rhythmic_gymnastics",
    "Rhythmic Gymnastics",
    given={
        "gymnastics_features": Step(
            "datasets.rhythmic_gymnastics.segments.write_features",
            ("seed", "semi_supervised.gymnastics"),
            writes=store("features/rhythmic_gymnastics", "features", "rows"),
            directory="sources.rhythmic_gymnastics_directory",
        ),
        "gymnastics_static": Step(
            "datasets.rhythmic_gymnastics.moments.write_static_features",
            ("seed", "action_net.static"),
            reads=ROWS,
            writes={"features": "data/features/rhythmic_gymnastics_static.npy"},
            directory="action_net.static.directory",
        ),
    },
    samples=ROWS["rows"],
)
