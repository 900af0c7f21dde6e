"""What a venue on Ethereum verifies: Keccak-256, and whose key a signature was made with.

Written for the simulated venues alone, so that what clients sign is proved against something that is not their own
library. Sources: the Keccak reference (keccak.team, "Keccak specifications summary"); SEC 1 v2.0, 4.1.6 (recovery of
the public key) over the curve secp256k1 of SEC 2.
"""

from __future__ import annotations

from functools import cache

_LANE = (1 << 64) - 1
_RATE = 136  # bytes a block, for 256 bits
_P = 2**256 - 2**32 - 977
_N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
_SIGNATURE_BYTES = 65

Affine = tuple[int, int]
Point = tuple[int, int, int]
"""A point in Jacobian coordinates; z = 0 is infinity."""
_INFINITY: Point = (1, 1, 0)


def keccak256(data: bytes) -> bytes:
    """The hash that Ethereum uses: Keccak before NIST changed its padding."""
    padded = bytearray(data) + b"\x01" + bytes(-(len(data) + 1) % _RATE)
    padded[-1] |= 0x80
    state = [0] * 25
    for start in range(0, len(padded), _RATE):
        for lane in range(_RATE // 8):
            at = start + 8 * lane
            state[lane] ^= int.from_bytes(padded[at : at + 8], "little")
        state = _permuted(state)
    return b"".join(lane.to_bytes(8, "little") for lane in state[:4])


def address_of(private_key: int) -> str:
    """The address of a private key, lowercase, with its 0x."""
    return _address(_affine(_sum_of_multiples(private_key % _N, _G, 0, _G)))


def signer_of(digest: bytes, signature: str) -> str | None:
    """The address whose key signed a digest, from a hex signature r, s, v; None for one that cannot be."""
    try:
        raw = bytes.fromhex(signature.removeprefix("0x"))
    except ValueError:
        return None
    if len(raw) != _SIGNATURE_BYTES or raw[64] not in (27, 28):
        return None
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big")
    if not 0 < r < _N or not 0 < s <= _N // 2:
        return None
    square = (pow(r, 3, _P) + 7) % _P
    y = pow(square, (_P + 1) // 4, _P)
    if y * y % _P != square:
        return None
    if y % 2 != raw[64] - 27:
        y = _P - y
    inverse = pow(r, -1, _N)
    z = int.from_bytes(digest, "big")
    found = _sum_of_multiples(-z * inverse % _N, _G, s * inverse % _N, (r, y))
    return None if found[2] == 0 else _address(_affine(found))


def _address(point: Affine) -> str:
    return "0x" + keccak256(point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big"))[12:].hex()


def _sum_of_multiples(a: int, first: Affine, b: int, second: Affine) -> Point:
    """a x first + b x second, both walked bit by bit at once."""
    both = _affine(_added((*first, 1), second)) if first != second else None
    point = _INFINITY
    for bit in range(max(a.bit_length(), b.bit_length()) - 1, -1, -1):
        point = _doubled(point)
        in_a, in_b = a >> bit & 1, b >> bit & 1
        if in_a and in_b and both is not None:
            point = _added(point, both)
        elif in_a:
            point = _added(point, first)
        elif in_b:
            point = _added(point, second)
    return point


def _doubled(point: Point) -> Point:
    x, y, z = point
    if not z:
        return point
    squared = y * y % _P
    slope, shift = 3 * x * x % _P, 4 * x * squared % _P
    moved = (slope * slope - 2 * shift) % _P
    return moved, (slope * (shift - moved) - 8 * squared * squared) % _P, 2 * y * z % _P


def _added(point: Point, other: Affine) -> Point:
    """A point and one that is not infinity."""
    x, y, z = point
    if not z:
        return *other, 1
    squared = z * z % _P
    across, up = (other[0] * squared - x) % _P, (other[1] * squared * z - y) % _P
    if not across:
        return _INFINITY if up else _doubled(point)
    square = across * across % _P
    cube, shift = across * square % _P, x * square % _P
    moved = (up * up - cube - 2 * shift) % _P
    return moved, (up * (shift - moved) - y * cube) % _P, z * across % _P


def _affine(point: Point) -> Affine:
    inverse = pow(point[2], -1, _P)
    square = inverse * inverse % _P
    return point[0] * square % _P, point[1] * square * inverse % _P


@cache
def _tables() -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
    """The constants of the rounds, and for each lane where it goes and how far it is turned."""
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for power in range(7):
            constant |= (register & 1) << ((1 << power) - 1)
            register = register << 1 ^ (0x171 if register >> 7 else 0)
        constants.append(constant)
    moves, x, y = [(0, 0)] * 25, 1, 0
    for turn in range(24):
        to_x, to_y = y, (2 * x + 3 * y) % 5
        moves[x + 5 * y] = (to_x + 5 * to_y, (turn + 1) * (turn + 2) // 2 % 64)
        x, y = to_x, to_y
    return tuple(constants), tuple(moves)


def _permuted(state: list[int]) -> list[int]:
    """Keccak-f[1600]."""
    constants, moves = _tables()
    for constant in constants:
        column = [state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20] for x in range(5)]
        parity = [
            column[(x + 4) % 5] ^ ((column[(x + 1) % 5] << 1 | column[(x + 1) % 5] >> 63) & _LANE) for x in range(5)
        ]
        turned = [0] * 25
        for lane, (to, by) in enumerate(moves):
            value = state[lane] ^ parity[lane % 5]
            turned[to] = (value << by | value >> 64 - by) & _LANE
        state = [
            turned[lane] ^ (~turned[lane // 5 * 5 + (lane + 1) % 5] & turned[lane // 5 * 5 + (lane + 2) % 5])
            for lane in range(25)
        ]
        state[0] ^= constant
    return state
