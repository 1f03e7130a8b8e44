# scoring > tables, forest plots, claims, comparisons: what every paper of papers/ declares, one rule each. A table is named
# <paper>_<name>; a room is a scale, or `open`, whose tables are made beside every scale.

from rescore.systems.common.training_sets import VALIDATED
from rescore.scoring import papers

try:
    PAPERS = papers.read_papers()
    TABLES = {
        table.key: table for paper in PAPERS.values() for table in paper.tables.values()
    }
    CURVES = {
        f"{name}_{figure}": paper.table_of(figure)
        for name, paper in PAPERS.items()
        for figure in paper.curves
    }
    # Every selection rule's cells, asked for once; what params.yaml lists is among them.
    CELLS = {
        key: table.cells(SETTINGS)
        for key, table in (TABLES | CURVES).items()
        if table.experiments and "blocks" in table.declared
    }
except RescoreError as error:
    raise WorkflowError(str(error))

# Papers whose numbers need no video have a room of their own.
REAL = [name for name, paper in PAPERS.items() if paper.real]
# What has no printed numbers is not there where nothing fills it.
VIDEO = [
    name
    for name, paper in PAPERS.items()
    if SCALE != "open"
    and name not in REAL
    and not (
        paper.optional
        and not any(
            PREDICTED.get(experiment)
            for table in paper.tables.values()
            for experiment in table.experiments
        )
    )
]
SCORED = [key for key in TABLES if key in CELLS]


def keys_of(names, of=TABLES):
    """Tables of some papers, in the order shown."""
    return [key for key, table in of.items() if table.paper in names]


def name_of(key):
    """The name of a table or figure behind its paper's."""
    return key.removeprefix(f"{(TABLES | CURVES)[key].paper}_")


def predicted(wildcards, name="predictions.parquet"):
    """Files of one name of the members that fill a table, their twins without the validation samples included."""
    table, cells = (TABLES | CURVES)[wildcards.table], CELLS[wildcards.table]
    members = {member for cell in cells for member in (cell.member, *cell.alternatives)}
    members |= {member + VALIDATED for member in members}
    folders = []
    for experiment in table.experiments:
        if PAPERS[table.paper].real:
            folders.append(f"runs/open/{experiment}")
            continue
        known = PREDICTED.get(experiment, [])
        if isinstance(known, dict):
            known = [
                folder
                for member, places in known.items()
                if not member or member in members
                for folder in places
            ]
        folders += known
    return [f"{folder}/{name}" for folder in folders]


def beside(wildcards, name):
    """Files of classes or captions, for tables that show them."""
    table = (TABLES | CURVES)[wildcards.table]
    return predicted(wildcards, name) if table.parts else []


def scores_of(key, room):
    """What a table is made from."""
    kind = "summary" if TABLES[key].characteristics else "scores"
    return f"runs/{room}/{kind}/{key}.csv"


def estimates_of(wildcards, of):
    """What stands behind the scores of a paper."""
    return [
        f"runs/{wildcards.room}/scores/{key}.estimates.parquet"
        for key in keys_of([wildcards.paper], of)
        if key in CELLS
    ]


rule scores:
    input:
        paper=lambda wildcards: f"papers/{(TABLES | CURVES)[wildcards.table].paper}/paper.yaml",
        predictions=predicted,
        classes=lambda wildcards: beside(wildcards, "classes.parquet"),
        captions=lambda wildcards: beside(wildcards, "captions.parquet"),
        rows=lambda wildcards: [
            SAMPLES[name]
            for name in (TABLES | CURVES)[wildcards.table].data
            if name in SAMPLES
        ],
        splits=lambda wildcards: (
            f"{DATA}/manifests/mtl_aqa_splits.parquet"
            if (TABLES | CURVES)[wildcards.table].samples == "training_set"
            else []
        ),
        variance=lambda wildcards: VARIANCE if wildcards.room == SCALE else [],
    output:
        scores="runs/{room}/scores/{table}.csv",
        estimates="runs/{room}/scores/{table}.estimates.parquet",
    log:
        "logs/{room}/scores_{table}.log",
    wildcard_constraints:
        table="|".join([*SCORED, *CURVES]),
    conda:
        "../../environment.yml"
    params:
        settings=lambda wildcards: settings(
            "seed",
            "scoring",
            *COUNTED_BY,
            *(TABLES | CURVES)[wildcards.table].reads,
            scale=wildcards.room,
        ),
        code=lambda wildcards: code("scoring.score_table.score_table", wildcards.room),
        table=lambda wildcards: name_of(wildcards.table),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.score_table.score_table --table {params.table}"
        " {params.options} --settings {params.settings:q} > {log} 2>&1"


rule table:
    input:
        paper=lambda wildcards: f"papers/{TABLES[wildcards.table].paper}/paper.yaml",
        beside=lambda wildcards: f"papers/{TABLES[wildcards.table].paper}/tables/{name_of(wildcards.table)}.csv",
        scores=lambda wildcards: scores_of(wildcards.table, wildcards.room),
    output:
        csv="results/{room}/tables/{table}.csv",
        markdown_file="results/{room}/tables/{table}.md",
        latex_file="results/{room}/tables/{table}.tex",
    log:
        "logs/{room}/{table}.log",
    wildcard_constraints:
        table="|".join(TABLES),
    conda:
        "../../environment.yml"
    params:
        settings=lambda wildcards: settings(
            "scale", "sources", "scoring", scale=wildcards.room
        ),
        code=lambda wildcards: code("reporting.tables.make_table", wildcards.room),
        table=lambda wildcards: name_of(wildcards.table),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.tables.make_table --table {params.table}"
        " {params.options} --settings {params.settings:q} > {log} 2>&1"


