"""The keys of Mind the Gap's official code (gumbel-lgn) and their equivalents here, for config/README.md."""

OFFICIAL_KEYS = (
    ("`experiment_name`", "`preset`", "names the folders of a study; a run's id follows from its settings"),
    ("`dataset: CIFAR10`", "`dataset: cifar10`", "and `CIFAR100`: `cifar100`; it has no others"),
    ("(fixed: 31 thresholds)", "`thresholds: 31`", "bit i is pixel > (i + 1) / 32 in both"),
    ("(fixed: all training images)", "`validation_share: 0`", "the default here is 0.1"),
    ("`seed`", "`seeds`, or `seed` of `lgn train`", "the streams differ, so equal seeds are not equal runs"),
    ("`num_layers`", "`depth`", ""),
    ("`num_neurons`", "`width`", "neurons per layer"),
    ("(fixed: `connections='unique'`)", "`wiring: unique`", "the default here is `random`, as in difflogic"),
    ("`init: randn`", "`init: gaussian`", "N(0, 1) logits, the default here"),
    ("`stochastic: gumbel`", "`method: glgn`", "noise and straight-through"),
    ("`stochastic: softmax`", "`method: dlgn`", ""),
    (
        "`gumbel_tau`",
        "`temperature`",
        "used with `gumbel` only; its softmax has temperature 1, as `method: dlgn`",
    ),
    (
        "`tau`",
        "`group_temperature`",
        "divides the class sums; there are 100 of them there on CIFAR-10 too, and 10 here",
    ),
    ("`grad_factor`", "`grad_factor`", ""),
    ("`batch_size`", "`batch_size`", ""),
    ("`lr`", "`learning_rate`", "Adam with torch's defaults in both (`epsilon: 1e-8`)"),
    ("`num_iterations`", "`iterations`", ""),
    (
        "(fixed: every 2,000 iterations)",
        "`evaluations`",
        "number of rows of history; its clock includes evaluations, ours does not",
    ),
    ("`training_bit_count`", "-", "float32 (32) here"),
    (
        "`save_final_model`",
        "-",
        "weights are always stored; `lgn train --keep-checkpoint` keeps the optimizer's state",
    ),
    ("`save_model_per_eval`", "`execution: {snapshots: N}`", "logits at N evaluations"),
    (
        "`resume_checkpoint`",
        "-",
        "the same command continues; `lgn train --continue-from` trains more iterations",
    ),
)
"""(key there, here, remark). The last three are in its README, but its main.py does not read them."""


def official_keys_table() -> str:
    """A section of config/README.md."""
    rows = "".join(f"| {there} | {here} | {remark} |\n" for there, here, remark in OFFICIAL_KEYS)
    return (
        "## From the keys of gumbel-lgn\n\nThe official code of *Mind the Gap* (github.com/shakiryousefi/gumbel-lgn), "
        "from its main.py and README. `config/paper.yaml` has its settings.\n\n"
        f"| gumbel-lgn | here | |\n|---|---|---|\n{rows}"
    )
