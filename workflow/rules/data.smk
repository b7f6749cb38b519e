rule data:
    output:
        f"{RESULTS}/data/{{dataset}}.json",
    log:
        f"{RESULTS}/logs/data/{{dataset}}.log",
    conda:
        "../envs/lgn.yaml"
    params:
        dataset=lambda wildcards: design.datasets[wildcards.dataset],
    message:
        "Finding or downloading {wildcards.dataset}"
    shell:
        "python -m lgn fetch {params.dataset:q} --report {output:q} 2>&1 | tee {log:q}"
