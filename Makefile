# `make` alone lists the verbs. Each does all that it needs, on a fresh machine too.

.PHONY: help setup build demo test lint base-model
.DEFAULT_GOAL := help

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-6s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: base-model build ## a real swarm of programs on this machine learns from real chat exports; writes target/demo/report.html
	"$${CARGO_TARGET_DIR:-target}/release/murmur-simulate" processes

# Not shipped yet (README, "What is missing today"): said before anything long starts.
base-model:
	@test -f models/seedling/config.json || { echo "make demo needs the base model models/seedling, which is not in the tree yet: make it with"; \
		echo "  make build && target/release/murmur-simulate pretrain FILE.jsonl...   (README, What is missing today)"; exit 1; }

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
