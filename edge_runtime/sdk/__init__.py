"""The client that an app embeds: decides on the device, runs the device model, asks the gateway, keeps working offline."""
