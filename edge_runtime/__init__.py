"""The device host: engine, models, probe and local router, able to run without the gateway or a cloud SDK."""
