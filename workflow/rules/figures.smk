for figure in FIGURE_NAMES:

    # A rule a figure, named after it: `snakemake --cores 1 speed_ratio` draws one.
    rule:
        name:
            figure
        input:
            **TABLE_FILES,
            probes=PROBE_TABLES if needs_probe(figure) else [],
            code=figure_sources(figure),
        output:
            png=report(
                f"{FIGURES}/{figure}.png",
                caption=f"../report/{figure}.rst",
                category="Figures",
                subcategory=preset.preset,
            ),
            pdf=f"{FIGURES}/{figure}.pdf",
        log:
            f"{RESULTS}/logs/figures/{figure}.log",
        group:
            "analysis"
        conda:
            "../envs/lgn.yaml"
        params:
            figure=figure,
        message:
            "Drawing {params.figure}"
        shell:
            'python -m analysis figure {params.figure:q} --results "$(dirname {input.runs:q})" '
            '--output "$(dirname {output.png:q})" 2>&1 | tee {log:q}'


rule figures:
    input:
        expand(f"{FIGURES}/{{figure}}.{{format}}", figure=FIGURE_NAMES, format=("pdf", "png")),
