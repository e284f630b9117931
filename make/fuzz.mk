# Random records against the compiled reader and the step: the reader is built with AddressSanitizer where the compiler
# has it, so that a byte read beyond a record's end is found.

FUZZ_SECONDS ?= 600
FUZZ_DIR := .cache/fuzz
LIBASAN := $(shell $${CC:-cc} -print-file-name=libasan.so 2>/dev/null)

.PHONY: fuzz
fuzz: $(DEV_STAMP) ## Try random records on the compiled reader and the step (FUZZ_SECONDS=600)
	rm -rf $(FUZZ_DIR)
	CFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1 -g" \
		$(BIN)/python setup.py -q build_ext --build-lib $(FUZZ_DIR) --build-temp $(FUZZ_DIR)/temp
	ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc LD_PRELOAD="$(LIBASAN)" \
		$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) --built $(FUZZ_DIR)
