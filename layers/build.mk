# What the makefiles of the layers and functions share. SAM runs each with
# ARTIFACTS_DIR set and, by build_in_source, in the makefile's own folder.

ROOT := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))..)
UV ?= $(or $(shell command -v uv),$(ROOT)/.tools/bin/uv)
# The runtime's Python, in full, whatever PATH says: byte code is of one version.
PYTHON := $(shell cd "$(ROOT)" && "$(UV)" python find --no-project 3.13)
ifeq ($(PYTHON),)
$(error No uv or no Python 3.13: run "make setup" in $(ROOT))
endif

# The order of sets goes into byte code and differs from run to run; times and
# permissions go into the archives. Two builds are to be the same, byte by byte.
export PYTHONHASHSEED := 0
export TZ := UTC
EPOCH := 198001010000

# $(call compile,FOLDER,WHERE LAMBDA MOUNTS IT): Lambda's file system is read-only,
# so what isn't compiled here is compiled again at every cold start; and what is
# checked against the source's time doesn't survive being unpacked.
define compile
	find "$(1)" -name __pycache__ -prune -exec rm -r {} +
	$(PYTHON) -m compileall -q -j 1 --invalidation-mode unchecked-hash -s "$(1)" -p "$(2)" "$(1)"
	chmod -R u=rwX,go=rX "$(1)"
	find "$(1)" -exec touch -h -t $(EPOCH) {} +
endef
