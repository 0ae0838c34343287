"""The wire contract on the bridge's side: messages, their bytes, and their frames on a serial line."""
