if preset.trials:
    TRIED = f"{preset.results_dir}/{Path(preset.trials).stem}"

    rule leaderboard:
        input:
            **TABLE_FILES,
            tried=f"{TRIED}/runs.csv",
            trials=preset.trials,
            probes=expand(f"{RESULTS}/probe_{{probe}}.csv", probe=USE_TABLE),
            code=sources(),
        output:
            page=report(
                f"{FIGURES}/leaderboard.html",
                caption="../report/leaderboard.rst",
                category="Leaderboard",
            ),
            rows=multiext(f"{FIGURES}/leaderboard", ".json", ".csv"),
        log:
            f"{RESULTS}/logs/leaderboard.log",
        group:
            "analysis"
        conda:
            "../envs/lgn.yaml"
        message:
            "Scoring the leaderboard's final runs"
        shell:
            "python -m analysis leaderboard --trials {input.trials:q} --tried {TRIED:q} --results {RESULTS:q} "
            "--output {FIGURES:q} 2>&1 | tee {log:q}"
