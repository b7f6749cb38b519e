rule design:
    output:
        table=f"{RESULTS}/design.csv",
        run_ids=f"{RESULTS}/run_ids.txt",
    log:
        f"{RESULTS}/logs/design.log",
    group:
        "analysis"
    params:
        runs=sorted(design.runs),
    message:
        f"Listing the runs of preset {preset.preset}"
    run:
        write_design(design, output.table, output.run_ids)


rule collect:
    input:
        # Without a name: Snakemake searches a named list once per file, 10,000 times 10,000.
        rules.runs.input,
        run_ids=rules.design.output.run_ids,
    output:
        **TABLE_FILES,
    log:
        f"{RESULTS}/logs/collect.log",
    group:
        "analysis"
    conda:
        "../envs/lgn.yaml"
    params:
        primary=[] if preset.primary is None else ["--primary", str(preset.primary)],
    message:
        f"Collecting the records of preset {preset.preset}"
    shell:
        'results="$(dirname {output.runs:q})"; '
        'python -m analysis collect --runs "$results/runs" --run-ids {input.run_ids:q} {params.primary:q} --output "$results" '
        "2>&1 | tee {log:q}"


rule claims:
    input:
        **TABLE_FILES,
        code=sources(),
    output:
        claims=f"{RESULTS}/claims.json",
        table=multiext(f"{RESULTS}/tables/claims", ".md", ".tex", ".csv"),
    log:
        f"{RESULTS}/logs/claims.log",
    group:
        "analysis"
    conda:
        "../envs/lgn.yaml"
    message:
        "Measuring the paper's claims"
    shell:
        'python -m analysis claims --results "$(dirname {output.claims:q})" 2>&1 | tee {log:q}'


# A preset with a map has a table of it.
MAP_TABLE = ["map"] if has_map(design.table) else []
# The probe `use` has a table too.
USE_TABLE = [probe for probe in design.probes if probe == "use"]
OTHER_TABLES = ["robust", "time_to_target", "fairness", *MAP_TABLE, *USE_TABLE]
OTHER_TABLES += ["compare"] if preset.compare else []


rule tables:
    input:
        **TABLE_FILES,
        claims=rules.claims.output.claims,
        probes=expand(f"{RESULTS}/probe_{{probe}}.csv", probe=USE_TABLE),
        code=sources(),
    output:
        claims=report(
            f"{FIGURES}/claims.csv",
            caption="../report/tables.rst",
            category="Tables",
            subcategory=preset.preset,
        ),
        summary=report(
            f"{FIGURES}/summary.csv",
            caption="../report/tables.rst",
            category="Tables",
            subcategory=preset.preset,
        ),
        texts=expand(
            "{folder}/{table}.{format}",
            folder=FIGURES,
            table=("claims", "summary", "verdicts", *OTHER_TABLES),
            format=("md", "tex"),
        ),
        values=expand("{folder}/{table}.csv", folder=FIGURES, table=["verdicts", *OTHER_TABLES]),
    log:
        f"{RESULTS}/logs/tables.log",
    group:
        "analysis"
    conda:
        "../envs/lgn.yaml"
    params:
        compare=["--compare", *(pair.text for pair in preset.compare)] if preset.compare else [],
    message:
        "Writing tables"
    shell:
        'python -m analysis tables --results "$(dirname {input.claims:q})" '
        '--output "$(dirname {output.claims:q})" {params.compare:q} 2>&1 | tee {log:q}'
