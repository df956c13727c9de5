# Berth's commands. Each does its own set-up; `make help` lists them.
# Node with npm starts everything; the project's own Node comes from package.json.
NODE := node_modules/node/bin/node

.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1 \t\2/' | expand -t 20

node_modules/.installed: package.json package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js with npm (any version from 20 on)" >&2; exit 1; }
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

demo: node_modules/.installed ## a registry on a free port (PORT=), with an image pushed and pulled back; Ctrl-C ends it
	@exec $(NODE) demo/main.ts

test: node_modules/.installed ## everything: check, unit, real components, one-node cluster
	npm run check
	$(NODE) test/tools/build.ts
	$(NODE) test/run.ts unit real e2e

check: node_modules/.installed ## types, lint and format
	npm run check

unit: node_modules/.installed ## the tests that need neither Go nor root
	npm test

soak: node_modules/.installed ## what takes hours: full sizes, long runs
	$(NODE) test/tools/build.ts
	$(NODE) test/run.ts soak

bench: node_modules/.installed ## side by side with the peers; prints ratios
	$(NODE) bench/main.ts

bench-s3: node_modules/.installed ## Berth and Distribution over one S3 server, beside the SDK itself
	$(NODE) bench/s3.ts

-include image.mk
-include test/tools/cluster.mk

.PHONY: help demo test check unit soak bench bench-s3
