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

# The tables whose experiments run here, and Table 1, which needs the lists alone, which the real dive brings along; the dive itself
# has a record instead of a table.
OPEN_TABLES = [
    key for key in keys_of(REAL) if set(TABLES[key].experiments) <= set(REAL_DATA)
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
        "claims": with_file("claims.yaml", "open"),
        "comparisons": with_file("comparisons.yaml", "open"),
        "findings": [predicted_on(name, "findings.csv") for name in SCORED_OPEN],
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
    + shlex.quote(canonical_json(plan.not_run("open", SETTINGS, MIRROR, DONE))),
)
