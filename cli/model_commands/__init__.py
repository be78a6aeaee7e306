"""Sub-commands of factornet-model for models of others and for others: list, fetch, pack, unpack, card; and calibrate.

    calibrate  measure what a model's scores mean, on labelled regions
    card       print the card of a model
    fetch      list and fetch published models
    pack       pack a model folder into one file, and unpack it

May import `etl`, `store` and `cli.common`; and `model`, which takes a second, in functions only.
"""
