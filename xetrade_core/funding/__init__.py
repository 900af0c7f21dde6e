"""Funding rates: intervals, normalisation, APR and APY. Pure; stands on the model."""
