# audit: the papers' numbers and the released data against themselves and each other. No training, no framework, seconds; the
# same at every scale. Released files take part where they are fetched or a mirror is set.

AUDIT_OPTIONS = {
    "aqa7-lists": "--aqa7-lists",
    "mtl-aqa-annotations": "--mtl-aqa",
    "unlv-dive-s3d": "--unlv-dive",
    "rhythmic-gymnastics": "--rhythmic-gymnastics",
}


# Released predictions, logs and labels of papers/*/released.yaml.
AUDITED_EVIDENCE = sorted({*RELEASED_SOURCES, *LABEL_SOURCES})


def audited_sources(room):
    """Released files by source: those at hand, and where the recorded audit is here, those that it read."""
    audit = f"results/{room}/audit.csv"
    recorded = (
        lock.read_lock(room).get(audit, {}).get("input", [])
        if Path(audit).is_file()
        else []
    )
    files = {
        name: f"data/raw/{name}/SOURCE.json"
        for name in (*AUDIT_OPTIONS, *AUDITED_EVIDENCE)
    }
    return {
        name: file
        for name, file in files.items()
        if file in recorded
        or SETTINGS["open"] != "never"
        and fetch.locate(name, Path("data/raw"), MIRROR) is not None
    }


AUDIT_SOURCES = {room: audited_sources(room) for room in {SCALE, "open"}}


rule audit:
    input:
        papers=sorted(
            str(path)
            for name, paper in PAPERS.items()
            if any(Path("papers", name).glob("*[sd].yaml"))
            for path in Path("papers", name).rglob("*")
            if path.suffix in (".csv", ".yaml")
        ),
        sources=lambda wildcards: list(AUDIT_SOURCES[wildcards.room].values()),
    output:
        "results/{room}/audit.csv",
    log:
        "logs/{room}/audit.log",
    wildcard_constraints:
        room="|".join(AUDIT_SOURCES),
    conda:
        "../../environment.yml"
    params:
        settings=settings("scoring.confidence"),
        code=code("scoring.audit.run.write_audit"),
        folders=lambda wildcards: " ".join(
            [
                f"{AUDIT_OPTIONS[name]} data/raw/{name}"
                for name in AUDIT_SOURCES[wildcards.room]
                if name in AUDIT_OPTIONS
            ]
            + [
                f"data/raw/{name}" if place else f"--released data/raw/{name}"
                for place, name in enumerate(
                    name
                    for name in AUDIT_SOURCES[wildcards.room]
                    if name not in AUDIT_OPTIONS
                )
            ]
        ),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.audit.run.write_audit --papers papers {params.folders}"
        " --output {output} --settings {params.settings:q} > {log} 2>&1"


# One page over all scales that were run in this directory: it reads all their tables, so it follows this run's pages. It belongs
# to no scale, so no lock has it, and a clone makes its own.
rule overview:
    input:
        pages=PAGES,
        audit=f"{RESULTS}/audit.csv",
        beside=[f"papers/{name}/paper.yaml" for name in PAPERS],
    output:
        "results/index.html",
    log:
        "logs/all/overview.log",  # no scale's: what a clone makes must leave the scales' records as they are
    conda:
        "../../environment.yml"
    params:
        code=code("reporting.page.overview"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.page.overview --results results"
        " --audit {input.audit} --output {output} > {log} 2>&1"
