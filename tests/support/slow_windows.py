"""Windows of a plan, read base by base."""

import numpy as np

from factornet.store import open_store, read_span


def tracks_of(store, plan, settings):
    """Return the tracks that the settings ask for; by default those of the first cell line."""
    return store.cell(plan.cells[0]).track_names if settings.tracks is None else settings.tracks


def slow_rows(folder, name, plan, settings):
    """Return the windows base by base."""
    store, rows = open_store(folder / f"{name}.zarr"), {}
    arrays = {}

    def value(path, i):
        if path not in arrays:
            arrays[path] = read_span(store.array(path), 0, store.array(path).shape[0])
        return arrays[path][i] if 0 <= i < len(arrays[path]) else None

    def or_pad(found, pad):
        return pad if found is None else found

    for row, start in enumerate(plan.window_starts(settings.window_length).tolist()):
        cell, chrom = plan.cells[plan.cell[row]], store.coordinates.names[plan.chrom[row]]
        bases = range(start, start + settings.window_length)
        codes = [or_pad(value(f"genome/sequence/{chrom}", i), 4) for i in bases]
        names = tracks_of(store, plan, settings)
        tracks = [[or_pad(value(f"cells/{cell}/tracks/{t}/{chrom}", i), 0) for i in bases] for t in names]
        features = store.meta(cell).tolist() if settings.meta else []
        if settings.gencode:
            bin_start = int(plan.start[row] + plan.jitter[row])
            bits = [or_pad(value(f"genome/annotation/{chrom}", i), 0) for i in range(bin_start, bin_start + 200)]
            features += [float(any(int(b) >> k & 1 for b in bits)) for k in range(6)]
        signal = np.array(tracks, np.float32).reshape(len(names), settings.window_length)
        rows[row] = (np.array(codes, np.uint8), signal, np.array(features, np.float32))
    return rows
