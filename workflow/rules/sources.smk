# sources: originals from their origin, or from the folder that RESCORE_MIRROR names; checksums are verified either way.


rule fetch:
    output:
        "data/raw/{source}/SOURCE.json",
    log:
        "logs/fetch/{source}.log",
    conda:
        "../../environment.yml"
    shell:
        "rescore fetch {wildcards.source} > {log} 2>&1"
