"""How good the forecast is: cells fixed beforehand, forecasts written before outcomes."""
