"""Read the bases of many windows once: for the windows of a tile, and for all networks that use them.

    groups       group networks whose windows are cut alike, and order their tiles along the genome
    span_buffer  read arrays once for several readers that move along the genome together
    tiles        read tiles: stretches of a chromosome whose bases many windows share

May import `model.network`, `model.data` and `prediction.bins`.
"""