rule forest:
    input:
        paper=lambda wildcards: f"papers/{TABLES[wildcards.table].paper}/paper.yaml",
        result=f"{RESULTS}/tables/{{table}}.csv",
    output:
        svg=f"{RESULTS}/figures/{{table}}_forest.svg",
        png=f"{RESULTS}/figures/{{table}}_forest.png",
    log:
        f"{LOGS}/{{table}}_forest.log",
    wildcard_constraints:
        table="|".join(SCORED),
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "sources"),
        code=code("reporting.figures.forest"),
        table=lambda wildcards: name_of(wildcards.table),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.figures.forest --table {params.table}"
        " {params.options} --settings {params.settings:q} > {log} 2>&1"


rule score_curves:
    input:
        paper=lambda wildcards: f"papers/{CURVES[wildcards.figure].paper}/paper.yaml",
        curves=f"{RUNS}/scores/{{figure}}.csv",
    output:
        svg=f"{RESULTS}/figures/{{figure}}.svg",
        png=f"{RESULTS}/figures/{{figure}}.png",
    log:
        f"{LOGS}/{{figure}}.log",
    wildcard_constraints:
        figure="|".join(CURVES),
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "sources"),
        code=code("reporting.figures.score_curves"),
        figure=lambda wildcards: name_of(wildcards.figure),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.figures.score_curves --figure {params.figure}"
        " {params.options} --settings {params.settings:q} > {log} 2>&1"


rule claims:
    input:
        claims="papers/{paper}/claims.yaml",
        beside=lambda wildcards: sorted(
            map(str, Path("papers", wildcards.paper, "tables").glob("*.csv"))
        ),
        tables=lambda wildcards: [
            *(
                f"results/{wildcards.room}/tables/{key}.csv"
                for key in keys_of([wildcards.paper])
            ),
            *(
                f"runs/{wildcards.room}/summary/{wildcards.paper}_{name}.csv"
                for name in PAPERS[wildcards.paper].counted
            ),
        ],
        curves=lambda wildcards: [
            f"runs/{wildcards.room}/scores/{key}.csv"
            for key in keys_of([wildcards.paper], CURVES)
        ],
        estimates=lambda wildcards: estimates_of(wildcards, TABLES | CURVES),
    output:
        output="results/{room}/tables/{paper}_claims.csv",
    log:
        "logs/{room}/{paper}_claims.log",
    wildcard_constraints:
        paper="|".join(PAPERS),
    conda:
        "../../environment.yml"
    params:
        settings=lambda wildcards: settings("scoring.confidence", scale=wildcards.room),
        code=lambda wildcards: code("scoring.claims.evaluate_claims", wildcards.room),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.claims.evaluate_claims {params.options}"
        " --settings {params.settings:q} > {log} 2>&1"


# Rows of our own tables against each other on the same test samples, where the paper holds them against each other.
rule comparisons:
    input:
        comparisons="papers/{paper}/comparisons.yaml",
        estimates=lambda wildcards: estimates_of(wildcards, TABLES),
    output:
        output="results/{room}/tables/{paper}_comparisons.csv",
    log:
        "logs/{room}/{paper}_comparisons.log",
    wildcard_constraints:
        paper="|".join(PAPERS),
    conda:
        "../../environment.yml"
    params:
        settings=lambda wildcards: settings("scoring.confidence", scale=wildcards.room),
        code=lambda wildcards: code("scoring.comparisons.compare_rows", wildcards.room),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.comparisons.compare_rows {params.options}"
        " --settings {params.settings:q} > {log} 2>&1"


def with_file(name, room):
    """What is made of a file that papers of a room declare, a results table each."""
    return [
        f"results/{room}/tables/{paper}_{Path(name).stem}.csv"
        for paper in (REAL if room == "open" else VIDEO)
        if Path("papers", paper, name).is_file()
    ]


RESULT_TABLES = [f"{RESULTS}/tables/{key}.csv" for key in keys_of(VIDEO)]
CLAIMS = with_file("claims.yaml", SCALE) if SCALE != "open" else []
COMPARISONS = with_file("comparisons.yaml", SCALE) if SCALE != "open" else []
CURVE_SCORES = [f"{RUNS}/scores/{key}.csv" for key in keys_of(VIDEO, CURVES)]
# What the page takes: a paper's figures in the order that it declares, then the forest plots of its tables.
FIGURES = [
    figure
    for name in VIDEO
    for figure in [
        *(
            f"{RESULTS}/figures/{name}_{figure}.{'png' if figure in PAPERS[name].pictures else 'svg'}"
            for figure in (*PAPERS[name].figures, *PAPERS[name].curves)
        ),
        *(
            f"{RESULTS}/figures/{key}_forest.svg"
            for key in keys_of([name])
            if key in CELLS and TABLES[key].has_forest
        ),
    ]
]
