# Everything a person does here. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help run test check bench soak fuzz clean needs
SHELL := /bin/bash

DATA ?= data
PORT_BASE ?= 2000
KILLS ?= 200
SECONDS_EACH ?= 60

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) \
	  | awk -F ':.*## ' '{ printf "make %-11s %s\n", $$1, $$2 }'

run: needs ## build the server and start it here; DATA=dir (data), PORT_BASE=n (2000)
	cargo build --profile quick --locked --bin mailroom
	@exec target/quick/mailroom serve --data "$(DATA)" --port-base "$(PORT_BASE)" --demo

test: needs ## everything that CI runs, each suite with its time
	@tools/needs test
	@exec tests/run

check: needs ## format and lint, the quick part of the tests
	@exec tests/run format lint

bench: needs ## measure against Debian's Postfix and Dovecot (as root); results in bench/
	tests/install bench
	cargo build --release --locked --bin mailroom
	@exec bench/run.py

soak: needs ## kill the server KILLS=200 times under load; random IMAP sessions, 60 s each
	cargo build --locked --bin mailroom
	tests/crash/run --kills $(KILLS)
	MAILROOM_SECONDS=$(SECONDS_EACH) cargo test --locked --lib imap_model -- --nocapture

fuzz: needs ## feed the parsers with damaged input, SECONDS_EACH=60 for each of them
	@tools/needs fuzz
	@exec fuzz/run $(SECONDS_EACH)

clean: ## remove what was built and what the tests installed here; not DATA
	rm -rf target .tools

# A C compiler for the engine, the compressor and the cryptography; and Rust itself.
needs:
	@exec tools/needs
