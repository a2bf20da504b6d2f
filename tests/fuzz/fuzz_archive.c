/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as the archive of a bundle, with all that is read from its members. */

#include <svcdoctor/source.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct snapshot s;

	snapshot_init(&s);
	(void)bundle_open_memory(&s, data, size, "fuzz");
	(void)snapshot_finish(&s);
	snapshot_release(&s);
	return 0;
}
