# Each target does all it needs, also in a fresh clone. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help run build test test-asan test-tsan test-random test-webhooks fuzz schemathesis page lint format bench bench-library profile docs \
  install install-files deb try-image try-deb check-deploy deps clean

SWIFT ?= swift
export SWIFT
# Where make install puts what it has built; DESTDIR is put before each of them.
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
# systemd looks for units, users and permissions below these two only.
SYSTEMD ?= $(if $(filter /usr /usr/local,$(PREFIX)),$(PREFIX),/usr/local)/lib
UNITS ?= $(SYSTEMD)/systemd/system
# Passed on: make run ARGS="--listen 127.0.0.1:9000", make test ARGS="--filter HTTP",
# make bench ARGS="--quick".
ARGS ?=
# Tests at a time. Most of them wait for servers, and all at once they would only wait for each other.
WIDTH ?= 8
# How many random transactions `make test-random` runs, and from which number they are drawn.
COUNT ?= 20000
SEED ?=
# How long each target is fuzzed.
SECONDS ?= 60
# How many requests of each operation are tried against openapi.yaml.
EXAMPLES ?= 500

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

run: build ## Build, and serve with a PostgreSQL of its own (or set DATABASE_URL)
	exec .build/release/transom serve $(ARGS)

build: deps ## Build for release
	scripts/build-release

test: ## Run all tests, on private PostgreSQL servers that they make and remove
	scripts/install-deps test
	SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=$(WIDTH) $(SWIFT) test $(ARGS)

# With a sanitizer everything takes ten times as long, and what waits for a time must not share its core with so many.
test-asan test-tsan: WIDTH = 4

test-asan: ## Run all tests with the address sanitizer, and look for leaks
	scripts/install-deps test
	ASAN_OPTIONS=detect_leaks=1:quarantine_size_mb=8 \
	LSAN_OPTIONS=suppressions=$(CURDIR)/Tests/Sanitizers/leaks.supp:print_suppressions=0 \
	SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=$(WIDTH) $(SWIFT) test --sanitize=address --scratch-path .build/asan $(ARGS)

test-tsan: ## Run all tests with the thread sanitizer
	scripts/install-deps test
	mkdir -p .build/tsan
	clang -shared -fPIC -O2 -Wall -Werror -o .build/tsan/mutex.so Tests/Sanitizers/mutex.c
	LD_PRELOAD=$(CURDIR)/.build/tsan/mutex.so \
	SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=$(WIDTH) $(SWIFT) test --sanitize=thread --scratch-path .build/tsan $(ARGS)

test-random: ## Hold COUNT=20000 random transactions against one statement at a time; SEED= repeats a run
	scripts/install-deps test
	$(SWIFT) build --build-tests
	TRANSOM_RANDOM_COUNT=$(COUNT) TRANSOM_RANDOM_SEED=$(SEED) $(SWIFT) test --skip-build --filter DifferentialTests

test-webhooks: ## 20,000 transactions with webhooks, while the service is killed 20 times and PostgreSQL restarted twice
	scripts/install-deps test
	$(SWIFT) build --build-tests
	TRANSOM_WEBHOOK_TRANSACTIONS=20000 TRANSOM_WEBHOOK_KILLS=20 TRANSOM_WEBHOOK_RESTARTS=2 \
	$(SWIFT) test --skip-build --filter WebhookCrashTests

fuzz: deps ## Fuzz what reads clients' bytes, SECONDS=60 for each target
	TRANSOM_FUZZ=1 $(SWIFT) build -c release --product Fuzz --sanitize=fuzzer --sanitize=address --scratch-path .build/fuzz
	scripts/fuzz $(SECONDS) $(ARGS)

schemathesis: ## Hold the running service against openapi.yaml with random requests, EXAMPLES=500 an operation
	scripts/install-deps schemathesis
	$(SWIFT) build --product transom
	scripts/schemathesis $(EXAMPLES) $(ARGS)

