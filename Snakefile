# The user's entry. An included file's default target is dropped, so this file declares its own.
include: "workflow/Snakefile"


rule default:
    default_target: True
    input:
        rules.all.input,
