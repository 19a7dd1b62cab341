# What the makefiles of the layers and functions share. SAM runs each with
# ARTIFACTS_DIR set and, by build_in_source, in the makefile's own folder.

ROOT := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))..)
UV ?= $(or $(shell command -v uv),$(ROOT)/.tools/bin/uv)
# The runtime's Python: the byte code has to be of its version.
PYTHON ?= $(shell cd $(ROOT) && $(UV) python find --no-project 3.13)

# Python's set order and the clock would make two builds differ.
export PYTHONHASHSEED := 0
EPOCH := 1980-01-01 00:00:00

# $(call compile,SOURCE FOLDER,WHERE LAMBDA MOUNTS IT): Lambda's file system is
# read-only, so what isn't compiled here is compiled at every cold start; and
# unzipping changes the times that ordinary .pyc files are checked against.
define compile
	$(PYTHON) -m compileall -q -j 1 --invalidation-mode unchecked-hash -s "$(1)" -p "$(2)" "$(1)"
	find "$(1)" -exec touch --no-dereference --date "$(EPOCH)" {} +
endef
