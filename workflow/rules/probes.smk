rule probe:
    input:
        lambda wildcards: expand("{record}/{file}", record=probed_records(wildcards), file=RECORD_FILES),
    output:
        f"{RESULTS}/probes/{{probe}}/{{run_id}}.csv",
    log:
        f"{RESULTS}/logs/probes/{{probe}}/{{run_id}}.log",
    group:
        "probes"
    conda:
        "../envs/lgn.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 2000,
        runtime=lambda wildcards, attempt: attempt * 60,
    params:
        records=probed_records,
        semantics=PROBE_SEMANTICS,
    message:
        "Measuring {wildcards.probe} of {wildcards.run_id}"
    shell:
        "python -m lgn probe {wildcards.probe:q} {params.records:q} --output {output:q} 2>&1 | tee {log:q}"


rule probe_table:
    input:
        lambda wildcards: expand(
            f"{RESULTS}/probes/{{probe}}/{{run_id}}.csv",
            probe=wildcards.probe,
            run_id=design.probes[wildcards.probe],
        ),
    output:
        table=f"{RESULTS}/probe_{{probe}}.csv",
    log:
        f"{RESULTS}/logs/probe_{{probe}}.log",
    group:
        "analysis"
    message:
        f"Gathering {{wildcards.probe}} of preset {preset.preset}"
    run:
        collect_probe(input, output.table)
