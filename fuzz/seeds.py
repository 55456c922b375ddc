#!/usr/bin/env python3
"""Writes the seeds: small containers and records, packed as plainly as is legal."""
import pathlib, struct

HERE = pathlib.Path(__file__).parent / "seeds"


def checksum(data):
    total = 0
    data = data + bytes(-len(data) % 4)
    for (word,) in struct.iter_unpack("<I", data):
        total = ((total << 1 | total >> 31) & 0xFFFFFFFF) ^ word
    return total


def pack(data):
    """Bytes 0 to 254 have codes of eight bits, 255 and the end of nine."""
    lengths = [8] * 255 + [9, 9] + [0] * 255
    table = bytes(a | b << 4 for a, b in zip(lengths[::2], lengths[1::2]))
    bits = "".join(f"{b:08b}" if b < 255 else "111111110" for b in data) + "111111111"
    words = [int(bits[i : i + 16].ljust(16, "0"), 2) for i in range(0, len(bits), 16)] + [0]
    return table + struct.pack(f"<{len(words)}H", *words)


def record(data):
    payload = pack(data)
    header = struct.pack("<BBH", 0x21, len(data) // 512, len(payload)) + bytes(20)
    return header + struct.pack("<I", checksum(payload)) + payload


def padded(data):
    end = (len(data) + 24 + 511) // 512 * 512
    return data + struct.pack("<BBH", 0x24, 0, end - len(data) - 24) + bytes(end - len(data) - 4)


def mark():
    head = b"SFMB" + bytes(46)
    words = struct.unpack("<25H", head)
    total = 0
    for word in words:
        total ^= word
    return head + struct.pack("<H", total) + bytes(460)


def main():
    container, xpress = HERE / "container", HERE / "xpress"
    container.mkdir(parents=True, exist_ok=True)
    xpress.mkdir(parents=True, exist_ok=True)
    data = bytes(i * 7 % 256 for i in range(512))
    head = (b"MSSQLBAK" + struct.pack("<II", 2, 3)).ljust(480, b"\0")
    short = padded(head + record(data)) + mark()
    short = padded(short + record(data * 2) + record(data)) + mark()
    (container / "set").write_bytes(padded(short + record(data)) + mark())
    (container / "cut").write_bytes(short[:-700])
    (xpress / "record").write_bytes(struct.pack("<H", 256) + pack(data))


main()
