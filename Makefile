.DEFAULT_GOAL := help
.PHONY: help test test-unit test-integration coverage staleness standbys events relay overload logins follows bench microbench faults failover lint fmt docs run dev openapi image check-deploy alerts sdk lint-openapi

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

test: ## run all tests; finds PostgreSQL and Redis, or installs them, and starts them
	scripts/with-servers scripts/test

test-unit: ## run the tests that need no server
	cargo test --workspace --all-features --lib
	cargo test --workspace --all-features --test sqlite_contract --test cached_contract --test validation_cost
	cargo test --workspace --all-features --test it architecture::

test-integration: ## run the black-box tests with real databases and Redis
	cargo build --workspace --all-features --lib --bins --tests
	scripts/with-servers cargo test --workspace --all-features --test it

coverage: ## measure test coverage, into target/llvm-cov/html
	scripts/coverage

staleness: ## measure how long other replicas serve old data after a write
	scripts/with-servers cargo run --quiet --release --package user-tests --all-features --example staleness

events: ## measure how long events take from a commit to a reader of the feed
	scripts/with-servers cargo run --quiet --release --package user-tests --all-features --example events

relay: ## measure the relay of events to RabbitMQ, and kill the process that relays
	cargo build --quiet --release --workspace --all-features --example relay --bin user-service
	scripts/with-servers target/release/examples/relay

standbys: ## measure reads of standbys, and what they save the primary server
	scripts/with-servers cargo run --quiet --release --package user-tests --all-features --example standbys

overload: ## measure how much of the peak throughput remains at four times the peak load
	scripts/with-servers cargo run --quiet --release --package user-tests --all-features --example overload

logins: ## measure reads during a flood of logins, and whether the time of a refusal reveals its reason
	scripts/with-servers cargo run --quiet --release --package user-tests --all-features --example logins

follows: ## measure 1000 follows of one user, and the import of a graph (GRAPH=edges.txt)
	GRAPH=$(GRAPH) scripts/with-servers cargo run --quiet --release --package user-tests --all-features --example follows

bench: ## compare the service with bare actix-web and pgbench (ROWS=cached,batch; see docs/benchmarks.md)
	cargo build --quiet --release --workspace --all-features --example bench --bin user-service
	ROWS=$(ROWS) scripts/with-servers scripts/with-load-programs target/release/examples/bench
microbench: ## measure single functions (BENCH="view --save-baseline main")
	cargo bench --workspace --all-features -- $(BENCH)

faults: ## inject each fault of docs/reliability.md for ten seconds and print what clients saw
	cargo build --workspace --all-features --lib --bins --tests
	FAULT_SECONDS=$${FAULT_SECONDS:-10} TEST_PREVIOUS_RELEASE=$$(scripts/previous-release) scripts/with-servers \
		cargo test --workspace --all-features --test it -- faults:: --skip cache:: --nocapture --test-threads 1

failover: ## kill the primary of three PostgreSQL servers under Patroni 20 times (KILLS=3), and check every write
	scripts/with-servers scripts/failover

lint: ## check formatting, lints and documentation
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --all-features --lib --example staleness

fmt: ## format the code
	cargo fmt --all

docs: ## build the API documentation of the crates
	cargo doc --workspace --no-deps --all-features

run: ## serve with the settings of the environment and .env
	cargo run --package user-service -- serve

dev: ## serve from an embedded database with sample users
	cargo run --package user-service -- dev

openapi: ## write the API descriptions to openapi.json, openapi-3.0.json and asyncapi.json
	cargo run --quiet --package user-service -- openapi > openapi.json.new
	mv openapi.json.new openapi.json
	cargo run --quiet --package user-service -- openapi --3.0 > openapi-3.0.json.new
	mv openapi-3.0.json.new openapi-3.0.json
	cargo run --quiet --package user-service -- asyncapi > asyncapi.json.new
	mv asyncapi.json.new asyncapi.json

lint-openapi: ## check the OpenAPI documents with Spectral, Redocly and openapi-spec-validator
	scripts/lint-openapi

sdk: ## generate and pack the TypeScript and Python packages, into target/sdk/packages
	scripts/sdk

image: ## build the container image
	docker build --tag user-service --tag user-service:0.1.0 .

check-deploy: ## test the image, the manifests, the dashboard and the alerts
	scripts/with-servers scripts/check-deploy

alerts: ## generate the Kubernetes rule from the Prometheus alerts
	target/deploy-venv/bin/python deploy/checks/manifests.py rule > rule.yaml.new
	mv rule.yaml.new deploy/kubernetes/components/monitoring/prometheus-rule.yaml
