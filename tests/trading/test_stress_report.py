"""What a stress test says of many failures is as short as what they have in common."""

from __future__ import annotations

from xetrade_core.trading.stress.report import Attempt, Ending, result_of


def causes(*said: str | None) -> dict[str, int]:
    endings = [Ending.CANCELED if cause is None else Ending.REFUSED for cause in said]
    attempts = [Attempt("okx", "main", f"x{n}", *one) for n, one in enumerate(zip(endings, said, strict=True))]
    return result_of("okx", attempts).causes


def test_failures_of_one_cause_are_counted_together_and_the_most_come_first() -> None:
    assert causes("51008: Insufficient balance", None, "51001: No such instrument", "51001: No such instrument") == {
        "51001: No such instrument": 2,
        "51008: Insufficient balance": 1,
    }


def test_words_that_differ_in_numbers_and_ids_alone_are_one_cause_without_them() -> None:
    absent = [f"absent: never arrived: the venue said {n} times in {90 + n} s that it has none" for n in range(3, 6)]
    late = ["51603: order x1f3 does not exist", "51603: order xk29 does not exist"]
    assert causes(*late, *absent) == {
        "absent: never arrived: the venue said ... times in ... s that it has none": 3,
        "51603: order ... does not exist": 2,
    }


def test_one_that_stands_alone_keeps_its_words() -> None:
    assert causes("-2013: order 17 does not exist") == {"-2013: order 17 does not exist": 1}


def test_different_codes_are_never_one_cause() -> None:
    assert causes("-2010: refused", "-2011: refused") == {"-2010: refused": 1, "-2011: refused": 1}
