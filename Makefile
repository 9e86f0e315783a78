# Each target is a script in dev/.
.DEFAULT_GOAL := help
.PHONY: help run test loadtest bench build deploy check
export PATH := $(CURDIR)/.venv/bin:$(PATH)

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## */\1\t/p' Makefile | expand -t 12

run: ## serve everything at http://localhost:9000/ (PORT=…), installing what is missing
	@dev/run

test: ## format, lints and every test of the workspace, installing what is missing
	@dev/test

loadtest: ## measure what the cache is worth: at most 60 s after the build, reports in target/loadtest/
	@dev/loadtest

bench: ## every figure as a ratio beside its limit: hits, stampede, cold start, growth; report in target/bench/
	@dev/bench

build: ## the functions as Lambda takes them, in target/lambda/
	@dev/build

deploy: ## build and deploy template.yaml with AWS SAM, keeping every setting; asks for each the first time, or with ASK=yes
	@dev/deploy

check: ## ask a deployed larder twice (URL=…) and want the second answer from its cache
	@dev/check
