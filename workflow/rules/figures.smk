rule figures:
    input:
        **TABLE_FILES,
        probes=expand(f"{RESULTS}/probe_{{probe}}.csv", probe=drawn_probes(FIGURE_NAMES, design.probes)),
        code=sources(),
    output:
        [
            report(
                f"{FIGURES}/{figure}.png",
                caption=f"../report/{figure}.rst",
                category="Figures",
                subcategory=preset.preset,
            )
            for figure in FIGURE_NAMES
        ],
        pdf=expand(f"{FIGURES}/{{figure}}.pdf", figure=FIGURE_NAMES),
    log:
        f"{RESULTS}/logs/figures.log",
    group:
        "analysis"
    conda:
        "../envs/lgn.yaml"
    threads: 4
    params:
        names=["--names", *FIGURE_NAMES],
    message:
        f"Drawing {len(FIGURE_NAMES)} figures of preset {preset.preset}"
    shell:
        'set -- {output.pdf:q}; python -m analysis figures --results "$(dirname {input.runs:q})" --output "$(dirname "$1")" '
        "--processes {threads} {params.names:q} 2>&1 | tee {log:q}"
