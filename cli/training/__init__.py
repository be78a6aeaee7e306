"""What ``factornet-train`` is made of: its options, presets and split, and the set-up of networks over blocks.

    blocks   set up the networks over blocks and trees, from the options
    options  the options and their help
    pause    pause a training at SIGTERM
    presets  defaults of the options by preset, and those without meaning
    sampler  factors and cell lines that the options name, and the sampler of their windows
    split    split the genome as the options say, and print the split

May import `cli.common`; and `model`, which takes a second, in functions only.
"""
