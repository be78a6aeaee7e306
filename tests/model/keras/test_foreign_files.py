"""Files of strangers: an HDF5 file that leads elsewhere or holds nothing, a model.json of absurd content."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.keras_folder import Spec, make_weights, predict, windows, write_folder

from factornet.cli import model
from factornet.model import import_keras
from factornet.store.errors import InputError

LAYER, NAME = "dense_2", "9_dense_2_0"
SHAPE = (48, 4)
ONES = np.ones(SHAPE, np.float32)


def at(group: h5py.Group) -> h5py.Group:
    """Remove the array that a case replaces; return its group."""
    del group[LAYER][NAME]
    return group[LAYER]


def elsewhere(group: h5py.Group) -> str:
    """Write another HDF5 file next to the folder; return its path."""
    path = str(Path(group.file.filename).parents[1] / "secret.h5")
    with h5py.File(path, "w") as file:
        file["x"] = ONES
        file.create_group(f"group/{LAYER}")
    return path


def external_link(group):
    at(group)[NAME] = h5py.ExternalLink(elsewhere(group), "x")


def external_layer(group):
    del group[LAYER]
    group[LAYER] = h5py.ExternalLink(elsewhere(group), f"group/{LAYER}")


def external_root(group):
    path, file = elsewhere(group), group.file
    del file["model_weights"]
    file["model_weights"] = h5py.ExternalLink(path, "group")


def soft_link(group):
    group.file["elsewhere"] = ONES
    at(group)[NAME] = h5py.SoftLink("/elsewhere")


def dangling_link(group):
    at(group)[NAME] = h5py.SoftLink("/nothing")


def soft_layer(group):
    group.file.move(f"model_weights/{LAYER}", "moved")
    group[LAYER] = h5py.SoftLink("/moved")


def absolute_name(group):
    group.file["elsewhere"] = ONES
    group[LAYER].attrs["weight_names"] = [b"/elsewhere", b"8_dense_2_1"]


def name_through_a_link(group):
    group[LAYER]["out"] = h5py.ExternalLink(elsewhere(group), "/")
    group[LAYER].attrs["weight_names"] = [b"out/x", b"8_dense_2_1"]


def external_raw_file(group):
    path = elsewhere(group)
    at(group).create_dataset(NAME, SHAPE, "f4", external=[(path, 0, 4 * ONES.size)])


def virtual(group):
    layout = h5py.VirtualLayout(SHAPE, "f4")
    layout[...] = h5py.VirtualSource(elsewhere(group), "x", SHAPE)
    at(group).create_virtual_dataset(NAME, layout)


def unwritten(**settings: Any) -> Callable[[h5py.Group], None]:
    def change(group):
        at(group).create_dataset(NAME, SHAPE, "f4", **settings)

    return change


def one_chunk(group):
    at(group).create_dataset(NAME, SHAPE, "f4", chunks=(12, 4))[:12] = ONES[:12]


def space_allocated(value: float = 0) -> Callable[[h5py.Group], None]:
    def change(group):
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        settings.set_fill_time(h5py.h5d.FILL_TIME_ALLOC)
        settings.set_fill_value(np.array(value, np.float32))
        space = h5py.h5s.create_simple(SHAPE)
        h5py.h5d.create(at(group).id, NAME.encode(), h5py.h5t.NATIVE_FLOAT, space, settings)

    return change


def stored(data: Any = ONES, **settings: Any) -> Callable[[h5py.Group], None]:
    def change(group):
        at(group).create_dataset(NAME, data=data, **settings)

    return change


def declared(shape: tuple[int, ...], **settings: Any) -> Callable[[h5py.Group], None]:
    def change(group):
        at(group).create_dataset(NAME, shape, "f4", **settings)

    return change


def same_array(group):
    """One array under two names: those of the mixing layer's bias and of the convolution's."""
    del group["conv_1"]["8_conv_1_1"]
    group["conv_1"]["8_conv_1_1"] = group["timedistributed_1"]["8_timedistributed_1_1"]


def committed_type(group):
    group.file["type"] = np.dtype("f4")
    at(group).create_dataset(NAME, data=ONES, dtype=group.file["type"])


def named_type(group):
    at(group)[NAME] = np.dtype("f4")


def references(group):
    data = np.full(SHAPE, group.ref, dtype=h5py.ref_dtype)
    at(group).create_dataset(NAME, data=data, dtype=h5py.ref_dtype)


def group_of_that_name(group):
    at(group).create_group(NAME)


def array_of_that_name(group):
    del group[LAYER]
    group[LAYER] = ONES


def names(value: Any, **more: Any) -> Callable[[h5py.Group], None]:
    return lambda group: group[LAYER].attrs.create("weight_names", value, **more)


def unfinished(value: float) -> Callable[[h5py.Group], None]:
    data = ONES.copy()
    data[3, 1] = value
    return stored(data)


HDF5 = {
    "external link": (external_link, f"{LAYER}/{NAME} is a link to another file; links are not followed"),
    "external link to a layer": (external_layer, f"{LAYER} is a link to another file"),
    "external link to all weights": (external_root, "model_weights is a link to another file"),
    "soft link": (soft_link, f"{NAME} is a soft link"),
    "dangling soft link": (dangling_link, f"{NAME} is a soft link"),
    "soft link to a layer": (soft_layer, f"{LAYER} is a soft link"),
    "absolute name": (absolute_name, "damaged, or not weights of Keras"),
    "name through a link": (name_through_a_link, "out is a link to another file"),
    "external raw data": (external_raw_file, f"layer '{LAYER}': {NAME} has its values in another file"),
    "virtual": (virtual, f"{NAME} is a virtual dataset: its values are elsewhere"),
    "never written, chunked": (unwritten(chunks=(24, 4)), f"{NAME} was never written in full: 0 of 2 chunks are stored"),
    "never written, contiguous": (unwritten(), f"{NAME} was never written: 0 of 768 bytes are stored"),
    "never written, fill value": (unwritten(fillvalue=0.5), f"{NAME} was never written: 0 of 768 bytes"),
    "one chunk of four": (one_chunk, f"{NAME} was never written in full: 1 of 4 chunks are stored"),
    "space allocated": (space_allocated(), f"{NAME} was never written: all 192 values are 0"),
    "compressed": (stored(compression="gzip", shuffle=True), r"is compressed \(shuffle, gzip\).*h5repack, without filters"),
    "compressed by lzf": (stored(compression="lzf"), r"is compressed \(lzf\)"),
    "bomb": (declared((2**20, 2**20), chunks=(2**14, 2**14), compression="gzip"), r"has shape \(1048576, 1048576\), but"),
    "huge": (declared((2**40,)), r"has shape \(1099511627776,\), but by model.json it has \(48, 4\)"),
    "huge chunk": (declared(SHAPE, chunks=(2**14, 2**14), maxshape=(None, None)), r"has chunks of 16384x16384, for a sh"),
    "no shape": (lambda g: at(g).create_dataset(NAME, data=h5py.Empty("f4")), "has shape None, but"),
    "one array, two names": (same_array, "timedistributed_1.*conv_1.* are one array|conv_1.* are one array"),
    "committed type": (committed_type, "has a type that is stored elsewhere in the file"),
    "a type": (named_type, f"{NAME} is not a dataset"),
    "a group": (group_of_that_name, f"{NAME} is not a dataset"),
    "an array for a layer": (array_of_that_name, f"{LAYER} is not a group"),
    "references": (references, "has dtype object, expected float32"),
    "complex": (stored(ONES.astype("c8")), "has dtype complex64, expected float32"),
    "records": (stored(np.zeros(SHAPE, [("a", "f4")])), "has dtype .*, expected float32"),
    "texts": (stored(np.full(SHAPE, b"x")), r"has dtype \|S1, expected float32"),
    "long double": (stored(ONES.astype(np.longdouble)), "has dtype .*128, expected float32"),
    "NaN": (unfinished(np.nan), rf"layer '{LAYER}': 1 of 192 values of {NAME} are not finite \(NaN or infinite\)"),
    "infinity": (unfinished(-np.inf), rf"1 of 192 values of {NAME} are not finite \(NaN or infinite\)"),
    "space allocated, fill value": (space_allocated(0.5), f"{NAME} was never written: all 192 values are 0.5"),
    "zeros": (stored(0 * ONES), f"{NAME} was never written: all 192 values are 0"),
    "many names": (names(np.array([b"a"] * 5000)), r"weight_names of .*/dense_2 has 5,000 names"),
    "long names": (names(np.array([b"a"], "S40000").repeat(1), dtype="S40000"), "has weights|is missing|has 1 arrays"),
    "names are numbers": (names([1, 2]), "attribute weight_names of .* is not a list of names"),
    "names in a table": (names([[b"a", b"b"]]), "is not a list of names"),
    "one name": (names(b"a"), "is not a list of names"),
    "names are references": (lambda g: g[LAYER].attrs.create("weight_names", [g.ref], dtype=h5py.ref_dtype), "is not a li"),
    "no names": (lambda g: g[LAYER].attrs.pop("weight_names"), "attribute weight_names of .* is missing"),
    "names with line breaks": (names([b"a\nb\x1b[31m", b"c"]), "a b.*is missing"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), HDF5.values(), ids=HDF5)
def test_hdf5_file_that_keras_does_not_write_is_refused(change, message, tmp_path, capsys):
    folder = write_folder(tmp_path / "keras", Spec())
    with h5py.File(folder / "best_model.hdf5", "r+") as file:
        change(file["model_weights"])
    with pytest.raises(InputError, match=message):
        import_keras(folder)
    assert model.main(["import", str(folder), "-o", str(tmp_path / "out")]) == 2
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert shown.strip().isprintable()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", [["import", "-o", "out"], ["info"]])
def test_file_of_absurd_size_is_refused_before_it_is_read(command, tmp_path, monkeypatch, capsys):
    """A terabyte, of holes, behind sound weights."""
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "keras", Spec())
    os.truncate("keras/best_model.hdf5", 10**12)
    assert model.main([command[0], "keras", *command[1:]]) == 2
    assert "best_model.hdf5: has 1000.00 GB, too much for a network of" in capsys.readouterr().err
    assert not Path("out").exists()


def test_chunked_arrays_and_float64_are_read(tmp_path):
    """As rewritten by other software: the same values, all of them in the file."""
    spec = Spec()
    folder = write_folder(tmp_path / "keras", spec)
    before = predict(import_keras(folder), *windows(spec))
    array = make_weights(spec, seed=1)[LAYER][0]
    with h5py.File(folder / "best_model.hdf5", "r+") as file:
        at(file["model_weights"]).create_dataset(NAME, data=array.astype("f8"), chunks=(10, 3))
    np.testing.assert_array_equal(predict(import_keras(folder), *windows(spec)), before)


def test_names_of_layers_without_weights_may_be_numbers(tmp_path):
    """Keras writes an empty list as floats."""
    folder = write_folder(tmp_path / "keras", Spec())
    with h5py.File(folder / "best_model.hdf5", "r+") as file:
        file["model_weights/dropout_1"].attrs.create("weight_names", np.array([]))
    import_keras(folder)


def replace(old: str, new: str) -> Callable[[Path], object]:
    """Replace text of model.json, which must be there."""

    def change(folder: Path) -> None:
        text = (folder / "model.json").read_text()
        assert old in text
        (folder / "model.json").write_text(text.replace(old, new))

    return change


def content(text: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "model.json").write_bytes(text)


def pipe(name: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return change


JSON = {
    "NaN": (replace('"p": 0.4', '"p": NaN'), "model.json: not JSON .it has the number NaN"),
    "infinity": (replace('"p": 0.4', '"p": -Infinity'), "it has the number -Infinity"),
    "1e999": (replace('"p": 0.4', '"p": 1e999'), "model.json: not JSON .it has the number 1e999, which is too large"),
    "text as rate": (replace('"p": 0.4', '"p": "0.4"'), "drops '0.4', expected a number"),
    "list as rate": (replace('"p": 0.4', '"p": [0.4]'), "expected a number"),
    "truth as rate": (replace('"p": 0.4', '"p": true'), "drops True, expected a number"),
    "number of 5000 digits": (replace('"p": 0.4', f'"p": {"9" * 5000}'), "not JSON .it has a number of 5,000 digits"),
    "float as size": (replace('"nb_filter": 5', '"nb_filter": 5.0'), "has a size of 5.0, expected 1 to"),
    "huge float as size": (replace('"nb_filter": 5', '"nb_filter": 1e300'), "has a size of 1e.300, expected 1 to"),
    "negative size": (replace('"nb_filter": 5', '"nb_filter": -5'), "has a size of -5, expected 1 to"),
    "null as size": (replace('"nb_filter": 5', '"nb_filter": null'), "has a size of None, expected 1 to"),
    "large network": (replace('"output_dim": 4', '"output_dim": 1000000'), "at most|has shape|by model.json"),
    "deep list": (content(b'{"class_name": "Model", "config": ' + b"[" * 200_000), "nested too deeply"),
    "deep object": (content(b'{"a":' * 200_000), "nested too deeply"),
    "long class": (content(b'{"class_name": "' + b"x" * 1_000_000 + b'"}'), r"is a x{200} \.\.\. of Keras 1, expected"),
    "list as class": (content(b'{"class_name": [1], "config": {}}'), r"is a \[1\] of Keras"),
    "large file": (content(b" " * 5_000_000), "has more than 4 MB, too much for a file of this kind"),
    "list of layers missing": (content(b'{"class_name": "Model", "config": {"layers": 5}}'), "not of the form Keras 1"),
    "layers by name": (content(b'{"class_name": "Model", "config": {"layers": {"a": 1}}}'), "has 1 layers, expected a li"),
    "many layers": (content(b'{"class_name":"Model","config":{"layers":[' + b"0," * 9999 + b"0]}}"), "has 10000 layers"),
    "numbers as names": (replace('"dense_2"', "7"), "has a layer with the name 7, expected a short text"),
    "long names": (replace('"dense_2"', f'"{"x" * 200}"'), "has a layer with the name .x+ ..., expected|expected a short"),
    "names with line breaks": (replace('"dense_2"', '"a\\nb\\u001b"'), "best_model.hdf5: has weights of .*a b"),
    "other text": (content(b"\xff\xfe{\x00}\x00"), "model.json: not"),
    "empty": (content(b""), "model.json:1: not JSON"),
    "pipe": (pipe("model.json"), "model.json"),
    "pipe of names": (pipe("bigwig.txt"), "bigwig.txt: is not a file"),
    "names without end": (lambda f: (f / "bigwig.txt").write_bytes(b"a" * 2_000_000), "bigwig.txt: has more than 1 MB"),
    "a long name": (lambda f: (f / "chip.txt").write_text("a" * 9999), "chip.txt: has the line 'a+ ..., expected a short"),
    "escape codes": (lambda f: (f / "chip.txt").write_text("a\x1b[31m"), r"chip.txt: has the line 'a\\x1b\[31m', expected a"),
    "long features": (lambda f: (f / "feature.txt").write_text("abc\n" * 9999), r"names the features (abc, )+ab? \.\.\.;|names"),
    "folder of names": (lambda f: (f / "meta.txt").mkdir(), "meta.txt: is not a file"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), JSON.values(), ids=JSON)
def test_absurd_text_files_are_refused(change, message, tmp_path, capsys):
    folder = write_folder(tmp_path / "keras", Spec())
    change(folder)
    with pytest.raises(InputError, match=message):
        import_keras(folder)
    for command in (["import", str(folder), "-o", str(tmp_path / "out")], ["info", str(folder)]):
        status = model.main(command)
        shown = capsys.readouterr().err
        if command[0] == "import":
            assert status == 2
            assert shown.count("\n") == 1
            assert shown.strip().isprintable()
            assert len(shown) < 1500
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["bigwig.txt", "chip.txt", "feature.txt", "meta.txt"])
def test_lists_of_names_that_lead_out_of_the_folder_are_refused(name, tmp_path, capsys):
    folder = tmp_path / "model"
    write_folder(folder, Spec())
    (folder / name).unlink(missing_ok=True)
    (tmp_path / "secret").write_text("SECRET\n")
    for target in ("secret", "nothing"):
        (folder / name).symlink_to(tmp_path / target)
        assert model.main(["import", str(folder), "-o", str(tmp_path / "imported")]) == 2
        err = capsys.readouterr().err
        assert "is a link that is broken or leads out of the folder; put the file itself there" in err
        assert "SECRET" not in err
        (folder / name).unlink()
    assert not (tmp_path / "imported").exists()
