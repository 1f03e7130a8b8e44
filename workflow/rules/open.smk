# Scores and page of real public data that needs no video. What predicts on it stands in systems.smk; all take part wherever their
# sources are fetched or a mirror is set, and where they are not, the page says which command brings them (rescore.experiments.plan).


def predicted_on(name, file="predictions.parquet"):
    """A file of an experiment on real data."""
    return f"runs/open/{name}/{file}"


step(
    "human_ceiling_scores",
    "scoring.open.score_human_ceiling",
    {"predictions": predicted_on("human_ceiling")},
    {"scores": "runs/open/scores/open_human_ceiling.csv"},
    settings("seed", "scoring", scale="open"),
    log="logs/open/scores_human_ceiling.log",
    scale="open",
)
step(
    "open_summary",
    "scoring.open.summarise_aqa7_lists",
    {"lists": FILES.source("aqa7-lists")},
    {"summary": "runs/open/summary/aqa7_table1.csv"},
    log="logs/open/summary.log",
    scale="open",
)

# Released predictions and logs that papers declare (papers/*/released.yaml): read once, then a step a table.
from rescore.scoring.released import declared as released_declared

try:
    DECLARED = {
        path.parent.name: released_declared.read_declared(path)
        for path in released_declared.declared_files(Path("papers"))
    }
except RescoreError as error:
    raise WorkflowError(str(error))
for PAPER, ONE in DECLARED.items():
    if lost := [
        name
        for name in ONE.tables
        if PAPER not in PAPERS or name not in PAPERS[PAPER].tables
    ]:
        raise WorkflowError(
            f"papers/{PAPER}/released.yaml fills {', '.join(lost)}, which no paper.yaml beside it declares; mend the names."
        )
RELEASED_SOURCES = sorted(
    {source for one in DECLARED.values() for source in one.sources}
)
WITH_OTHERS = [name for name, paper in DECLARED.items() if paper.has_others]
# Those that are fetched, in the mirror, or behind results that are here; what the others fill says which command brings them.
RELEASED_HERE = [
    source
    for source in RELEASED_SOURCES
    if SETTINGS["open"] != "never" and plan.at_hand(source, MIRROR)
]
RELEASED_NOT_RUN = (
    []
    if RELEASED_HERE
    else [
        {
            "what": "printed numbers held against released predictions and logs",
            "why": f"not fetched: {', '.join(RELEASED_SOURCES)}",
            "command": f"rescore fetch {' '.join(RELEASED_SOURCES)} && snakemake --cores all",
        }
    ]
)
RELEASED = {
    "points": "runs/open/released/points.parquet",
    "predictions": "runs/open/released/predicted.parquet",
    "findings": "runs/open/released/findings.csv",
}
step(
    "released_files",
    "scoring.released.collect.collect",
    {
        "declared": [f"papers/{name}/released.yaml" for name in DECLARED],
        "sources": [FILES.source(name) for name in RELEASED_HERE],
    },
    RELEASED,
    log="logs/open/released.log",
    scale="open",
)
RELEASED_TABLES = []
for PAPER, ONE in DECLARED.items():
    for NAME in ONE.tables:
        KEY = f"{PAPER}_{NAME}"
        RELEASED_TABLES.append(KEY)
        step(
            f"released_{KEY}",
            "scoring.released.cells.score_released",
            {
                "declared": f"papers/{PAPER}/released.yaml",
                **RELEASED,
            },
            {"scores": f"runs/open/scores/{KEY}.csv"},
            settings("seed", "scoring", scale="open"),
            log=f"logs/open/released_{KEY}.log",
            scale="open",
            told=f"--table {NAME}",
        )

# Tables of ours on released files: what choosing the epoch on test is worth, what others got, what labels alone and judges give.
LABEL_SOURCES = ["released-finediving", "released-fis-v", "released-fis-v-elements"]
MARK_SOURCES = ["released-diving-2000", "released-figure-skating"]


def all_here(sources):
    return SETTINGS["open"] != "never" and all(
        plan.at_hand(source, MIRROR) for source in sources
    )


