"""Universal symbols (ccxt's unified symbols): parse, render, score, map across venues. Pure; stands on the model.

`parts` is the symbol itself, `currencies` and `expiries` its words, `naming` each venue's ids by rule, `reasons` how
sure a mapping is, `mapping` many instruments at once, `equivalence` what is the same exposure, `changes` two days.
"""
