"""Prediction intervals and calibrated forecasts along a stream: `si.conformal_online` and `si.calibrate_online`."""
