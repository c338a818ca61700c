"""What a device and its gateway tell each other, and how either knows who said it; the words are in docs/device-protocol.md."""