page: deps ## Look at /docs in a headless Chromium, and try its forms; pictures go into .build/page
	$(SWIFT) build --product transom
	scripts/try-page

lint: deps ## Check format, layout and imports
	$(SWIFT) format lint -r -s Sources Tests Examples/Sources Package.swift
	python3 scripts/check-layout --self-test
	python3 scripts/check-layout
	$(SWIFT) build --build-tests --explicit-target-dependency-import-check error

format: ## Format all Swift files in place
	$(SWIFT) format -i -r Sources Tests Examples/Sources Package.swift

bench: ## Measure the service against pgbench, and the library against psycopg 3, on this machine
	scripts/install-deps bench
	scripts/build-release
	python3 Tests/Benchmarks/bench.py $(ARGS)
	python3 Tests/Benchmarks/webhooks.py
	python3 Tests/Benchmarks/hanging.py
	$(MAKE) bench-library ARGS="$(filter --quick,$(ARGS))"

bench-library: ## Measure the library alone against psycopg 3 on this machine (a part of make bench)
	scripts/install-deps bench
	$(SWIFT) build -c release --package-path Tests/Benchmarks/Library --scratch-path .build/bench/library \
	  --static-swift-stdlib -Xswiftc -enforce-exclusivity=unchecked
	python3 Tests/Benchmarks/library.py $(ARGS)

profile: ## Measure anew what transactions run, for the compiler and the linker of the release (half an hour)
	scripts/install-deps profile
	scripts/profile

docs: deps ## Make the documentation of the libraries
	scripts/docs

install: build ## Install below PREFIX=/usr/local, and units for systemd; DESTDIR= for packages
	$(MAKE) install-files

# An existing configuration stays.
install-files: ## The same with what `make build` has built: all that root has to do
	install -D -m 755 -s .build/release/transom "$(DESTDIR)$(PREFIX)/bin/transom"
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/man/man1" deploy/transom.1
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/doc/transom" README.md CHANGELOG.md openapi.yaml
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/doc/transom/docs" docs/*.md
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/doc/transom/examples" compose.yaml deploy/kubernetes/transom.yaml \
	  deploy/grafana/transom.json deploy/prometheus/prometheus.yaml \
	  deploy/prometheus/transom.rules.yaml
	install -D -m 644 -t "$(DESTDIR)$(UNITS)" deploy/systemd/transom.socket
	sed "s|/usr/bin/transom|$(PREFIX)/bin/transom|; s|/etc/|$(SYSCONFDIR)/|" deploy/systemd/transom.service \
	  >"$(DESTDIR)$(UNITS)/transom.service"
	install -D -m 644 deploy/systemd/transom.sysusers "$(DESTDIR)$(SYSTEMD)/sysusers.d/transom.conf"
	install -d -m 755 "$(DESTDIR)$(SYSTEMD)/tmpfiles.d"
	sed "s|/etc/|$(SYSCONFDIR)/|" deploy/systemd/transom.tmpfiles >"$(DESTDIR)$(SYSTEMD)/tmpfiles.d/transom.conf"
	test -e "$(DESTDIR)$(SYSCONFDIR)/transom/transom.yaml" || \
	  install -D -m 644 -t "$(DESTDIR)$(SYSCONFDIR)/transom" deploy/transom.yaml

deb: build ## Make a Debian package: .build/deb/transom_*.deb
	scripts/install-deps deb
	scripts/make-deb

try-deb: deb ## Install the package in a fresh Debian by debootstrap, and start the service there (as root)
	scripts/install-deps try
	scripts/try-deb

try-image: ## Run the Dockerfile's steps in a fresh Debian by debootstrap, and try the result (as root)
	scripts/install-deps try
	scripts/try-image

check-deploy: build ## Check compose.yaml, the units, the Kubernetes manifests and the package with their own tools
	scripts/install-deps deploy
	scripts/check-deploy

deps: ## Install the Debian packages that are missing
	@scripts/install-deps

clean: ## Remove what was built
	rm -rf .build
