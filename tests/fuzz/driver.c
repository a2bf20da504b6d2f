/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a fuzz target over files without libFuzzer, so that seeds and past findings are ordinary tests under any compiler.
 * Prints a line for each file before it is run: after a crash the last line names the culprit.
 */
#include <errno.h>
#include <fcntl.h>

#include <svcdoctor/base.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *data = NULL;
		size_t size = 0;
		int r = file_read_at(AT_FDCWD, argv[i], 64u << 20, &data, &size);
		if (r < 0) {
			printf("not ok %s: %s\n", argv[i], sd_strerror(r));
			return 1;
		}
		printf("run %s\n", argv[i]);
		fflush(stdout);
		/* A copy of exactly that size, so that a sanitizer sees a read behind the end. */
		uint8_t *copy = malloc(size > 0 ? size : 1);
		if (!copy)
			return 1;
		memcpy(copy, data, size);
		(void)LLVMFuzzerTestOneInput(copy, size);
		free(copy);
		free(data);
		printf("ok %s\n", argv[i]);
	}
	return 0;
}
