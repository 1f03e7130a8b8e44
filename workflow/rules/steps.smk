# Included when all steps are listed: a rule for each.

for NAME, STEP in STEPS.items():

    rule:
        name:
            NAME
        input:
            *([unpack(STEP["reads"])] if callable(STEP["reads"]) else []),
            **({} if callable(STEP["reads"]) else STEP["reads"]),
        output:
            **STEP["writes"],
        log:
            STEP["log"],
        wildcard_constraints:
            **STEP["wildcards"],
        conda:
            "../../environment.yml"
        threads: STEP["threads"]
        resources:
            **STEP["resources"],
        params:
            settings=STEP["settings"],
            code=STEP["code"],
            step=STEP["function"],
            launch=STEP["launch"],
            told=STEP["told"],
            options=options,
        shell:
            "{params.launch} --rule {rule} --log {log} --code {params.code} --workers {threads} {params.step} {params.options}"
            " {params.told} {params.settings} > {log} 2>&1"
