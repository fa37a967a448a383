# Two commands for a fresh Debian or Ubuntu machine: `make run` and `make test`. Each sets up what it needs.
# While working: `make check` (lint, types, what touches no machine). By hand, for hours: `make soak`.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := gcc libc6-dev make python3 python3-venv python3-dev fio nbdkit libnbd-bin fuse3 fuse-overlayfs \
	iproute2 nftables runc qemu-system-x86
TEST_PACKAGES := $(PACKAGES) chromium gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static cpio \
	bubblewrap podman runsc crun musl-tools wireguard-tools busybox-static kmod e2fsprogs dmsetup mdadm xz-utils zstd

.PHONY: run test check soak lint format types clean system-run system-test

run: system-run $(VENV)/installed
	$(BIN)/liebench run
	$(BIN)/liebench report

test: system-test $(VENV)/installed-test $(VENV)/export-tools lint types
	$(BIN)/python ci/run_tests.py

check: $(VENV)/installed-test lint types
	LIEBENCH_TESTS_NICE=0 $(BIN)/python -m pytest -q -n 2 --dist loadfile \
		-m "not machine and not browser and not guest and not packaging and not slow"

soak: $(VENV)/installed-test
	$(BIN)/python ci/soak.py build/soak.log

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run -Werror $(C_FILES)

format: $(VENV)/installed-test
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(C_FILES)

types: $(VENV)/installed-test
	$(BIN)/mypy

system-run:
	@ci/system-packages $(PACKAGES)

system-test:
	@ci/system-packages $(TEST_PACKAGES)

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer with venv was found; install python3 and python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

CORE := $(wildcard liebench/core/*.[chS] liebench/core/*/*.[chS] probes/*/*.[chS])
SOURCES := pyproject.toml setup.py $(CORE)
C_FILES := $(filter %.c %.h,$(CORE)) $(wildcard ci/bench/oracle/*.c)

$(VENV)/installed: $(SOURCES) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/installed-test: $(SOURCES) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@ $(VENV)/installed

$(VENV)/export-tools: ci/export-tools | $(VENV)/bin/python
	ci/export-tools $(abspath $@)

clean:
	rm -rf $(VENV) build dist *.egg-info liebench/core/bin
