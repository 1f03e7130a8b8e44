# audit: the papers' numbers and the released data against themselves and each other. No training, no framework, seconds; the
# same at every scale. Released files take part where they are fetched or a mirror is set.

AUDIT_SOURCES = {
    name: f"data/raw/{name}/SOURCE.json"
    for name in (
        "aqa7-lists",
        "mtl-aqa-annotations",
        "unlv-dive-s3d",
        "rhythmic-gymnastics",
    )
    if SETTINGS["open"] != "never"
    and fetch.locate(name, Path("data/raw"), MIRROR) is not None
}
AUDIT_OPTIONS = {
    "aqa7-lists": "--aqa7-lists",
    "mtl-aqa-annotations": "--mtl-aqa",
    "unlv-dive-s3d": "--unlv-dive",
    "rhythmic-gymnastics": "--rhythmic-gymnastics",
}


rule audit:
    input:
        reported=sorted(
            str(path)
            for paper in ("aqa7", "mtl_aqa", "s4aqa")
            for path in Path(f"reported/{paper}").iterdir()
            if path.suffix in (".csv", ".yaml")
        ),
        sources=list(AUDIT_SOURCES.values()),
    output:
        report("results/audit.csv", caption="../report/audit.rst", category="Audit"),
    log:
        "logs/open/audit.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("scoring"),
        code=code("scoring.audit.run.write_audit"),
        folders=" ".join(
            f"{AUDIT_OPTIONS[name]} data/raw/{name}" for name in AUDIT_SOURCES
        ),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.audit.run.write_audit --reported reported {params.folders}"
        " --output {output} --settings {params.settings:q} > {log} 2>&1"


# One page over all scales. It reads the tables of every scale that is there, so it follows this run's pages.
rule overview:
    input:
        pages=PAGES,
        audit="results/audit.csv",
    output:
        report("results/index.html", caption="../report/page.rst", category="Pages"),
    log:
        f"{LOGS}/overview.log",
    conda:
        "../../environment.yml"
    params:
        code=code("reporting.page.overview"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.page.overview --results results"
        " --audit {input.audit} --output {output} > {log} 2>&1"
