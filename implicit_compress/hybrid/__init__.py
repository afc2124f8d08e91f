"""SIREN networks for the low band, wavelet coefficients for the residual."""
