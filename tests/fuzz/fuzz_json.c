/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list splitter and every decoder of lib/k8s: any bytes as a document of a bundle's cluster/ folder. */

#include <svcdoctor/source.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct snapshot s;

	snapshot_init(&s);
	(void)read_cluster_json(&s, "services.json", (const char *)data, size, "services.json");
	(void)read_cluster_json(&s, "version.json", (const char *)data, size, "version.json");
	(void)snapshot_finish(&s);
	snapshot_release(&s);
	return 0;
}
