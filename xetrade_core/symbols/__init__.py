"""Universal symbols (ccxt's unified symbols): parse, render, score, map across venues. Pure; stands on the model."""
