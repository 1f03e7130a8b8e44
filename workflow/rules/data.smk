# sources > manifests > clips. AQA-7 and the backbone's pre-training set come from the synthetic athlete or from official
# videos, by params.yaml; both fill the same manifest, so nothing downstream knows the difference.


if SETTINGS["sources"]["aqa7_videos"] == "synthetic":

    rule aqa7_videos:
        output:
            index=f"{DATA}/videos/aqa7.csv",
            manifest=f"{DATA}/manifests/aqa7.parquet",
        log:
            f"{LOGS}/aqa7_videos.log",
        conda:
            "../../environment.yml"
        threads: CORES
        params:
            settings=settings(*PERFORMANCES),
            code=code("synthetic_athlete.generate.make_videos"),
            directory=subpath(output.index, strip_suffix=".csv"),
        shell:
            "rescore step --rule {rule} --log {log} --code {params.code} synthetic_athlete.generate.make_videos --index {output.index} --manifest {output.manifest}"
            " --directory {params.directory} --workers {threads} --settings {params.settings:q} > {log} 2>&1"

else:

    rule aqa7_videos:
        output:
            index=f"{DATA}/videos/aqa7.csv",
        log:
            f"{LOGS}/aqa7_videos.log",
        conda:
            "../../environment.yml"
        threads: CORES
        params:
            code=code("manifests.videos.index_videos"),
            directory=SETTINGS["sources"]["aqa7_directory"],
        shell:
            "rescore step --rule {rule} --log {log} --code {params.code} manifests.videos.index_videos --directory {params.directory:q} --index {output.index}"
            " --workers {threads} > {log} 2>&1"

    rule aqa7_manifest:
        input:
            lists="data/raw/aqa7-lists/SOURCE.json",
            index=f"{DATA}/videos/aqa7.csv",
        output:
            manifest=f"{DATA}/manifests/aqa7.parquet",
        log:
            f"{LOGS}/aqa7_manifest.log",
        conda:
            "../../environment.yml"
        params:
            settings=settings("clips"),
            code=code("manifests.aqa7.write_manifest"),
        shell:
            "rescore step --rule {rule} --log {log} --code {params.code} manifests.aqa7.write_manifest --lists $(dirname {input.lists}) --index {input.index}"
            " --manifest {output.manifest} --settings {params.settings:q} > {log} 2>&1"


rule aqa7_clips:
    input:
        manifest=f"{DATA}/manifests/aqa7.parquet",
        index=f"{DATA}/videos/aqa7.csv",
    output:
        clips=f"{DATA}/clips/aqa7.npy",
        rows=f"{DATA}/clips/aqa7.parquet",
        dropped=f"{DATA}/clips/aqa7.dropped.csv",
    log:
        f"{LOGS}/aqa7_clips.log",
    conda:
        "../../environment.yml"
    threads: CORES
    params:
        settings=settings("clips"),
        code=code("clips.store.write_clips"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} clips.store.write_clips --manifest {input.manifest} --clips {output.clips} --rows {output.rows}"
        " --dropped {output.dropped} --workers {threads} --settings {params.settings:q} > {log} 2>&1"


if SETTINGS["sources"]["pretraining_videos"] == "synthetic":

    rule pretraining_videos:
        output:
            index=f"{DATA}/videos/pretraining.csv",
            manifest=f"{DATA}/manifests/pretraining.parquet",
        log:
            f"{LOGS}/pretraining_videos.log",
        conda:
            "../../environment.yml"
        threads: CORES
        params:
            settings=settings(*MOTIONS),
            code=code("synthetic_athlete.generate.make_motions"),
            directory=subpath(output.index, strip_suffix=".csv"),
        shell:
            "rescore step --rule {rule} --log {log} --code {params.code} synthetic_athlete.generate.make_motions --index {output.index} --manifest {output.manifest}"
            " --directory {params.directory} --workers {threads} --settings {params.settings:q} > {log} 2>&1"

else:

    rule pretraining_videos:
        output:
            index=f"{DATA}/videos/pretraining.csv",
        log:
            f"{LOGS}/pretraining_videos.log",
        conda:
            "../../environment.yml"
        threads: CORES
        params:
            code=code("manifests.videos.index_videos"),
            directory=SETTINGS["sources"]["ucf101_directory"],
        shell:
            "rescore step --rule {rule} --log {log} --code {params.code} manifests.videos.index_videos --directory {params.directory:q} --index {output.index}"
            " --workers {threads} > {log} 2>&1"

    rule pretraining_manifest:
        input:
            lists="data/raw/ucf101-lists/SOURCE.json",
            index=f"{DATA}/videos/pretraining.csv",
        output:
            manifest=f"{DATA}/manifests/pretraining.parquet",
        log:
            f"{LOGS}/pretraining_manifest.log",
        conda:
            "../../environment.yml"
        params:
            settings=settings("clips"),
            code=code("manifests.ucf101.write_manifest"),
        shell:
            "rescore step --rule {rule} --log {log} --code {params.code} manifests.ucf101.write_manifest --lists $(dirname {input.lists}) --index {input.index}"
            " --manifest {output.manifest} --settings {params.settings:q} > {log} 2>&1"


rule pretraining_clips:
    input:
        manifest=f"{DATA}/manifests/pretraining.parquet",
        index=f"{DATA}/videos/pretraining.csv",
    output:
        clips=f"{DATA}/clips/pretraining.npy",
        rows=f"{DATA}/clips/pretraining.parquet",
        dropped=f"{DATA}/clips/pretraining.dropped.csv",
    log:
        f"{LOGS}/pretraining_clips.log",
    conda:
        "../../environment.yml"
    threads: CORES
    params:
        settings=settings("clips", "backbone", "pretraining"),
        code=code("clips.store.write_windows"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} clips.store.write_windows --manifest {input.manifest} --clips {output.clips} --rows {output.rows}"
        " --dropped {output.dropped} --workers {threads} --settings {params.settings:q} > {log} 2>&1"
