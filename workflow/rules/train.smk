rule train:
    input:
        # ancient: a clone's file times mean nothing, and must not start trainings again.
        ancient(f"{RESULTS}/data/{{dataset}}.json"),
    output:
        record=f"{RUN}/run.json",
        others=expand(f"{RUN}/{{file}}", file=RECORD_FILES[1:], allow_missing=True),
    log:
        f"{RESULTS}/logs/train/{paramspace.wildcard_pattern}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{paramspace.wildcard_pattern}.tsv"
    group:
        lambda wildcards: design.group(wildcards.hash)
    conda:
        "../envs/lgn.yaml"
    threads: preset.execution.threads
    resources:
        # Execution does not change the outcome: among the params a change would train everything again.
        **gpu_request(preset.execution),
        mem_mb=lambda wildcards, attempt: attempt * design.memory_mb(wildcards.hash),
        runtime=lambda wildcards, attempt: attempt * design.minutes(wildcards.hash),
        backend=preset.execution.backend,
        device=preset.execution.device,
        snapshots=preset.execution.snapshots,
    params:
        settings=lambda wildcards: design.arguments(wildcards.hash),
        semantics=TRAINING_SEMANTICS,
    message:
        "Training {wildcards.method} on {wildcards.dataset}, depth {wildcards.depth}, width {wildcards.width}, "
        "temperature {wildcards.temperature}, seed {wildcards.seed}"
    shell:
        'python -m lgn train {params.settings:q} --output "$(dirname {output.record:q})" --backend {resources.backend:q} '
        "--device {resources.device:q} --threads {threads} --snapshots {resources.snapshots:q} --accept-diverged "
        "2>&1 | tee {log:q}"


rule runs:
    input:
        expand(f"{RESULTS}/runs/{{run_id}}/run.json", run_id=design.table["run_id"]),
