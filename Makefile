# Everything a person does here. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help run test check image release emulate bench bench-firmware soak fuzz image-twice
.PHONY: clean needs
SHELL := /bin/bash

DATA ?= data
PORT_BASE ?= 2000
KILLS ?= 200
SESSIONS ?= 2000
CUTS ?= 50
POINTS ?= 1000
MOMENTS ?= 100
SECONDS_EACH ?= 60
BOARD ?= qemu-virt
IMAGE := target/image/mailroom-$(BOARD).img
BOX ?= target/box/$(BOARD).disk
# Ports of the box that the emulator serves here, each at PORT_BASE and its own number.
FORWARDED := 25 80 110 143 443 465 587 993 995

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) \
	  | awk -F ':.*## ' '{ printf "make %-14s %s\n", $$1, $$2 }'

run: needs ## build the server and start it here; DATA=dir (data), PORT_BASE=n (2000)
	cargo build --profile quick --locked --bin mailroom
	@exec target/quick/mailroom serve --data "$(DATA)" --port-base "$(PORT_BASE)" --demo

test: needs ## everything that CI runs, each suite with its time
	@tools/needs test
	@exec tests/run

check: needs ## format and lint, the quick part of the tests
	@exec tests/run format lint

image: needs ## build the disk image of BOARD=qemu-virt; ACCEPT=1, LOCKED=1, LABEL=1 (README)
	@tools/needs image
	tools/cross
	@cargo build --quiet --locked -p image
	@target/debug/image build --board $(BOARD) --time "$$(tools/epoch)" \
	  $(if $(LOCKED),--locked) $(if $(ACCEPT),--accept)
	$(if $(LABEL),@target/debug/image label $(IMAGE))

release: needs ## images and updates of every board, signed with KEY=file, sums and sources
	@test -n "$(KEY)" || { echo "KEY=file: the secret key that signs updates" >&2; exit 1; }
	@tools/needs image
	tools/cross
	@cargo build --quiet --locked -p image
	@target/debug/image release --time "$$(tools/epoch)" --key "$(KEY)" \
	  $(if $(VERSION),--version "$(VERSION)") $(if $(FROM),--from "$(FROM)") \
	  $(if $(WITHOUT_SOURCES),--without-sources)

emulate: image ## boot it in QEMU, disk BOX=file; FRESH=1 a new one, PRESET=file for its first start
	@tools/needs emulate
	@echo "ports of the box are at 127.0.0.1, $(PORT_BASE) and their number; Ctrl-A X ends it"
	@exec target/debug/image emulate $(IMAGE) --disk "$(BOX)" $(if $(FRESH),--fresh) \
	  $(if $(PRESET),--preset "$(PRESET)") \
	  $(foreach p,$(FORWARDED),--forward $$(($(PORT_BASE) + $p)):$p)

image-twice: needs ## build the image in two folders: the octets must be the same
	@tools/needs image
	@exec tests/boot/twice $(BOARD)

bench: needs ## measure against Debian's Postfix and Dovecot (as root); results in bench/
	tests/install bench
	cargo build --release --locked --bin mailroom
	@exec bench/run.py

bench-firmware: image ## measure the box in QEMU (as root, half an hour); bench/firmware.md
	@tools/needs emulate
	tests/install
	@exec bench/firmware.py

soak: needs ## kill the server KILLS=200 times, cut power CUTS=50 times, random IMAP, and so on
	cargo build --locked --workspace
	tests/install
	tests/crash/run --kills $(KILLS)
	tests/power/install
	tests/power/run --cuts $(CUTS) --points $(POINTS) --boots 10
	tests/power/run --cuts 3 --points 100 --boots 0 --control
	tests/box/run --sessions $(SESSIONS)
	tests/gather/run --messages 20000 --folders 200 --cuts $(CUTS) --kills 100
	@tools/needs image
	tools/cross here
	MAILROOM_BIN=target/box-here/mailroom tests/box/run --sessions $(SESSIONS)
	MAILROOM_SECONDS=$(SECONDS_EACH) cargo test --locked --lib imap_model -- --nocapture
	POINTS=$(MOMENTS) BOOTS=20 tests/boot/run all

fuzz: needs ## feed the parsers with damaged input, SECONDS_EACH=60 for each of them
	@tools/needs fuzz
	@exec fuzz/run $(SECONDS_EACH)

clean: ## remove what was built and what the tests installed here; not DATA
	rm -rf target .tools

# A C compiler for the engine, the compressor and the cryptography; and Rust itself.
needs:
	@exec tools/needs