step(
    "choosing_on_test",
    "scoring.released.choice.price_choices",
    {name: RELEASED[name] for name in ("points", "predictions")},
    {"scores": "runs/open/scores/open_choosing_on_test.csv"},
    settings("seed", "scoring", scale="open"),
    log="logs/open/choosing_on_test.log",
    scale="open",
)
step(
    "price_of_choosing",
    "reporting.released_figures.price_of_choosing",
    {
        "paper": "papers/open/paper.yaml",
        "scores": "runs/open/scores/open_choosing_on_test.csv",
    },
    {
        kind: f"results/open/figures/open_price_of_choosing.{kind}"
        for kind in ("svg", "png")
    },
    settings("scale", "sources", scale="open"),
    log="logs/open/price_of_choosing.log",
    scale="open",
)
step(
    "what_others_got",
    "scoring.released.others.compare_others",
    {
        "declared": [f"papers/{name}/released.yaml" for name in WITH_OTHERS],
        "points": RELEASED["points"],
        "beside": sorted(
            str(path)
            for name in WITH_OTHERS
            for path in Path("papers", name, "tables").glob("*.csv")
        ),
    },
    {"scores": "runs/open/scores/open_what_others_got.csv"},
    log="logs/open/what_others_got.log",
    scale="open",
)
step(
    "labels_alone",
    "scoring.released.labels.score_labels",
    {
        name: FILES.source(source)
        for name, source in zip(("finediving", "fis_v", "elements"), LABEL_SOURCES)
    },
    {
        "finediving_scores": "runs/open/scores/finediving_scores.csv",
        "fis_v_scores": "runs/open/scores/fis_v_scores.csv",
    },
    settings("seed", "scoring", scale="open"),
    log="logs/open/labels_alone.log",
    scale="open",
)
step(
    "released_ceilings",
    "scoring.released.ceilings.score_ceilings",
    {
        name: FILES.source(source)
        for name, source in zip(("diving", "skating"), MARK_SOURCES)
    },
    {"scores": "runs/open/scores/open_ceilings.csv"},
    settings("seed", "scoring", scale="open"),
    log="logs/open/ceilings.log",
    scale="open",
)
step(
    "ltsoe_splits",
    "scoring.released.splits.write_splits",
    {
        "directory": FILES.source("released-ltsoe"),
        "unlv_dive": FILES.source("unlv-dive-s3d"),
    },
    {
        "splits": "runs/open/released/ltsoe_splits.csv",
        "findings": "runs/open/released/ltsoe_findings.csv",
    },
    log="logs/open/ltsoe_splits.log",
    scale="open",
)
HERE = {
    **dict.fromkeys(
        [*RELEASED_TABLES, "open_choosing_on_test", "open_what_others_got"],
        bool(RELEASED_HERE),
    ),
    **dict.fromkeys(["finediving_scores", "fis_v_scores"], all_here(LABEL_SOURCES)),
    "open_ceilings": all_here(MARK_SOURCES),
}
SPLITS_HERE = all_here(["released-ltsoe", "unlv-dive-s3d"])

# The tables whose experiments run here, and Table 1, which needs the lists alone, which the real dive brings along; the dive itself
# has a record instead of a table.
OPEN_TABLES = [
    key
    for key in keys_of(REAL)
    if HERE.get(key, set(TABLES[key].experiments) <= set(REAL_DATA))
]
OPEN_TABLES += ["aqa7_table1"] if "real_dive" in REAL_DATA else []
RECORDED = [name for name in REAL_DATA if name == "real_dive"]
SCORED_OPEN = [name for name in REAL_DATA if name not in RECORDED]

step(
    "open_metrics",
    "reporting.metrics.write_metrics",
    {"tables": expand("results/open/tables/{table}.csv", table=OPEN_TABLES)},
    {"output": "results/open/metrics.json"},
    log="logs/open/metrics.log",
    scale="open",
)
step(
    "open_page",
    "reporting.page.page",
    {
        "tables": expand("results/open/tables/{table}.csv", table=OPEN_TABLES),
        "figures": (
            ["results/open/figures/open_price_of_choosing.svg"] if RELEASED_HERE else []
        ),
        "claims": with_file("claims.yaml", "open"),
        "comparisons": with_file("comparisons.yaml", "open"),
        "findings": [
            *([RELEASED["findings"]] if RELEASED_HERE else []),
            *(["runs/open/released/ltsoe_findings.csv"] if SPLITS_HERE else []),
            *(predicted_on(name, "findings.csv") for name in SCORED_OPEN),
        ],
        "records": [predicted_on(name, "record.json") for name in RECORDED],
        "audit": "results/open/audit.csv",
        "beside": [
            *(f"papers/{name}/paper.yaml" for name in PAPERS),
            *map(predicted_on, SCORED_OPEN),
        ],
    },
    {"output": "results/open/index.html"},
    settings("scale", "seeds", "sources", "scoring", scale="open"),
    log="logs/open/page.log",
    scale="open",
    told="--runs runs/open --step-records runs/open/records --not-run "
    + shlex.quote(
        canonical_json(
            [*plan.not_run("open", SETTINGS, MIRROR, DONE), *RELEASED_NOT_RUN]
        )
    ),
)
