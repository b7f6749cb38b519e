"""The keys of the official code of Mind the Gap (gumbel-lgn) and what says the same here, for config/README.md."""

OFFICIAL_KEYS = (
    ("`experiment_name`", "`preset`", "names the folders of a study; a run's id follows from its settings"),
    ("`dataset: CIFAR10`", "`dataset: cifar10`", "and `CIFAR100`: `cifar100`; it reads no others"),
    ("(fixed: 31 thresholds)", "`thresholds: 31`", "bit i is pixel > (i + 1) / 32, as there"),
    ("(fixed: all training images)", "`validation_share: 0`", "the default here holds a tenth out"),
    ("`seed`", "`seeds`, or `seed` of `lgn train`", "the streams differ, so equal seeds are not equal runs"),
    ("`num_layers`", "`depth`", ""),
    ("`num_neurons`", "`width`", "neurons a layer"),
    ("(fixed: `connections='unique'`)", "`wiring: unique`", "the default here is `random`, as difflogic's"),
    ("`init: randn`", "`init: gaussian`", "N(0, 1) logits, the default here"),
    ("`stochastic: gumbel`", "`method: glgn`", "noise and straight-through in one"),
    ("`stochastic: softmax`", "`method: dlgn`", ""),
    (
        "`gumbel_tau`",
        "`temperature`",
        "read with `gumbel` only; its softmax has temperature 1, as `method: dlgn`",
    ),
    (
        "`tau`",
        "`group_temperature`",
        "divides the class sums, which are 100 there on CIFAR-10 too, and 10 here",
    ),
    ("`grad_factor`", "`grad_factor`", ""),
    ("`batch_size`", "`batch_size`", ""),
    ("`lr`", "`learning_rate`", "of Adam, torch's defaults in both (`epsilon: 1e-8`)"),
    ("`num_iterations`", "`iterations`", ""),
    (
        "(fixed: every 2,000 iterations)",
        "`evaluations`",
        "rows of history in all; its clock includes them, ours does not",
    ),
    ("`training_bit_count`", "-", "float32 (32) here"),
    (
        "`save_final_model`",
        "-",
        "weights are always stored; `lgn train --keep-checkpoint` keeps the optimizer's state",
    ),
    ("`save_model_per_eval`", "`execution: {snapshots: N}`", "logits at so many evaluations"),
    (
        "`resume_checkpoint`",
        "-",
        "the same command goes on; `lgn train --continue-from` goes on to more iterations",
    ),
)
"""(key there, here, remark). The last three stand in its README; its main.py does not read them."""


def official_keys_table() -> str:
    """A section of config/README.md."""
    rows = "".join(f"| {there} | {here} | {remark} |\n" for there, here, remark in OFFICIAL_KEYS)
    return (
        "## From the keys of gumbel-lgn\n\nThe official code of *Mind the Gap* (github.com/shakiryousefi/gumbel-lgn), "
        "by its main.py and README). `config/paper.yaml` states its settings.\n\n"
        f"| gumbel-lgn | here | |\n|---|---|---|\n{rows}"
    )
