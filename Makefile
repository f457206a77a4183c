.PHONY: check
check:
	cargo check
