# `make` alone lists the verbs. Each does all that it needs, on a fresh machine too.

.PHONY: help setup build demo simulate test lint
.DEFAULT_GOAL := help

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## a real swarm of programs on this machine learns from real chat exports; writes target/demo/report.html
	"$${CARGO_TARGET_DIR:-target}/release/murmur-simulate" processes

simulate: build ## virtual nodes learn on this machine, a first look; writes target/simulate/report.html
	rm -rf target/simulate
	"$${CARGO_TARGET_DIR:-target}/release/murmur-simulate" learning quick --out target/simulate

test: ## build everything, run every test, print minutes by part
	@bash setup/run_tests.sh

build: setup ## the programs, in target/release
	cargo build --release --workspace --lib --bins

setup: ## check the machine, put libtorch in place, tell cargo where it is
	@bash setup/setup.sh

lint: setup ## formatting, clippy, and the dependency rules of deny.toml where cargo-deny is installed
	cargo fmt --check
	cargo clippy --release --workspace --all-targets -- -D warnings
	@if command -v cargo-deny >/dev/null; then cargo deny check; else echo "cargo-deny is not installed: deny.toml not checked"; fi
