.DEFAULT_GOAL := help
.PHONY: help test test-unit test-integration coverage staleness overload logins follows bench microbench faults lint fmt docs run dev openapi image check-deploy alerts

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

test: ## run the whole suite; PostgreSQL and Redis are found, or installed, and started
	scripts/with-servers scripts/test

test-unit: ## run the tests that need nothing running
	cargo test --workspace --exclude user-tests --all-features

test-integration: ## run the black-box tests over real stores
	cargo build --workspace --all-features
	scripts/with-servers cargo test --workspace --all-features --test it

coverage: ## measure what the tests cover, into target/llvm-cov/html
	scripts/coverage

staleness: ## measure for how long other replicas give what a write has replaced
	scripts/with-servers cargo run --quiet --release --package user-tests --all-features --example staleness

overload: ## measure what four times the load leaves of the work that is done
	scripts/with-servers cargo run --quiet --release --package user-tests --all-features --example overload

logins: ## measure what a storm of logins leaves to reads, and what the time of a refusal tells
	scripts/with-servers cargo run --quiet --release --package user-tests --all-features --example logins

follows: ## measure a thousand followers of one user, and how fast a graph moves in (GRAPH=edges.txt)
	GRAPH=$(GRAPH) scripts/with-servers cargo run --quiet --release --package user-tests --all-features --example follows

bench: ## measure the service beside the bare framework (ROWS=cached,batch; see docs/benchmarks.md)
	cargo build --quiet --release --workspace --all-features --example bench --bin user-service
	ROWS=$(ROWS) scripts/with-servers scripts/with-load-programs target/release/examples/bench
microbench: ## measure the inner parts of a request, each by itself (BENCH="view --save-baseline main")
	cargo bench --workspace --all-features -- $(BENCH)

faults: ## try each fault of docs/reliability.md for ten seconds, and print what clients saw
	cargo build --workspace --all-features
	FAULT_SECONDS=$${FAULT_SECONDS:-10} TEST_PREVIOUS_RELEASE=$$(scripts/previous-release) scripts/with-servers \
		cargo test --workspace --all-features --test it -- faults:: --skip cache:: --nocapture --test-threads 1

lint: ## check formatting, lints and documentation
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --all-features

fmt: ## format the code
	cargo fmt --all

docs: ## build the crates' documentation
	cargo doc --workspace --no-deps --all-features

run: ## serve with the settings of the environment and .env
	cargo run --package user-service -- serve

dev: ## serve on an embedded store with sample users
	cargo run --package user-service -- dev

openapi: ## write the OpenAPI document into openapi.json
	cargo run --quiet --package user-service -- openapi > openapi.json.new
	mv openapi.json.new openapi.json

image: ## build the container image
	docker build --file deploy/Dockerfile --tag user-service:0.1.0 .

check-deploy: ## try image, manifests, dashboard and alerts
	scripts/with-servers scripts/check-deploy

alerts: ## write the Kubernetes rule anew, from the alerts of Prometheus
	target/deploy-venv/bin/python deploy/checks/manifests.py rule > rule.yaml.new
	mv rule.yaml.new deploy/kubernetes/components/monitoring/prometheus-rule.yaml
