rule train:
    input:
        # ancient: a clone's file times mean nothing, and must not train anew what is there.
        ancient(f"{RESULTS}/data/{{dataset}}.json"),
    output:
        record=f"{RUN}/run.json",
        history=f"{RUN}/history.csv",
        gates=f"{RUN}/gates.npz",
        weights=f"{RUN}/weights.safetensors",
    log:
        f"{RESULTS}/logs/train/{paramspace.wildcard_pattern}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{paramspace.wildcard_pattern}.tsv"
    conda:
        "../envs/lgn.yaml"
    threads: preset.execution.threads
    resources:
        mem_mb=lambda wildcards: design.memory_mb(wildcards.hash),
        # Where a run executes changes no outcome: among the params it would train everything anew.
        backend=preset.execution.backend,
        device=preset.execution.device,
    params:
        settings=lambda wildcards: design.arguments(wildcards.hash),
        semantics=TRAINING_SEMANTICS,
    message:
        "Training {wildcards.method} on {wildcards.dataset}, depth {wildcards.depth}, width {wildcards.width}, "
        "temperature {wildcards.temperature}, seed {wildcards.seed}"
    shell:
        'python -m lgn train {params.settings:q} --output "$(dirname {output.record:q})" --backend {resources.backend:q} '
        "--device {resources.device:q} --threads {threads} 2>&1 | tee {log:q}"


rule runs:
    input:
        expand(rules.train.output.record, zip, **design.labels),
