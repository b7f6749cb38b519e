# Not in `all`: it needs other tools, and time.
rule circuit:
    input:
        expand(f"{RESULTS}/runs/{{{{run_id}}}}/{{file}}", file=RECORD_FILES),
    output:
        files=directory(f"{RESULTS}/circuits/{{run_id}}"),
        proof=f"{RESULTS}/circuits/{{run_id}}.csv",
    log:
        f"{RESULTS}/logs/circuits/{{run_id}}.log",
    group:
        "circuits"
    conda:
        "../envs/lgn.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 2000,
        runtime=lambda wildcards, attempt: attempt * 60,
    params:
        record=lambda wildcards: f"{RESULTS}/runs/{wildcards.run_id}",
    message:
        "Exporting and proving {wildcards.run_id}"
    shell:
        "python -m lgn prove {params.record:q} --output {output.files:q} --table {output.proof:q} 2>&1 | tee {log:q}"


rule circuits:
    input:
        circuit_proofs,
    output:
        table=f"{RESULTS}/circuits.csv",
    log:
        f"{RESULTS}/logs/circuits.log",
    group:
        "analysis"
    message:
        f"Gathering the proofs of preset {preset.preset}"
    run:
        collect_probe(input, output.table)
