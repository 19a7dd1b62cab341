# The common part of the makefiles of layers and functions. SAM runs each with
# ARTIFACTS_DIR set and, by build_in_source, in the makefile's own folder.

ROOT := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))..)
UV ?= $(or $(shell command -v uv),$(ROOT)/.tools/bin/uv)
# The absolute path of the runtime's Python, because bytecode belongs to one version.
PYTHON := $(shell cd "$(ROOT)" && "$(UV)" python find --no-project 3.13)
ifeq ($(PYTHON),)
$(error No uv or no Python 3.13: run "make setup" in $(ROOT))
endif

# The order of sets gets into bytecode and differs from run to run; times and
# permissions get into the archives. Two builds must be identical, byte by byte.
export PYTHONHASHSEED := 0
export TZ := UTC
EPOCH := 198001010000

# $(call compile,FOLDER,WHERE LAMBDA MOUNTS IT): Lambda's file system is read-only,
# so what isn't compiled here is compiled again at every cold start. Bytecode that is
# checked against the source's time becomes invalid when it is unpacked.
define compile
	find "$(1)" -name __pycache__ -prune -exec rm -r {} +
	$(PYTHON) -m compileall -q -j 1 --invalidation-mode unchecked-hash -s "$(1)" -p "$(2)" "$(1)"
	chmod -R u=rwX,go=rX "$(1)"
	find "$(1)" -exec touch -h -t $(EPOCH) {} +
endef
