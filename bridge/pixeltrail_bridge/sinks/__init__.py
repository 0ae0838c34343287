"""Where calls go: each sink takes a batch of leased calls and says what became of every one."""
