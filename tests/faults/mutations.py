"""Ways to break a file: byte by byte, and claim by claim of each format."""

from __future__ import annotations

import contextlib
import io
import random
import re
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import netCDF4
import numpy as np
import onnx
import xarray as xr

from mlspec.interrupts import within
from mlspec.results import save


def array_file(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


Way = Callable[[bytes, random.Random], bytes]
NUMBERS = (0, 1, 127, 128, 255, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1)


def bytes_changed(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 40))):
        at = rng.randrange(len(changed)) if changed else 0
        match rng.randrange(4):
            case 0:
                changed[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                changed[at : at + 1] = bytes([changed[at] ^ (1 << rng.randrange(8))])
            case 2:
                form = rng.choice(("<I", ">I", "<Q", ">Q", "<H"))
                size = struct.calcsize(form)
                value = rng.choice(NUMBERS) % 256**size
                changed[at : at + size] = struct.pack(form, value)
            case _:
                changed[at : at + rng.randrange(9)] = rng.randbytes(rng.randrange(9))
    return bytes(changed)


def cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def spliced(content: bytes, rng: random.Random) -> bytes:
    a, b, c = sorted(rng.randrange(len(content) + 1) for _ in range(3))
    return rng.choice((content[:a] + content[b:], content[:b] + content[a:c] + content[b:]))


# YAML

WORDS = ("null", "~", "-1", "0", ".nan", ".inf", "1e999", "yes", "[]", "{}", "*a", "&a", "!!python")


def words_changed(content: bytes, rng: random.Random) -> bytes:
    text = content.decode(errors="replace")
    places = list(re.finditer(r"[\w./-]+", text))
    place = rng.choice(places)
    word = rng.choice((*WORDS, rng.choice(places)[0]))
    return (text[: place.start()] + word + text[place.end() :]).encode(errors="replace")


def lines_changed(content: bytes, rng: random.Random) -> bytes:
    lines = content.decode(errors="replace").splitlines()
    at = rng.randrange(len(lines))
    match rng.randrange(4):
        case 0:
            lines.insert(at, lines[rng.randrange(len(lines))])
        case 1:
            lines[at] = " " * rng.randrange(9) + lines[at]
        case 2:
            lines[at] = lines[at] + rng.choice((" ", ": ")) + rng.choice(WORDS)
        case _:
            del lines[at]
    return "\n".join(lines).encode(errors="replace")


def alias_bomb(content: bytes, rng: random.Random) -> bytes:
    levels = [f"a0: &a0 [{', '.join(['x'] * 9)}]"]
    for n in range(1, rng.randrange(3, 40)):
        levels.append(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]")
    return "\n".join([*levels, f"layers: *a{len(levels) - 1}"]).encode() + b"\n" + content


def deep(content: bytes, rng: random.Random) -> bytes:
    depth = rng.choice((50, 500, 5000, 50_000))
    return content + b"\nlayers: " + rng.choice((b"[", b"{a: ")) * depth


# ONNX


def graph_changed(content: bytes, rng: random.Random) -> bytes:
    model = onnx.load_from_string(content)
    graph = model.graph
    node = rng.choice(graph.node)
    tensors = list(graph.initializer)
    tensor = rng.choice(tensors) if tensors else None
    numbers = [a for each in graph.node for a in each.attribute if a.ints or a.i]
    match rng.randrange(12):
        case 0 if tensor is not None:  # a claim of gigabytes that are not there
            tensor.dims[:] = [rng.choice(NUMBERS[-6:]), rng.choice((1, 2, 10))]
        case 1 if tensor is not None:
            values = onnx.numpy_helper.to_array(tensor).copy()
            values.flat[rng.randrange(values.size)] = rng.choice((np.nan, np.inf, -np.inf, 3e38))
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        case 2 if numbers:
            attribute = rng.choice(numbers)
            value = rng.choice((-1, -(2**31), -5, 0, 7, *NUMBERS))
            if attribute.ints:
                attribute.ints[rng.randrange(len(attribute.ints))] = value
            else:
                attribute.i = value
        case 3:  # a cycle
            node.input[0] = graph.node[-1].output[0]
        case 4:
            node.op_type = rng.choice(("Loop", "If", "Scan", "Relu", "Reshape", "Expand", "Tile"))
        case 5:
            node.input[rng.randrange(len(node.input))] = rng.choice(graph.node).output[0]
        case 6 if tensor is not None:
            tensor.data_location = onnx.TensorProto.EXTERNAL
            place = tensor.external_data.add()
            place.key, place.value = (
                "location",
                rng.choice(("../../../etc/passwd", "/dev/zero", "x")),
            )
        case 7 if tensor is not None:
            tensor.data_type = rng.randrange(24)
        case 8:
            dims = graph.input[0].type.tensor_type.shape.dim
            dims[rng.randrange(len(dims))].dim_value = rng.choice((-1, 0, *NUMBERS))
        case 9:
            graph.node.insert(rng.randrange(len(graph.node)), graph.node[-1])
        case 10:  # a huge constant from a few bytes
            made = graph.node.add()
            made.CopyFrom(onnx.helper.make_node("ConstantOfShape", ["huge"], ["zeros"]))
            huge = np.array([rng.choice(NUMBERS[5:])] * 2)
            graph.initializer.append(onnx.numpy_helper.from_array(huge, "huge"))
            last = onnx.helper.make_node("Add", [graph.node[-2].output[0], "zeros"], ["end"])
            graph.node.append(last)
            graph.output[0].name = "end"
        case _:
            del graph.node[rng.randrange(len(graph.node))]
    return model.SerializeToString()


# Images and arrays


def png_size_changed(content: bytes, rng: random.Random) -> bytes:
    """Let a PNG claim another size, with the right checksum."""
    assert content[12:16] == b"IHDR"
    size = struct.pack(">II", rng.choice(NUMBERS[1:8]), rng.choice(NUMBERS[1:8]))
    head = b"IHDR" + size + content[24:29]
    return content[:12] + head + struct.pack(">I", zlib.crc32(head)) + content[33:]


def header_changed(content: bytes, rng: random.Random) -> bytes:
    """Let an array claim another shape or type."""
    length = struct.unpack("<H", content[8:10])[0]
    header = content[10 : 10 + length].decode("latin1")
    shape = rng.choice(
        ("(10000000000,)", "(100000, 100000)", "(-1, 5)", "()", "(1, 2, 3, 4)", "(0, 3)")
    )
    kind = rng.choice(("|O", "<f8", "<c16", "|S9", "|V8", "<M8[s]", "|b1", "<U3", "<f2", "<i8"))
    header = re.sub(r"\([^)]*\)", shape, header) if rng.randrange(2) else header
    header = re.sub(r"'descr': '[^']*'", f"'descr': '{kind}'", header).strip() + "\n"
    return (
        content[:8]
        + struct.pack("<H", len(header))
        + header.encode("latin1")
        + content[10 + length :]
    )


def special_values(content: bytes, rng: random.Random) -> bytes:
    values = np.load(io.BytesIO(content)).copy()
    if values.dtype.kind == "f":
        values.flat[rng.randrange(values.size)] = rng.choice((np.nan, np.inf, -1.0, 2.0, -0.0))
    return array_file(values[..., ::-1] if rng.randrange(2) else values.T)


# Results


def variable_changed(content: bytes, rng: random.Random) -> bytes:
    """Change a result in place, as tools for netCDF do: its checksums are right then."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "r.nc"
        path.write_bytes(content)
        with netCDF4.Dataset(path, "a") as file:
            name = rng.choice(list(file.variables))
            match rng.randrange(6):
                case 0:
                    file.renameVariable(name, "other")
                case 1:
                    attribute = rng.choice(file.ncattrs())
                    file.setncattr(
                        attribute, rng.choice(("", "{", "[]", 1.5, np.arange(3), "x" * 10**5))
                    )
                case 2:
                    file.createDimension("claimed", rng.choice((10**9, 10**12)))
                    file.createVariable("claim", "f8", ("claimed",), zlib=True)
                case 3 if file[name].dtype != str and file[name].size:
                    file[name][:] = rng.choice((0, -1, 200, 1))
                case 4:
                    attribute = rng.choice(file.ncattrs())
                    file.delncattr(attribute)
                case _:
                    file[name].setncattr(
                        rng.choice(("_FillValue2", "scale_factor", "units")), 1e300
                    )
        return path.read_bytes()


def redigested(content: bytes, rng: random.Random) -> bytes:
    """Change a result and let mlspec write it: what a forger does."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "r.nc"
        path.write_bytes(content)
        # Of a file that is broken already HDF5 may never return.
        whole = within(5.0, partial(xr.load_dataset, path, engine="netcdf4", decode_times=False))
        with contextlib.closing(whole) as ds:
            name = rng.choice([str(each) for each in ds.data_vars])
            match rng.randrange(4):
                case 0:
                    ds = ds.drop_vars(name)
                case 1 if ds[name].dtype.kind in "fiu":
                    ds = ds.assign(
                        {name: (ds[name] * rng.choice((0, -1, 1e30))).astype(ds[name].dtype)}
                    )
                case 2:
                    key = rng.choice([str(each) for each in ds.attrs])
                    ds = ds.assign_attrs({key: rng.choice(("", "{", "[]", '{"rule": "top_k"}', 3))})
                case _ if ds[name].ndim:
                    ds = ds.isel({ds[name].dims[0]: slice(0, rng.randrange(3))})
            save(ds, path)
        return path.read_bytes()
