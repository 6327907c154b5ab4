"""Where findings go: the index and the alert channels."""
